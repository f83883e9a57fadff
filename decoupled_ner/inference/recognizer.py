"""What every loaded model does, whatever its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from decoupled_ner.types import Candidate, Entity, InputError

#: What is worked on together: enough to fill batches, little enough for any number of texts.
_TEXTS, _CHARACTERS = 512, 1 << 16


class Recognizer(ABC):
    """Finds entities in sentences. Thread-safe; what else is in a batch changes no answer."""

    @property
    def may_overlap(self) -> bool:
        """Whether entities of one sentence may overlap."""
        return False

    @abstractmethod
    def recognize(
        self, sentences: Sequence[str]
    ) -> tuple[list[list[Entity]], list[list[Candidate]] | None]:
        """The entities of each sentence by position, and the candidates they were chosen from;
        None for a model that needs no candidates."""

    def predict_batch(self, sentences: Iterable[str]) -> list[list[Entity]]:
        """The entities of many sentences, N in, N out; offsets count characters as given. Beside
        sentences and entities, memory does not grow with N.

        Raises:
            InputError: ``sentences`` is a single string, or holds something else than strings.
        """
        texts = [] if isinstance(sentences, str) else list(sentences)
        if isinstance(sentences, str) or not all(isinstance(text, str) for text in texts):
            raise InputError("predict_batch takes a list of strings; predict_regions takes one")
        return [found for part in _portions(texts) for found in self.recognize(part)[0]]

    def predict_regions(self, sentence: str) -> list[Entity]:
        """The entities of one sentence."""
        return self.predict_batch([sentence])[0]

    def predict_stream(
        self, sentences: Iterable[str], *, batch_size: int = 64
    ) -> Iterator[list[Entity]]:
        """The entities of each sentence in turn, holding ``batch_size`` sentences in memory.

        Raises:
            InputError: as of `predict_batch`, or ``batch_size`` is below 1.
        """
        if isinstance(sentences, str):
            raise InputError("predict_stream takes strings; predict_regions takes one")
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size} must be at least 1")
        return chain.from_iterable(map(self.predict_batch, _batches(sentences, batch_size)))


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """The items in lists; what came before an error comes before it."""
    iterator = iter(items)
    while True:
        batch: list[str] = []
        try:
            batch.extend(islice(iterator, size))
        except Exception:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch


def _portions(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in their order, in portions of a bounded size."""
    portion: list[str] = []
    characters = 0
    for text in texts:
        if portion and (len(portion) == _TEXTS or characters + len(text) > _CHARACTERS):
            yield portion
            portion, characters = [], 0
        portion.append(text)
        characters += len(text)
    if portion:
        yield portion
