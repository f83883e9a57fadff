"""What is fitted to a decoupled model once it is trained: how far contexts reach, and how it reads
its proposer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeVar

from decoupled_ner.data.catalog import Dataset
from decoupled_ner.inference.model import DecoupledNER
from decoupled_ner.types import InputError, Sentence

#: How many training sentences tell how far contexts reach, at most.
CALIBRATION_SENTENCES = 300

#: How many dev sentences tell how a proposer is read, at most.
READING_SENTENCES = 1000

_Item = TypeVar("_Item")


def check_dev(data: Dataset, validates: bool) -> None:
    """Raise an `InputError` where there is nothing to fit the reading of a proposer on."""
    if not validates:
        raise InputError(
            "how a proposer is read is fitted on a dev split that is not trained on: there is none;"
            " leave out data.proposer, give --model.read_proposer=false, or the three numbers of an"
            " earlier run"
        )
    if not any(sentence.entities for sentence in spread(data.split("dev"), READING_SENTENCES)):
        raise InputError(
            f"{data.name}: no entity in dev, on which to fit how a proposer is read; leave"
            " out data.proposer, or give --model.read_proposer=false"
        )


def fit_reach(ner: DecoupledNER, sentences: Sequence[Sentence]) -> None:
    """Have the model know how far contexts reach, from the sentences that it was trained on."""
    ner.calibrate([sentence.text for sentence in spread(sentences, CALIBRATION_SENTENCES)])


def fit_reading(
    ner: DecoupledNER, dev: Sequence[Sentence], bias: float | Literal["auto", "f1"] = "f1"
) -> None:
    """Have the model read its proposer, as is best on dev. An outside bias of ``f1`` is chosen
    there too, one of ``auto`` is 0, since dev's candidates are what prediction meets; a number
    stays."""
    try:
        ner.read_proposer(spread(dev, READING_SENTENCES), for_f1=bias == "f1")
    except InputError as error:  # no reason to lose what was trained
        print(f"the model does not read its proposer: {error}", flush=True)
        return
    if bias == "auto":
        ner.config.outside_bias = 0.0


def spread(items: Sequence[_Item], most: int) -> Sequence[_Item]:
    """At most so many of the items, evenly spread over all of them."""
    return items[:: max(1, math.ceil(len(items) / most))]
