"""Training: what a step's loss is, and that both stages learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from decoupled_ner.models.stage1 import load_masked_lm
from decoupled_ner.training.context import ContextData, ContextTraining
from decoupled_ner.training.mention import MentionData, MentionTraining
from decoupled_ner.training.stage1 import StageOneTraining, TypeF1
from decoupled_ner.types import InputError

# Lightning's note on loaders without workers is about speed, and on treespecs about itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:`isinstance"),
]


def trainer(folder: Path, epochs: int, **settings: object) -> pl.Trainer:
    return pl.Trainer(
        default_root_dir=folder, max_epochs=epochs, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, num_sanity_val_steps=0, **settings,
    )  # fmt: skip


def scores_before_and_after(
    module: StageOneTraining, data: MentionData | ContextData, folder: Path
) -> tuple[dict[str, float], dict[str, float]]:
    run = trainer(folder, 2, inference_mode=False)
    [before] = run.validate(module, data, verbose=False)
    run.fit(module, data)
    after = {name: float(value) for name, value in run.callback_metrics.items()}
    return before, after


def test_two_epochs_of_mentions_improve_held_out_entries(
    gazetteer: str, masked_lm: str, tmp_path: Path
):
    data = MentionData(masked_lm, gazetteer, batch_size=8, held_out=0.2)
    module = MentionTraining(masked_lm, data.labels, dropout=0.0, lr=5e-3)
    before, after = scores_before_and_after(module, data, tmp_path)
    assert after["dev/accuracy"] > max(0.7, before["dev/accuracy"] + 0.2)
    assert after["dev/f1/PER"] > 0.5 and after["dev/f1/GPE"] > 0.5
    was, now = load_masked_lm(masked_lm)[0].state_dict(), module.model.masked_lm.state_dict()
    moved = {name for name in was if not torch.equal(was[name], now[name])}
    assert moved and "cls.predictions.transform.dense.weight" not in moved
    assert "cls.predictions.bias" not in moved


def test_two_epochs_of_contexts_improve_held_out_sentences(
    distant: str, masked_lm: str, tmp_path: Path
):
    data = ContextData(masked_lm, distant, batch_size=8, held_out=0.2)
    module = ContextTraining(masked_lm, data.labels, dropout=0.0, lr=5e-3)
    before, after = scores_before_and_after(module, data, tmp_path)
    assert after["dev/accuracy"] > max(0.6, before["dev/accuracy"] + 0.2)
    assert after["dev/mlm_accuracy"] > before["dev/mlm_accuracy"]
    assert after["dev/mlm"] < before["dev/mlm"] - 1
    module.save_encoder(tmp_path / "encoder")
    module.save_encoder(tmp_path / "encoder")  # again, over the first
    encoder = AutoModel.from_pretrained(tmp_path / "encoder", add_pooling_layer=False)
    whole = AutoModelForMaskedLM.from_pretrained(tmp_path / "encoder")
    for model in (encoder, whole.base_model):
        state = model.state_dict()
        for name, weight in module.model.masked_lm.base_model.state_dict().items():
            assert torch.equal(state[name], weight)
    head = module.model.masked_lm.get_output_embeddings()
    assert torch.equal(whole.get_output_embeddings().bias, head.bias)
    assert AutoTokenizer.from_pretrained(tmp_path / "encoder").mask_token == "[MASK]"


def first_step(module: StageOneTraining, data: MentionData | ContextData, folder: Path) -> float:
    losses: list[float] = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, index) -> None:
            losses.append(float(outputs["loss"]))

    trainer(folder, 1, limit_train_batches=1, limit_val_batches=0, callbacks=[Watch()]).fit(
        module, data
    )
    return losses[0]


def test_the_context_loss_is_the_weighted_sum_of_two_means(
    distant: str, tiny_encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def new() -> tuple[ContextTraining, ContextData]:
        data = ContextData(tiny_encoder, distant, batch_size=6)
        weights = {"mlm_weight": 0.5, "type_weight": 2.0}
        return ContextTraining(
            tiny_encoder, data.labels, dropout=0.0, label_smoothing=0.1, **weights
        ), data

    module, data = new()
    batch = data.training_batches(0, 1)[0, 0]
    logits = module.model.masked_lm(batch.ids, attention_mask=batch.mask).logits
    expected = batch.ids.masked_fill(~batch.masked, -100)
    expected[batch.masked] = batch.targets
    mlm = F.cross_entropy(logits.view(-1, logits.shape[-1]), expected.view(-1))  # -100 is ignored
    types = module.model(batch.ids, batch.mask, batch.masked).types
    by_hand = 0.5 * mlm + 2.0 * F.cross_entropy(types, batch.labels, label_smoothing=0.1)
    assert len(batch.targets) > len(batch.labels)  # the two means have their own numbers
    assert first_step(*new(), tmp_path) == pytest.approx(by_hand.item(), rel=1e-5)
    assert "no vocabulary head: a new one is trained" in capsys.readouterr().out


def test_the_mention_loss_is_a_mean_over_entries(gazetteer: str, tiny_encoder: str, tmp_path: Path):
    data = MentionData(tiny_encoder, gazetteer, batch_size=6)
    module = MentionTraining(tiny_encoder, data.labels, dropout=0.0, gce_q=1.0)
    batch = data.training_batches(0, 1)[0, 0]
    chances = module.model(batch.ids, batch.mask).softmax(-1).detach()
    by_hand = sum(1 - float(p[y]) for p, y in zip(chances, batch.labels, strict=True)) / 6
    assert first_step(module, data, tmp_path) == pytest.approx(by_hand, rel=1e-5)


def test_what_has_no_loss_stays_as_it_was(distant: str, masked_lm: str, tmp_path: Path):
    data = ContextData(masked_lm, distant, batch_size=6)
    module = ContextTraining(masked_lm, data.labels, mlm_weight=0.0, weight_decay=0.5, lr=1e-2)
    before = {name: value.clone() for name, value in module.model.state_dict().items()}
    first_step(module, data, tmp_path)
    first_step(module, data, tmp_path)
    after = module.model.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert "classifier.weight" in moved
    assert not [n for n in moved if ".cls." in n and "decoder.weight" not in n]  # that one is tied


def test_dropout_is_on(masked_lm: str):
    module = MentionTraining(masked_lm, ["O", "PER"])
    assert all(part.training for part in module.modules())


def test_settings_that_are_wrong(masked_lm: str):
    for settings in ({"label_smoothing": 1.0}, {"gce_q": 1.5}):
        with pytest.raises(InputError, match="label_smoothing"):
            MentionTraining(masked_lm, ["O", "PER"], **settings)
    for kind in (MentionTraining, ContextTraining):
        with pytest.raises(InputError, match=r"dropout=1.5 must be in"):
            kind(masked_lm, ["O", "PER"], dropout=1.5)
    with pytest.raises(InputError, match="mlm_weight=-1 must not be below 0"):
        ContextTraining(masked_lm, ["O", "PER"], mlm_weight=-1)
    with pytest.raises(InputError, match="both 0: there is nothing to learn"):
        ContextTraining(masked_lm, ["O", "PER"], mlm_weight=0, type_weight=0)


def test_items_that_the_encoder_cant_read_are_told(gazetteer: str, distant: str, masked_lm: str):
    for data, kind in (
        (MentionData(masked_lm, gazetteer, max_tokens=99_999), MentionTraining),
        (ContextData(masked_lm, distant, max_tokens=99_999), ContextTraining),
    ):
        with pytest.raises(InputError, match=r"the encoder reads .* tokens at most, not 99999"):
            kind(masked_lm, data.labels).build(data)


def test_type_f1_by_hand():
    metric = TypeF1(["O", "PER", "GPE"])
    predicted, gold = torch.tensor([0, 1, 1, 2, 0, 1]), torch.tensor([0, 1, 2, 2, 1, 0])
    metric.update(F.one_hot(predicted[:4], 3).float(), gold[:4])
    metric.update(F.one_hot(predicted[4:], 3).float(), gold[4:])
    found = {name: float(value) for name, value in metric.compute().items()}
    assert found["accuracy"] == pytest.approx(3 / 6)
    assert found["precision"] == pytest.approx(2 / 4)  # of four typed, two are right
    assert found["recall"] == pytest.approx(2 / 4)
    assert found["f1/PER"] == pytest.approx(2 * 1 / (3 + 2))
    assert found["f1/GPE"] == pytest.approx(2 * 1 / (1 + 2))
    assert found["f1/O"] == pytest.approx(2 * 1 / (2 + 2))
