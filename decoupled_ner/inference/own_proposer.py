"""The proposer on a decoupled model's own encoder, as one generator among the others."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase

from decoupled_ner.candidates.union import Union
from decoupled_ner.inference.proposer import BestRegions, Proposer
from decoupled_ner.models.decoupled import DecoupledModel
from decoupled_ner.models.embeddings import Vocabulary
from decoupled_ner.models.proposer_inputs import ProposerInputs
from decoupled_ner.models.words import WordTags
from decoupled_ner.types import InputError


class OwnProposer(BestRegions):
    """Proposes what the proposer on a decoupled model's own encoder scores highest.

    It is that model's part, so it is saved and loaded with it, and stands in no recipe.

    Args:
        proposer: of `own_proposer`.
    """

    def __init__(self, proposer: Proposer) -> None:
        super().__init__(proposer, None)

    def init_args(self) -> dict[str, Any]:
        raise InputError("a model's own proposer is saved with that model alone")


def own_proposer(model: DecoupledModel, tokenizer: PreTrainedTokenizerBase) -> Proposer | None:
    """The proposer on a model's own encoder, on the model's device; None where it has none."""
    if model.proposer is None:
        return None
    tags = (model.config.proposer_words or {}).items()
    words = WordTags({name: Vocabulary(items) for name, items in tags})
    inputs = ProposerInputs(model.proposer.config, tokenizer, words)
    return Proposer(model.proposer, inputs, device=str(model.device))


def with_own_proposer(
    union: Union, model: DecoupledModel, tokenizer: PreTrainedTokenizerBase
) -> Union:
    """The union with the model's own proposer, where it has one, and no other model's."""
    found = own_proposer(model, tokenizer)
    others = without_own_proposer(union)
    return others.plus(OwnProposer(found)) if found else others


def without_own_proposer(union: Union) -> Union:
    """The union's other generators: those that are saved beside a model."""
    others = [g for g in union.generators if not isinstance(g, OwnProposer)]
    return Union(others, union.max_length)
