"""Training taggers under the same data, metric and report as the decoupled model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from decoupled_ner.inference.compute import DType
from decoupled_ner.inference.tagger import Tagger
from decoupled_ner.models.encoder import is_small, load_encoder_config
from decoupled_ner.models.tagger import TaggerModel
from decoupled_ner.models.tagger_builder import TaggerRecipe, build_tagger
from decoupled_ner.training.base import EncoderTraining, check_not_negative
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.training.sentence_data import EvaluationBatch
from decoupled_ner.training.window_data import WindowData
from decoupled_ner.types import Entity, InputError

#: The encoder's peak learning rate where it `is_small`, and where it is a BERT-base.
SMALL_LR, BASE_LR = 2e-4, 5e-5

OptimizerName = Literal["adamw", "nadam"]


class TaggerTraining(EncoderTraining):
    """Trains a :class:`TaggerModel`.

    Args:
        encoder: hub id, directory or bundled name; unused where ``parts`` name no encoder.
        labels: names of the labels, ``O`` first; the data module gives them.
        parts: what the tagger is made of; ``use_encoder`` puts ``encoder`` in.
        use_encoder: whether the tagger reads the encoder's hidden states.
        lr: peak learning rate of the encoder; by default `SMALL_LR` or `BASE_LR`, by its size.
        new_lr: of all other parts, which start anew.
        optimizer: ``adamw``, or ``nadam`` with AdamW's weight decay.
        weight_decay, warmup, seed: as in :class:`EncoderTraining`.
    """

    def __init__(
        self,
        encoder: str,
        labels: list[str],
        parts: TaggerRecipe,
        use_encoder: bool = True,
        lr: float | None = None,
        new_lr: float = 1e-3,
        optimizer: OptimizerName = "adamw",
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        seed: int = 1,
    ) -> None:
        if lr is not None and not use_encoder:
            raise InputError(f"lr={lr} is the encoder's, and there is none: give --model.new_lr")
        rate = lr
        if rate is None:
            small = not use_encoder or is_small(load_encoder_config(encoder))
            rate = SMALL_LR if small else BASE_LR
        super().__init__(labels, rate, weight_decay, warmup, seed)
        check_not_negative(new_lr=new_lr)
        if optimizer not in get_args(OptimizerName):
            raise InputError(f"no optimizer {optimizer!r}: use adamw or nadam")
        if parts.encoder is not None and parts.encoder != encoder:
            raise InputError(f"parts.encoder={parts.encoder}: name the encoder with --encoder")
        self.save_hyperparameters()
        self.parts = replace(parts, encoder=encoder) if use_encoder else parts
        self.new_lr, self.optimizer = new_lr, optimizer
        self.model: TaggerModel | None = None

    def _make(self, data: TrainingData) -> None:
        assert isinstance(data, WindowData)
        sentences = data.training_sentences
        texts = [sentence.text for sentence in sentences]
        self.model, self.inputs = build_tagger(self.parts, data.data.labels, texts, self.seed)
        self.model.config.trained_on = data.trained_on
        self.model.train()
        data.read_with(self.inputs)
        if data.lost_entities == sum(len(sentence.entities) for sentence in sentences):
            raise InputError(
                f"{data.data.name}: no entity in {data.fit_on} begins and ends with a unit;"
                f" --model.parts.units cuts texts in another way than {self.parts.units!r}"
            )

    def learning_rate_of(self, name: str) -> float:
        return self.lr if name.startswith("model.encoder.") else self.new_lr

    def optimizer_of(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        if self.optimizer == "nadam":
            return torch.optim.NAdam(groups, decoupled_weight_decay=True)
        return super().optimizer_of(groups)

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        assert self.model is not None
        loss = self.model.loss(batch)
        units = loss.units.float()
        self.log("train/loss", loss.total.detach() / units)
        return self.mean_over_ranks(loss.total, units)

    def size_of(self, batch: Mapping[str, Tensor]) -> tuple[int, Tensor]:
        """Windows, and the encoder's tokens; without an encoder the units."""
        return len(batch["unit_mask"]), batch.get("token_mask", batch["unit_mask"]).sum()

    def recognizer(self, dtype: DType = "float32") -> Tagger:
        assert self.model is not None
        return Tagger(self.model, self.inputs, device=str(self.device), dtype=dtype)

    def on_validation_epoch_start(self) -> None:
        self._tagger = self.recognizer()

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        del self._tagger

    @torch.inference_mode()
    def predict_dev(self, batch: EvaluationBatch) -> list[list[Entity]]:
        return self._tagger.predict_batch([sentence.text for sentence in batch.sentences])

    def facts(self) -> dict[str, Any]:
        data = self.data
        assert isinstance(data, WindowData)
        lr = self.lr if self.parts.encoder else None
        return {"lr": lr, "lost_training_entities": data.lost_entities}
