"""A trained proposer as users load it, and as a candidate generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.union import Union
from decoupled_ner.data.out_of_fold import OutOfFold
from decoupled_ner.data.pairs import length_buckets
from decoupled_ner.inference.compute import DType, autocast_dtype, precision, ready
from decoupled_ner.inference.folders import config_of, model_directory, replacing, unused_name
from decoupled_ner.inference.regions import (
    ScoredRegions,
    joined,
    measured_points,
    owned_regions,
)
from decoupled_ner.metrics.budget import HIGHEST, OperatingPoint
from decoupled_ner.models.encoder import load_weights, quiet_transformers
from decoupled_ner.models.pieces import Piece
from decoupled_ner.models.proposer import ProposerConfig, ProposerModel
from decoupled_ner.models.proposer_inputs import ProposerInputs
from decoupled_ner.progress import batches
from decoupled_ner.types import InputError, Region, Sentence

#: Units a batch pads to at most. Each has ``max_width`` regions.
UNITS_PER_BATCH = 2048
#: Texts that are segmented and tokenised at once.
TEXTS_AT_ONCE = 512


class Proposer:
    """Scores every region of a text that may be an entity, in one pass. Thread-safe.

    Args:
        model: the network.
        inputs: how texts become its features.
        device: ``cpu``, ``cuda`` …; ``auto`` takes a GPU where there is one.
        dtype: what the encoder computes in; float32 keeps an autocast that the caller has entered.
            Scores are computed in float32, so that they are not rounded together.
    """

    def __init__(
        self,
        model: ProposerModel,
        inputs: ProposerInputs,
        *,
        device: str = "auto",
        dtype: DType = "float32",
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.compute_on(device, dtype)

    def compute_on(self, device: str, dtype: DType) -> None:
        """Have it compute elsewhere or, the encoder, in another ``dtype``."""
        self.model, self._autocast = ready(self.model, device), autocast_dtype(dtype)

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, device: str = "auto", dtype: DType = "float32"
    ) -> Self:
        """Load what `save_pretrained` wrote, from a directory or a hub id.

        Raises:
            InputError: there is no such model, or what lies there is no proposer.
        """
        directory = model_directory(name_or_path)
        config = config_of(ProposerConfig, directory)
        if config.model_type != ProposerConfig.model_type or config.encoder is None:
            raise InputError(f"{name_or_path}: not a proposer")
        model = load_weights(ProposerModel, directory, config)
        return cls(model, ProposerInputs.load(config, directory), device=device, dtype=dtype)

    def save_pretrained(self, directory: str | Path) -> Path:
        """Write weights (safetensors), configuration, tokenizer and vocabularies. What was there
        is replaced only once everything is written."""
        with replacing(Path(directory)) as fresh:
            with quiet_transformers():
                self.model.save_pretrained(fresh)
            self.inputs.save(fresh)
        return Path(directory)

    @property
    def operating_points(self) -> list[OperatingPoint]:
        """The budgets with a threshold, in rising order."""
        return [OperatingPoint(**point) for point in self.model.config.operating_points or ()]

    def threshold(self, budget: float | None = None) -> float:
        """The score that regions need to be proposed.

        Args:
            budget: candidates a sentence; by default the one that training chose.

        Raises:
            InputError: no threshold was chosen for this budget.
        """
        wanted = self.model.config.budget if budget is None else budget
        known = {point.budget: point.threshold for point in self.operating_points}
        if wanted not in known:
            budgets = ", ".join(f"{b:g}" for b in known) or "none"
            raise InputError(f"no threshold for a budget of {wanted:g}; there are {budgets}")
        return known[wanted]

    def choose_thresholds(self, sentences: Sequence[Sentence], budgets: Sequence[float]) -> None:
        """Set the operating points for these budgets, on sentences that were not trained on."""
        found = self.scored([sentence.text for sentence in sentences], progress="thresholds")
        points = measured_points(found, sentences, budgets)
        self.model.config.operating_points = [asdict(point) for point in points]

    def scored(
        self, texts: Sequence[str], min_score: float = -np.inf, *, progress: str = ""
    ) -> list[ScoredRegions]:
        """The regions of each text that score this or more, of up to ``max_width`` units. What is
        in progress is shown with a bar, if it is named."""
        found: list[ScoredRegions] = []
        for some in batches(texts, TEXTS_AT_ONCE, progress, shown=bool(progress)):
            found += self._scored(some, min_score)
        return found

    def _scored(self, texts: Sequence[str], min_score: float) -> list[ScoredRegions]:
        encoded = self.inputs.encode_batch(texts)
        pieces = [(number, piece) for number, found in enumerate(encoded) for piece in found]
        scored: dict[int, ScoredRegions] = {}
        for batch in length_buckets([len(piece) for _, piece in pieces], UNITS_PER_BATCH):
            some = [pieces[index][1] for index in batch]
            scored.update(zip(batch, self._score(some, min_score), strict=True))
        parts: list[list[ScoredRegions]] = [[] for _ in texts]
        for index, (number, _) in enumerate(pieces):
            parts[number].append(scored[index])
        return [joined(of_text) for of_text in parts]

    @torch.inference_mode()
    def _score(self, pieces: Sequence[Piece], min_score: float) -> list[ScoredRegions]:
        """The regions that each window owns."""
        device = self.model.device
        batch = {key: value.to(device) for key, value in self.inputs.collate(pieces).items()}
        with precision(self.model, self._autocast):
            units = self.model.units(batch)
        with torch.autocast(device.type, enabled=False):
            scores = self.model.region_scores(units.float(), batch["unit_mask"])
        rows = scores.cpu().numpy()
        return [
            owned_regions(piece, row, min_score) for piece, row in zip(pieces, rows, strict=True)
        ]


class BestRegions(CandidateGenerator):
    """Proposes the regions that a proposer scores highest; abstract, since where the proposer comes
    from is for subclasses.

    Args:
        proposer: with operating points.
        budget: candidates a sentence; by default the one that training chose. With 0 it proposes
            nothing, but its scores can be read (`DecoupledNER.read_proposer`).
    """

    name = "proposer"

    def __init__(self, proposer: Proposer, budget: float | None) -> None:
        self.proposer = proposer
        self.budget = float(proposer.model.config.budget if budget is None else budget)
        self._threshold = proposer.threshold(self.budget) if self.budget else HIGHEST

    @property
    def trained_on(self) -> Mapping[str, Any] | None:
        return self.proposer.model.config.trained_on

    def propose(self, text: str) -> list[Region]:
        return self.propose_batch([text])[0]

    def propose_batch(self, texts: Sequence[str]) -> list[list[Region]]:
        if not self.budget:
            return [[] for _ in texts]
        return list(map(self.chosen, self.proposer.scored(texts, self._threshold)))

    def chosen(self, scored: ScoredRegions) -> list[Region]:
        """Those of a text's scored regions that it proposes."""
        return scored.at_least(self._threshold)


