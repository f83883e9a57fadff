"""What proposers suggest on training sentences that they have not seen.

A proposer's candidates on its own training sentences are the gold entities and little else, which
is not what it will propose in the world. So the training sentences are cut into folds, and each
fold's candidates come from a proposer that was trained on the others.

The file is JSON lines: first what it was made from, then one distinct text a line, with every
region that scored well and its score, so that any budget up to ``budget`` can be taken from it::

    {"format": "out-of-fold candidates", "generator": "proposer", "dataset": "weibo",
     "checksums": {…}, "folds": 5, "budget": 20.0, …}
    {"text": "FIBA says no", "fold": 3, "regions": [[0, 4, 4.5], [10, 12, -1.25]]}
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.catalog import Dataset
from decoupled_ner.data.files import located, numbered_lines, text_digest, write_lines
from decoupled_ner.data.jsonl import json_object
from decoupled_ner.metrics.budget import budget_threshold
from decoupled_ner.types import InputError, Region

_FORMAT = "out-of-fold candidates"
_HOW = "make the file with `decoupled-ner proposer DATASET --folds 5`"
_SAME = "make them with the same --data.train_sentences and --data.fit_on"

#: start, end, score
ScoredSpan = tuple[int, int, float]


def fold_of(text: str, folds: int) -> int:
    """The fold of a text, from 1 to ``folds``: the same for its duplicates, on any machine."""
    # The highest bits decide what the catalog holds out, the lowest are as good as new.
    return text_digest(text) % folds + 1


@dataclass(frozen=True, slots=True)
class FoldText:
    """A text with the regions that the proposer of another fold's training suggests."""

    text: str
    fold: int
    regions: tuple[ScoredSpan, ...]

    def to_json(self) -> str:
        """Its line in the file."""
        values = {"text": self.text, "fold": self.fold, "regions": self.regions}
        return json.dumps(values)  # in ASCII, since a text may hold half of a surrogate pair


@dataclass(frozen=True)
class OutOfFold:
    """Candidates for every training text of a data set.

    Attributes:
        facts: what the file was made from: at least ``generator``, ``dataset``, ``checksums``,
            ``folds`` and ``budget``.
        texts: each distinct text once.
    """

    facts: Mapping[str, Any]
    texts: tuple[FoldText, ...]

    def write(self, path: Path) -> None:
        """Write the file beside, then rename; packed when its name ends in .xz or .gz."""
        header = json.dumps({"format": _FORMAT, **self.facts}, ensure_ascii=False)
        write_lines([header, *(text.to_json() for text in self.texts)], path)

    @classmethod
    def read(cls, path: str | Path) -> OutOfFold:
        """Read what `write` wrote.

        Raises:
            InputError: names file, line and what is wrong.
        """
        lines = ((number, line) for number, line in numbered_lines(Path(path)) if line)
        facts: dict[str, Any] | None = None
        texts = []
        for number, line in lines:
            with located(path, number):
                if facts is None:
                    facts = _facts(line)
                else:
                    texts.append(_fold_text(line))
        if facts is None:
            raise InputError(f"{path}: an empty file; {_HOW}")
        return cls(facts, tuple(texts))

    def check(self, dataset: Dataset, texts: Iterable[str]) -> None:
        """Raise an `InputError` unless it was made from these files and these texts, no others."""
        if self.facts["dataset"] != dataset.name:
            raise InputError(
                f"out-of-fold candidates of {self.facts['dataset']!r} can't train {dataset.name!r}"
            )
        if self.facts["checksums"] != dict(dataset.checksums):
            raise InputError(
                f"out-of-fold candidates come from other files of {dataset.name!r}: the checksums"
                " differ; make them anew"
            )
        known, wanted = {text.text for text in self.texts}, set(texts)
        if missing := wanted - known:
            raise InputError(
                f"{len(missing)} training sentences have no out-of-fold candidates, e.g."
                f" {min(missing)[:20]!r}; {_SAME}"
            )
        if further := known - wanted:
            raise InputError(
                f"out-of-fold candidates come from proposers that saw {len(further)} sentences"
                f" which are not trained on here, e.g. {min(further)[:20]!r}; {_SAME}"
            )

    def generator(self, budget: float) -> RecordedCandidates:
        """What the proposers suggest with a budget of candidates a sentence, as a generator.

        The threshold is each fold's own, so that proposers with different scales propose as many.

        Raises:
            InputError: the file holds fewer candidates.
        """
        if budget > self.facts["budget"]:
            raise InputError(
                f"out-of-fold candidates were kept for {self.facts['budget']:g} a sentence at most,"
                f" not {budget:g}"
            )
        scores: dict[int, list[float]] = defaultdict(list)
        sizes: dict[int, int] = defaultdict(int)
        for text in self.texts:
            scores[text.fold] += [score for _, _, score in text.regions]
            sizes[text.fold] += 1
        thresholds = {
            fold: budget_threshold(np.array(scores[fold]), sizes[fold], budget) for fold in sizes
        }
        return RecordedCandidates(
            self.facts["generator"],
            {
                text.text: [
                    Region(start, end)
                    for start, end, score in text.regions
                    if score >= thresholds[text.fold]
                ]
                for text in self.texts
            },
        )


