"""The plain loop that the engine must equal: one region at a time, nothing cached or padded."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.union import Union
from decoupled_ner.data.pairs import PairEncoder, collate_pairs
from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.inference.decoding import decode
from decoupled_ner.models.decoupled import DecoupledModel
from decoupled_ner.types import Entity, Region


@torch.inference_mode()
def score_plainly(
    model: DecoupledModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    region: Region,
    known: KnownTypes | None = None,
) -> Tensor:
    """Logits (3, L) of one region; mention, left and right are tokenised each by itself, as a
    WordPiece tokenizer of BERT's kind allows."""
    config = model.config
    pairs = PairEncoder(tokenizer, config.max_mention_tokens, config.max_context_tokens, known)
    batch = collate_pairs([pairs.encode_plainly(text, region)], pairs.pad)
    output = model(*batch.inputs)
    three = (output.global_logits, output.mention_logits, output.context_logits)
    return torch.cat(three).float()


def predict_plainly(
    model: DecoupledModel,
    tokenizer: PreTrainedTokenizerBase,
    generator: CandidateGenerator,
    text: str,
    known: KnownTypes | None = None,
) -> list[Entity]:
    """The entities of one text."""
    candidates = Union([generator]).candidates(text)
    logits = [score_plainly(model, tokenizer, text, c.region, known) for c in candidates]
    return decode(text, candidates, torch.stack(logits), model.config) if logits else []
