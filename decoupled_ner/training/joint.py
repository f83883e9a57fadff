"""A proposer that is trained together with the decoupled model, on its encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerBase

from decoupled_ner.inference.own_proposer import OwnProposer, own_proposer
from decoupled_ner.inference.regions import measured_points
from decoupled_ner.models.decoupled import DecoupledModel
from decoupled_ner.models.proposer import ProposerConfig
from decoupled_ner.models.proposer_inputs import ProposerInputs
from decoupled_ner.models.words import WordTags
from decoupled_ner.training.base import check_not_negative
from decoupled_ner.training.proposer import BUDGETS
from decoupled_ner.types import Candidate, InputError, Sentence


@dataclass(frozen=True)
class JointProposer:
    """Settings of a proposer on the model's own encoder, that of contexts where there are two.

    Attributes:
        gamma: weight of its loss; 0 for no proposer.
        batch_size: sentences a step over all processes, beside the pairs.
        budget: candidates a sentence, on average, which it adds to those of the generators.
        segmenters: whose words it sees beside the text: ``jieba``, ``lac``.
        word_dim, size, max_width, dropout, max_tokens: as in :class:`ProposerConfig`.
        lr: peak learning rate of its own weights; the encoder keeps the model's.
    """

    gamma: float = 1.0
    batch_size: int = 8
    budget: float = 5.0
    segmenters: list[str] = field(default_factory=lambda: ["jieba", "lac"])
    word_dim: int = 32
    size: int = 256
    max_width: int = 24
    dropout: float = 0.2
    max_tokens: int = 256
    lr: float = 1e-3

    def check(self) -> None:
        """Raise an `InputError` where a setting is out of its range."""
        if self.gamma < 0:
            raise InputError(f"gamma={self.gamma:g}, the weight of a loss, must not be below 0")
        if self.batch_size < 1:
            raise InputError(f"a proposer's batch_size={self.batch_size} must be at least 1")
        check_not_negative(lr=self.lr)

    def add_to(
        self,
        model: DecoupledModel,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        seed: int,
    ) -> ProposerInputs:
        """Give a model a proposer with fresh weights; returns how texts become its features.

        Args:
            texts: the training texts: the vocabulary of word tags comes from them.
            seed: of the weights; the global generators are left alone.

        Raises:
            InputError: there is no such segmenter, or ``max_width`` is below 1.
        """
        words = WordTags.of(self.segmenters, texts, ProposerConfig().units)
        settings = {
            "segmenters": {name: len(tags) for name, tags in words.vocabularies.items()},
            "word_dim": self.word_dim,
            "size": self.size,
            "max_width": self.max_width,
            "dropout": self.dropout,
            "max_tokens": self.max_tokens,
            "budget": self.budget,
        }
        tags = {name: list(tags.items) for name, tags in words.vocabularies.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            proposer = model.add_proposer(settings, tags)
        return ProposerInputs(proposer.config, tokenizer, words)


class OwnCandidates(NamedTuple):
    """What a model's own proposer suggests on each text, and the share of entities in that."""

    by_text: dict[str, list[Candidate]]
    recall: float


def own_candidates(
    model: DecoupledModel, tokenizer: PreTrainedTokenizerBase, sentences: Sequence[Sentence]
) -> OwnCandidates:
    """What the own proposer of a model that has one suggests on sentences that it is not trained
    on, at the threshold that its budget has there. They become its operating points."""
    proposer = own_proposer(model, tokenizer)
    assert proposer is not None
    config = proposer.model.config
    found = proposer.scored([sentence.text for sentence in sentences])
    points = measured_points(found, sentences, sorted({*BUDGETS, config.budget}))
    config.operating_points = [asdict(point) for point in points]
    [chosen] = [point for point in points if point.budget == config.budget]
    by_text = {
        sentence.text: [
            Candidate(region.start, region.end, (OwnProposer.name,))
            for region in scored.at_least(chosen.threshold)
        ]
        for sentence, scored in zip(sentences, found, strict=True)
    }
    return OwnCandidates(by_text, chosen.recall)
