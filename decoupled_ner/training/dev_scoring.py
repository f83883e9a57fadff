"""Dev as the weights of an epoch label it."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.inference.decoding import decode
from decoupled_ner.inference.scoring import RegionScorer
from decoupled_ner.models.decoupled import DecoupledModel
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.joint import OwnCandidates
from decoupled_ner.training.sentence_data import EvaluationBatch
from decoupled_ner.types import Entity


class DevScorer:
    """Labels dev sentences as prediction will, without the contexts that can't matter.

    Args:
        known: looks mentions up for a model that reads a gazetteer.
        own: what the model's own proposer suggests beside the data's generators.
    """

    def __init__(
        self,
        model: DecoupledModel,
        tokenizer: PreTrainedTokenizerBase,
        data: UnifiedData,
        known: KnownTypes | None,
        own: OwnCandidates | None,
    ) -> None:
        self.model, self.data, self.own = model, data, own
        self._scorer = RegionScorer(model, tokenizer, known)
        model.config.context_reach = []

    def calibrate(self) -> None:
        """Measure how far contexts reach. Every process looks at the same sentences, so all leave
        out the same."""
        self.model.config.context_reach = self._scorer.context_reach(*self.data.calibration)

    def predict(self, batch: EvaluationBatch) -> list[list[Entity]]:
        """The entities of each sentence."""
        texts = [sentence.text for sentence in batch.sentences]
        candidates = batch.candidates
        if self.own:
            own = [self.own.by_text[text] for text in texts]
            candidates = list(map(self.data.candidates.join, zip(candidates, own, strict=True)))
        regions = [[candidate.region for candidate in found] for found in candidates]
        logits = self._scorer.score(texts, regions, prune=True)
        return [
            decode(*of_text, self.model.config)
            for of_text in zip(texts, candidates, logits, strict=True)
        ]
