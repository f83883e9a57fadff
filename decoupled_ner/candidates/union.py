"""All generators' candidates together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.types import Candidate, InputError, Region

_CHUNK_CHARACTERS = 100_000


class Union(CandidateGenerator):
    """What any of the generators proposes, each region once, with the generators that did.

    Args:
        generators: at least one, with different names.
        max_length: longer regions are left out, in characters; ``None`` keeps all.
    """

    name = "union"

    def __init__(
        self, generators: Sequence[CandidateGenerator], max_length: int | None = None
    ) -> None:
        names = [generator.name for generator in generators]
        if not names or len(set(names)) < len(names):
            raise InputError(f"a union needs generators with different names, got {names}")
        if max_length is not None and max_length < 1:
            raise InputError(f"max_length must be at least 1, got {max_length}")
        self.generators = tuple(generators)
        self.max_length = max_length

    @classmethod
    def of(cls, generator: CandidateGenerator) -> Union:
        """The generator itself if it is a union, else a union of it alone."""
        return generator if isinstance(generator, Union) else cls([generator])

    def plus(self, *generators: CandidateGenerator) -> Union:
        """This union with further generators, under the same limit."""
        return Union([*self.generators, *generators], self.max_length)

    def leaves(self) -> Iterator[CandidateGenerator]:
        """The generators that are no unions themselves, at any depth."""
        for generator in self.generators:
            yield from generator.leaves() if isinstance(generator, Union) else [generator]

    def without(self, kind: type[CandidateGenerator]) -> Union | None:
        """This union less the generators of a class, at any depth; None where none is left."""
        kept = [g for g in self.generators if not isinstance(g, kind)]
        parts = [g.without(kind) if isinstance(g, Union) else g for g in kept]
        left = [part for part in parts if part is not None]
        return Union(left, self.max_length) if left else None

    def candidates(self, text: str) -> list[Candidate]:
        """The candidates of ``text``, sorted by start, then end."""
        return self.candidates_batch([text])[0]

    def candidates_batch(self, texts: Sequence[str]) -> list[list[Candidate]]:
        """`candidates` for many texts, N in, N out."""
        found: list[list[Candidate]] = []
        for chunk in _chunks(texts):
            proposed = [_proposals(generator, chunk) for generator in self.generators]
            found.extend(self.join(parts) for parts in zip(*proposed, strict=True))
        return found

    def join(self, parts: Sequence[Sequence[Candidate]]) -> list[Candidate]:
        """One text's candidates from those of several generators, under this union's limit."""
        sources: dict[Region, set[str]] = {}
        for candidate in chain.from_iterable(parts):
            region = candidate.region
            if self.max_length is None or len(region) <= self.max_length:
                sources.setdefault(region, set()).update(candidate.sources)
        return [
            Candidate(region.start, region.end, tuple(sorted(sources[region])))
            for region in sorted(sources)
        ]

    def propose(self, text: str) -> list[Region]:
        return [candidate.region for candidate in self.candidates(text)]

    def propose_batch(self, texts: Sequence[str]) -> list[list[Region]]:
        return [[c.region for c in found] for found in self.candidates_batch(texts)]

    def init_args(self) -> dict[str, Any]:
        """The arguments, each generator as its configuration: `generator_from_config` reads it."""
        return self._describe(None)

    def save(self, directory: Path) -> dict[str, Any]:
        return self._describe(directory)

    def _describe(self, directory: Path | None) -> dict[str, Any]:
        from decoupled_ner.candidates.registry import to_config  # which knows this class

        configs = [to_config(generator, directory) for generator in self.generators]
        return {"generators": configs, "max_length": self.max_length}


def _proposals(generator: CandidateGenerator, texts: Sequence[str]) -> list[list[Candidate]]:
    """A generator's candidates; those of a union keep the names of its generators."""
    if isinstance(generator, Union):
        return generator.candidates_batch(texts)
    source = (generator.name,)
    return [
        [Candidate(region.start, region.end, source) for region in regions]
        for regions in generator.propose_batch(texts)
    ]


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Runs of texts short enough that segmenters remember them from one generator to the next."""
    start = size = 0
    for index, text in enumerate(texts):
        if size + len(text) > _CHUNK_CHARACTERS and index > start:
            yield texts[start:index]
            start, size = index, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]
