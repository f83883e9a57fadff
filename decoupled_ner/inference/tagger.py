"""A trained tagger as users load it, and as a candidate generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.pairs import length_buckets
from decoupled_ner.inference.compute import DType, autocast_dtype, precision, ready
from decoupled_ner.inference.folders import config_of, model_directory, replacing, unused_name
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.inference.tag_decoding import ScoredSpan, TagDecoder
from decoupled_ner.models.encoder import load_weights, quiet_transformers
from decoupled_ner.models.pieces import Piece
from decoupled_ner.models.tagger import TaggerConfig, TaggerModel
from decoupled_ner.models.tagger_inputs import TaggerInputs
from decoupled_ner.types import Entity, InputError, Region, unique_regions

#: Units a batch pads to at most.
UNITS_PER_BATCH = 8192

_T = TypeVar("_T")
_Decode = Callable[[Sequence[Piece], Tensor, Tensor], list[_T]]


class Tagger(Recognizer):
    """Finds entities by tagging each unit of a text. An entity's score is the probability that all
    of its units have their tags.

    Args:
        model: the network.
        inputs: how texts become its features.
        device: ``cpu``, ``cuda`` …; ``auto`` takes a GPU where there is one.
        dtype: to compute in; float32 keeps an autocast that the caller has entered.
    """

    def __init__(
        self,
        model: TaggerModel,
        inputs: TaggerInputs,
        *,
        device: str = "auto",
        dtype: DType = "float32",
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.compute_on(device, dtype)
        self._decoder = TagDecoder(model.crf, inputs.tags)

    def compute_on(self, device: str, dtype: DType) -> None:
        """Have it compute elsewhere or in another ``dtype``."""
        self.model, self._autocast = ready(self.model, device), autocast_dtype(dtype)

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, device: str = "auto", dtype: DType = "float32"
    ) -> Self:
        """Load what `save_pretrained` wrote, from a directory or a hub id.

        Raises:
            InputError: there is no such model, or what lies there is no tagger.
        """
        directory = model_directory(name_or_path)
        config = config_of(TaggerConfig, directory)
        if config.model_type != TaggerConfig.model_type or config.labels is None:
            raise InputError(f"{name_or_path}: not a tagger")
        model = load_weights(TaggerModel, directory, config)
        return cls(model, TaggerInputs.load(config, directory), device=device, dtype=dtype)

    def save_pretrained(self, directory: str | Path) -> Path:
        """Write weights (safetensors), configuration, tokenizer, vocabularies and lexicon. What was
        there is replaced only once everything is written."""
        with replacing(Path(directory)) as fresh:
            with quiet_transformers():
                self.model.save_pretrained(fresh)
            self.inputs.save(fresh)
        return Path(directory)

    def recognize(self, sentences: Sequence[str]) -> tuple[list[list[Entity]], None]:
        """The entities of each sentence by position; a tagger needs no candidates."""
        found: list[list[Entity]] = [[] for _ in sentences]
        for number, piece, spans in self._decoded(sentences, self._decoder.best):
            for entity in self._entities(sentences[number], piece, spans):
                entities = found[number]  # the window before may have gone on further
                if not entities or entities[-1].end <= entity.start:
                    entities.append(entity)
        return found, None

    def propose_regions(self, sentences: Sequence[str], k: int) -> list[list[Region]]:
        """The regions of all entities in the ``k`` best tag sequences of each sentence (of each
        window, where it is long)."""
        found: list[list[Region]] = [[] for _ in sentences]
        for number, piece, spans in self._decoded(sentences, partial(self._decoder.k_best, k=k)):
            found[number].extend(Region(*piece.region_of(*span)) for span in spans)
        return [unique_regions(regions) for regions in found]

    def probable_regions(
        self, sentences: Sequence[str], min_probability: float
    ) -> list[list[Entity]]:
        """Every region that is an entity with at least this probability, whatever else is tagged,
        by position; they may overlap. ``score`` is the probability of an entity of any type,
        ``label`` the most probable type."""
        found: list[list[Entity]] = [[] for _ in sentences]
        decode = partial(self._decoder.probable, min_probability=min_probability)
        for number, piece, spans in self._decoded(sentences, decode):
            found[number].extend(self._entities(sentences[number], piece, spans))
        return found

    def _decoded(
        self, sentences: Sequence[str], decode: _Decode[_T]
    ) -> Iterator[tuple[int, Piece, _T]]:
        """For every window, those of a sentence in order: the sentence's number, the window, and
        what ``decode(pieces, emissions, mask)`` makes of it."""
        pieces = [(i, p) for i, text in enumerate(sentences) for p in self.inputs.encode(text)]
        decoded: dict[int, _T] = {}
        for batch in length_buckets([len(piece) for _, piece in pieces], UNITS_PER_BATCH):
            some = [pieces[number][1] for number in batch]
            decoded.update(zip(batch, decode(some, *self._emissions(some)), strict=True))
        for number, (index, piece) in enumerate(pieces):
            yield index, piece, decoded[number]

    @torch.inference_mode()
    def _emissions(self, pieces: Sequence[Piece]) -> tuple[Tensor, Tensor]:
        """Emissions (P, N, T) and mask (P, N)."""
        device = self.model.device
        batch = {key: value.to(device) for key, value in self.inputs.collate(pieces).items()}
        with precision(self.model, self._autocast):
            emissions: Tensor = self.model(batch)
        return emissions, batch["unit_mask"]

    @staticmethod
    def _entities(text: str, piece: Piece, spans: Sequence[ScoredSpan]) -> list[Entity]:
        found = []
        for (first, last, label), score in spans:
            start, end = piece.region_of(first, last)
            found.append(Entity(start, end, text[start:end], label, score))
        return found


class TaggerCandidates(CandidateGenerator):
    """Proposes what a trained tagger finds probable.

    Args:
        model: directory or hub id of a `Tagger`.
        k: propose the entities in the ``k`` best tag sequences.
        min_probability: propose the regions that are an entity with at least this probability
            instead; finds more gold entities than ``k`` does with as many candidates.
        device: as in `Tagger`.

    Raises:
        InputError: there is no such tagger, ``k`` is below 1 or the probability not in (0, 1].
    """

    name = "tagger"

    def __init__(
        self,
        model: str | Path,
        k: int = 1,
        min_probability: float | None = None,
        device: str = "auto",
    ) -> None:
        if k < 1:
            raise InputError(f"a tagger proposes from its k best sequences; k can't be {k}")
        if min_probability is not None and not 0 < min_probability <= 1:
            raise InputError(
                f"min_probability must be above 0 and at most 1, not {min_probability}"
            )
        self._model, self._device = str(model), device
        self._k, self._min_probability = k, min_probability
        self.tagger = Tagger.from_pretrained(model, device=device)

    @property
    def trained_on(self) -> Mapping[str, Any] | None:
        return self.tagger.model.config.trained_on

    def propose(self, text: str) -> list[Region]:
        return self.propose_batch([text])[0]

    def propose_batch(self, texts: Sequence[str]) -> list[list[Region]]:
        if self._min_probability is None:
            return self.tagger.propose_regions(texts, self._k)
        found = self.tagger.probable_regions(texts, self._min_probability)
        return [unique_regions([entity.region for entity in entities]) for entities in found]

    def init_args(self) -> dict[str, Any]:
        return {
            "model": self._model,
            "k": self._k,
            "min_probability": self._min_probability,
            "device": self._device,
        }

    def save(self, directory: Path) -> dict[str, Any]:
        """The tagger itself, in a folder of the model that uses it; another machine may have
        another device."""
        folder = unused_name(directory, self.name)
        self.tagger.save_pretrained(directory / folder)
        return {**self.init_args(), "model": folder, "device": "auto"}
