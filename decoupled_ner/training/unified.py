"""Unified training: ``L = L_g + αL_m + βL_c`` on human-annotated sentences, under Lightning; with a
proposer on the same encoder ``+ γL_p``."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from decoupled_ner.data.pairs import PairBatch
from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.inference.compute import DType
from decoupled_ner.inference.decoding import f1_bias
from decoupled_ner.inference.model import DecoupledNER
from decoupled_ner.inference.proposals import readable_proposer
from decoupled_ner.inference.proposer import proposers_in
from decoupled_ner.models.decoupled import (
    DecoupledConfig,
    DecoupledModel,
    UnifiedLoss,
    unified_loss,
)
from decoupled_ner.models.encoder import encoder_settings, load_encoder, load_tokenizer
from decoupled_ner.training.base import EncoderTraining
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.training.dev_scoring import DevScorer
from decoupled_ner.training.fitting import check_dev, fit_reach, fit_reading
from decoupled_ner.training.joint import JointProposer, OwnCandidates, own_candidates
from decoupled_ner.training.sentence_data import EvaluationBatch
from decoupled_ner.types import Entity, InputError

#: Peak rate of the weights that what a gazetteer says has: a few numbers that begin at 0.
GAZETTEER_LR = 3e-2

ClassWeights = Literal["none", "balanced"]


class UnifiedTraining(EncoderTraining):
    """Trains a :class:`DecoupledModel`; dev F1 is the end-to-end one, through the engine.

    Args:
        encoder: hub id, directory or bundled name.
        labels: names of the labels, ``O`` first; the data module gives them.
        context_encoder: another encoder for contexts, e.g. of stage 1; needs
            ``share_encoders=False``.
        share_encoders: one encoder reads both views, or two that start alike.
        alpha, beta: weights of the mention and the context loss.
        dropout: before the classifiers.
        encoder_dropout: inside the encoder; None keeps the encoder's own setting.
        class_weights: ``balanced`` weighs each label by its inverse frequency.
        outside_bias: added to the logit of ``O`` at prediction. ``auto`` corrects for the share of
            negatives that training draws; ``f1`` does too, and lowers the probability from which
            on an entity is predicted to where F1 is highest (`f1_bias`), by the dev set's F1 after
            the validation before; the first one, and so one alone, takes 1/2.
        overlap: policy for overlapping predictions.
        proposer: a proposer on the model's own encoder, trained with it; None for none.
        read_proposer: have the finished model read the score that its proposer, its own or the one
            among the candidate generators, gives a region: `DecoupledNER.read_proposer` on dev. An
            ``outside_bias`` of ``auto`` is then 0, one of ``f1`` where dev's F1 is highest; a
            number stays. Three numbers (``proposer_reading`` of an earlier run's result) are taken
            as they are, and need that run's ``outside_bias`` in place of ``f1``. None: where there
            is one with a budget of 0, as ``data.proposer`` has.
        max_mention_tokens, max_context_tokens: as in :class:`DecoupledConfig`.
        lr, weight_decay, warmup, seed: as in :class:`EncoderTraining`.
    """

    outside_bias: Tensor
    f1_before: Tensor

    def __init__(
        self,
        encoder: str,
        labels: list[str],
        context_encoder: str | None = None,
        share_encoders: bool = True,
        alpha: float = 0.5,
        beta: float = 0.5,
        dropout: float = 0.1,
        encoder_dropout: float | None = None,
        class_weights: ClassWeights = "none",
        outside_bias: float | Literal["auto", "f1"] = 0.0,
        overlap: str = "best",
        max_mention_tokens: int = 32,
        max_context_tokens: int = 128,
        proposer: JointProposer | None = None,
        read_proposer: bool | list[float] | None = None,
        lr: float = 5e-6,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        seed: int = 1,
    ) -> None:
        super().__init__(labels, lr, weight_decay, warmup, seed)
        self.save_hyperparameters()
        if proposer is not None:
            proposer.check()
        if context_encoder and share_encoders:
            raise InputError("a context_encoder of its own needs --model.share_encoders=false")
        if class_weights == "balanced" and isinstance(outside_bias, str):
            raise InputError(
                f"outside_bias={outside_bias} knows nothing of class_weights=balanced: give"
                " --model.outside_bias a number, e.g. 0"
            )
        config = DecoupledConfig(
            encoder=encoder_settings(encoder, encoder_dropout),
            labels=labels,
            share_encoders=share_encoders,
            alpha=alpha,
            beta=beta,
            dropout=dropout,
            max_mention_tokens=max_mention_tokens,
            max_context_tokens=max_context_tokens,
            overlap=overlap,
        )
        pl.seed_everything(seed, workers=True, verbose=False)  # the classifiers' first weights
        self.model: DecoupledModel = DecoupledModel.from_encoders(
            config,
            load_encoder(encoder),
            load_encoder(context_encoder) if context_encoder else None,
        )
        self.tokenizer = load_tokenizer(encoder)
        if (
            context_encoder
            and load_tokenizer(context_encoder).get_vocab() != self.tokenizer.get_vocab()
        ):
            raise InputError(
                f"{encoder} and {context_encoder} have different vocabularies: mention and"
                " context are read with one"
            )
        self.wanted_bias, self.class_weighting = outside_bias, class_weights
        self.prior_bias = 0.0 if isinstance(outside_bias, str) else float(outside_bias)
        # In the state, so that the best one and a resumed run have theirs.
        self.register_buffer("outside_bias", torch.tensor(0.0))
        self.register_buffer("f1_before", torch.tensor(1.0))
        self.joint = proposer if proposer and proposer.gamma else None
        self.reads_proposer = read_proposer
        if isinstance(read_proposer, list) and not (
            len(read_proposer) == 3 and read_proposer[0] > 0
        ):
            raise InputError(
                "read_proposer takes true, false, or three numbers as [0.6,0.5,-1.7], of which the"
                " first is above 0"
            )
        if isinstance(read_proposer, list) and outside_bias == "f1":
            raise InputError(
                "three numbers for read_proposer need the outside bias of the run that found them:"
                " give --model.outside_bias too, as its result.json has it"
            )
        self.class_weights: Tensor | None = None
        self._known: KnownTypes | None = None
        # A classifier whose loss has no weight stays as it was, weight decay included.
        self.model.mention_classifier.requires_grad_(alpha > 0)
        self.model.context_classifier.requires_grad_(beta > 0)

    @property
    def data(self) -> UnifiedData:
        """The data module of this run."""
        module = self.training_data
        assert isinstance(module, UnifiedData)
        return module

    def _make(self, data: TrainingData) -> None:
        assert isinstance(data, UnifiedData)
        data.require_entities()
        data.try_generators()
        if not data.negatives_per_epoch():
            raise InputError(
                "there are no negatives, and every candidate would be an entity: set"
                " data.negative_edits, data.negative_candidates or data.negatives_per_positive"
            )
        self._known = data.known_types()
        if self._known is not None:
            self.model.read_gazetteer(self._known.labels)
        if self.reads_proposer is None:
            self.reads_proposer = any(not p.budget for p in proposers_in(data.candidates))
        if self.reads_proposer:
            if self.joint is None:
                readable_proposer(data.candidates)
            if self.reads_proposer is True:
                check_dev(data.data, data.validates)
        if self.joint is None:
            return
        if not data.validates:
            raise InputError("a proposer's threshold needs a dev split that is not trained on")
        if proposers_in(data.candidates):
            raise InputError(
                "a model with a proposer of its own takes no other one: leave out that of"
                " data.candidates or data.proposer, or give --model.proposer.gamma=0"
            )
        texts = [sentence.text for sentence in data.training_sentences]
        inputs = self.joint.add_to(self.model, self.tokenizer, texts, self.seed)
        data.train_proposer(inputs, self.joint.batch_size)

    def learning_rate_of(self, name: str) -> float:
        if name.startswith("model.gazetteer_classifier."):
            return max(self.lr, GAZETTEER_LR)
        return self.joint.lr if self.joint and name.startswith("model.proposer.") else self.lr

    def setup(self, stage: str) -> None:
        data = self.data
        if isinstance(self.wanted_bias, str):
            drawn, pool = data.negatives_per_epoch(), len(data.pairs()[1])
            self.prior_bias = math.log(pool / drawn) if drawn else 0.0
        self._set_bias()
        if self.class_weighting == "balanced":
            counts = torch.tensor(data.label_counts(), dtype=torch.float)
            self.class_weights = counts.sum() / (len(counts) * counts.clamp(min=1))

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        assert batch.labels is not None
        weights = None if self.class_weights is None else self.class_weights.to(self.device)
        output = self.model(*batch.inputs)
        loss = unified_loss(
            output, batch.labels, self.model.config.alpha, self.model.config.beta, weights
        )
        total = self.mean_over_ranks(loss.total, loss.weight)
        self._log_losses(loss)
        return total if batch.windows is None else total + self._proposer_loss(batch.windows)

    def _proposer_loss(self, windows: dict[str, Tensor]) -> Tensor:
        """``γL_p``, a mean over windows as the others are over pairs."""
        assert self.joint is not None and self.model.proposer is not None
        loss = self.model.proposer.loss(windows)
        self.log("train/proposer", loss.total.detach() / loss.windows)
        return self.joint.gamma * self.mean_over_ranks(loss.total, loss.windows)

    def size_of(self, batch: PairBatch) -> tuple[int, Tensor]:
        tokens = batch.mention_mask.sum() + batch.context_mask.sum()
        windows = 0 if batch.windows is None else batch.windows["token_mask"].sum()
        return len(batch.mention_ids), tokens + windows

    def _log_losses(self, loss: UnifiedLoss) -> None:
        means = {
            "train/loss": loss.total,
            "train/global": loss.global_,
            "train/mention": loss.mention,
            "train/context": loss.context,
        }
        self.log_dict({name: value.detach() / loss.weight for name, value in means.items()})

    def _set_bias(self) -> None:
        further = f1_bias(self.f1_before.item()) if self.wanted_bias == "f1" else 0.0
        self.outside_bias.fill_(self.prior_bias + further)

    def on_validation_epoch_start(self) -> None:
        self._set_bias()
        self.model.config.outside_bias = self.outside_bias.item()
        own = self._propose_on_dev()
        self._dev = DevScorer(self.model, self.tokenizer, self.data, self._known, own)
        if not self.trainer.sanity_checking:
            with self.trainer.precision_plugin.forward_context():  # as in the steps that follow
                self._dev.calibrate()

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.f1_before.fill_(self.dev_f1.compute()["f1"])
        super().on_validation_epoch_end()
        if self._dev.own:
            self.log("dev/proposer_recall", self._dev.own.recall, sync_dist=True)
        del self._dev

    def _propose_on_dev(self) -> OwnCandidates | None:
        """What the model's own proposer, if it has one, suggests with its present weights. Every
        process looks at all of dev, so all get the same threshold."""
        if self.model.proposer is None:
            return None
        with torch.autocast(self.device.type, enabled=False):  # scores must not be rounded together
            return own_candidates(self.model, self.tokenizer, self.data.data.split("dev"))

    def predict_dev(self, batch: EvaluationBatch) -> list[list[Entity]]:
        return self._dev.predict(batch)

    def recognizer(self, dtype: DType = "float32") -> DecoupledNER:
        self.model.train(mode=False)  # Lightning leaves it in training, with dropout
        self.model.config.outside_bias = self.outside_bias.item()
        self._propose_on_dev()  # for the thresholds of these very weights
        ner = DecoupledNER(
            self.model,
            self.tokenizer,
            self.data.candidates,
            None if self._known is None else self._known.gazetteer,
            device=str(self.device),
            dtype=dtype,
        )
        fit_reach(ner, self.data.annotated_sentences)
        if isinstance(self.reads_proposer, list):
            ner.config.proposer_reading = self.reads_proposer
            if self.wanted_bias == "auto":  # what is drawn from the negatives is read off already
                ner.config.outside_bias = 0.0
        elif self.reads_proposer:
            fit_reading(ner, self.data.data.split("dev"), self.wanted_bias)
        self.outside_bias.fill_(ner.config.outside_bias)
        return ner

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "pairs_per_epoch": self.data.items_per_epoch(),
            "outside_bias": self.outside_bias.item(),
        }
        if self._known is not None:
            facts["gazetteer_digest"] = self._known.gazetteer.digest
        if self.model.config.proposer_reading:
            facts["proposer_reading"] = self.model.config.proposer_reading
        if self.joint:
            facts["lost_training_entities"] = self.data.lost_entities
        return facts