class ProposerCandidates(BestRegions):
    """Proposes the regions that a trained proposer scores highest.

    Args:
        model: directory or hub id of a `Proposer`.
        budget: candidates a sentence, on average over sentences like those of the dev set that its
            threshold was chosen on; by default the one that training chose. 0 as in `BestRegions`.
        device: as in `Proposer`.

    Raises:
        InputError: there is no such proposer, or it has no threshold for this budget.
    """

    def __init__(
        self, model: str | Path, budget: float | None = None, device: str = "auto"
    ) -> None:
        super().__init__(Proposer.from_pretrained(model, device=device), budget)
        self._model, self._device = str(model), device

    def init_args(self) -> dict[str, Any]:
        return {"model": self._model, "budget": self.budget, "device": self._device}

    def save(self, directory: Path) -> dict[str, Any]:
        """The proposer itself, in a folder of the model that uses it; another machine may have
        another device."""
        folder = unused_name(directory, self.name)
        self.proposer.save_pretrained(directory / folder)
        return {**self.init_args(), "model": folder, "device": "auto"}


def proposers_in(union: Union) -> list[BestRegions]:
    """The proposers among a union's generators, at any depth."""
    return [generator for generator in union.leaves() if isinstance(generator, BestRegions)]


def proposes(union: Union) -> bool:
    """Whether there is a proposer among a union's generators that isn't only read."""
    return any(proposer.budget for proposer in proposers_in(union))


def with_recorded(union: Union, recorded: OutOfFold, unseen: Sequence[str] = ()) -> Union:
    """The union with each proposer replaced by what was recorded for its budget; one with a budget
    of 0 stays.

    Args:
        unseen: further texts, which the proposers were not trained on: what they propose there.

    Raises:
        InputError: there is no proposer, or more candidates are asked for than were recorded.
    """
    if not proposes(union):
        raise InputError("out-of-fold candidates need a proposer among the candidate generators")
    generators: list[CandidateGenerator] = []
    for generator in union.generators:
        if isinstance(generator, ProposerCandidates) and generator.budget:
            generators.append(recorded.generator(generator.budget).joined_by(generator, unseen))
        elif isinstance(generator, Union) and proposes(generator):
            generators.append(with_recorded(generator, recorded, unseen))
        else:
            generators.append(generator)
    return Union(generators, union.max_length)