class RecordedCandidates(CandidateGenerator):
    """Proposes what was proposed before. It can't be saved: it stands in for the generator of its
    name while a model is trained.

    Args:
        name: of the generator whose candidates these are.
        regions: of each text.
        generator: proposes on ``texts``, where none are recorded; on others nothing is proposed.
    """

    def __init__(
        self,
        name: str,
        regions: Mapping[str, Sequence[Region]],
        generator: CandidateGenerator | None = None,
        texts: Iterable[str] = (),
    ) -> None:
        self.name = name
        self._regions, self._generator = regions, generator
        self._others = frozenset(texts) - regions.keys()

    def joined_by(self, generator: CandidateGenerator, texts: Iterable[str]) -> RecordedCandidates:
        """These, and what ``generator`` proposes on those of ``texts`` that have none here."""
        return RecordedCandidates(self.name, self._regions, generator, texts)

    def propose(self, text: str) -> list[Region]:
        return self.propose_batch([text])[0]

    def propose_batch(self, texts: Sequence[str]) -> list[list[Region]]:
        others = [text for text in dict.fromkeys(texts) if text in self._others]
        proposed: Mapping[str, Sequence[Region]] = {}
        if self._generator and others:
            proposed = dict(zip(others, self._generator.propose_batch(others), strict=True))
        return [list(self._regions.get(text) or proposed.get(text, ())) for text in texts]

    def init_args(self) -> dict[str, Any]:
        raise InputError("recorded candidates are for training alone")


def _facts(line: str) -> dict[str, Any]:
    facts = json_object(line)
    wanted = {"generator": str, "dataset": str, "checksums": dict, "budget": int | float}
    if facts.get("format") != _FORMAT or not all(
        isinstance(facts.get(key), kind) for key, kind in wanted.items()
    ):
        raise InputError(f"no out-of-fold candidates; {_HOW}")
    return facts


def _fold_text(line: str) -> FoldText:
    record = json_object(line)
    text, fold, regions = (record.get(key) for key in ("text", "fold", "regions"))
    if not (isinstance(text, str) and isinstance(fold, int) and isinstance(regions, list)):
        raise InputError("expected an object with text, fold and regions")
    return FoldText(text, fold, tuple(_span(region, len(text)) for region in regions))


def _span(values: Any, length: int) -> ScoredSpan:
    try:
        start, end, score = values
        if 0 <= start < end <= length:
            return int(start), int(end), float(score)
    except (TypeError, ValueError):
        pass
    raise InputError(f"expected [start, end, score] inside the text, found {values!r}")
