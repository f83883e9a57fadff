"""What can be chosen when a model is loaded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from decoupled_ner import DecoupledNER, InputError, Region, load_model
from decoupled_ner.candidates import GazetteerMatches
from decoupled_ner.inference.proposer import Proposer
from decoupled_ner.inference.scoring import RegionScorer
from decoupled_ner.inference.tagger import Tagger
from decoupled_ner.labels import LabelSet
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.models.tagger_builder import TaggerRecipe, build_tagger

TEXT = "北京大学生"
#: Inside each other and crossing: 北京大学 is the surest, the two others together are surer.
SCORES = {Region(0, 4): ("ORG", 0.9), Region(0, 2): ("GPE", 0.8), Region(2, 5): ("PER", 0.7)}
KEPT = {
    "best": [(0, 2), (2, 5)],
    "outermost": [(0, 4), (2, 5)],
    "nested": [(0, 2), (0, 4)],
}


@pytest.fixture(scope="module")
def folder(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose own policy is ``outermost``."""
    config = DecoupledConfig(
        encoder=load_encoder_config(tiny_encoder).to_dict(),
        labels=["O", "PER", "ORG", "GPE"],
        overlap="outermost",
    )
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    generator = GazetteerMatches(
        mentions={region.text_of(TEXT): [label] for region, (label, _) in SCORES.items()}
    )
    ner = DecoupledNER(network, load_tokenizer(tiny_encoder), generator, device="cpu")
    return ner.save_pretrained(tmp_path_factory.mktemp("loading") / "model")


@pytest.fixture
def _scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's answers are `SCORES`."""

    def score(
        self: RegionScorer,
        texts: Sequence[str],
        regions: Sequence[Sequence[Region]],
        *_: object,
        **__: object,
    ) -> list[Tensor]:
        return [torch.stack([_logits(*SCORES[region]) for region in found]) for found in regions]

    monkeypatch.setattr(RegionScorer, "score", score)


def _logits(label: str, score: float) -> Tensor:
    labels = ["O", "PER", "ORG", "GPE"]
    rest = (1 - score) / (len(labels) - 1)
    return torch.tensor([[score if name == label else rest for name in labels]] * 3).log()


@pytest.mark.usefixtures("_scored")
@pytest.mark.parametrize("policy", [*KEPT, None])
def test_overlaps_are_resolved_as_was_chosen(policy: str | None, folder: Path, tmp_path: Path):
    kept = KEPT[policy or "outermost"]
    saved = DecoupledNER.from_pretrained(folder, overlap=policy).save_pretrained(tmp_path / "model")
    for ner in (
        DecoupledNER.from_pretrained(folder, overlap=policy),
        load_model(folder, overlap=policy),
        load_model(saved),  # the policy is a setting of the model
    ):
        (found,) = ner.predict_stream([TEXT])
        assert [(e.start, e.end) for e in found] == kept
        assert [(e.label, e.score) for e in found] == [
            (SCORES[e.region][0], pytest.approx(SCORES[e.region][1])) for e in found
        ]
        assert ner.may_overlap == (policy != "best")


def test_an_unknown_policy_is_found_before_anything_is_loaded(tmp_path: Path):
    for load in (DecoupledNER.from_pretrained, load_model):
        with pytest.raises(InputError, match="choose one of best, outermost, nested"):
            load(tmp_path / "nothing", overlap="flat")


def test_a_tagger_has_no_policy(tiny_encoder: str, tmp_path: Path):
    network, inputs = build_tagger(TaggerRecipe(encoder=tiny_encoder), LabelSet(("PER",)), [])
    saved = Tagger(network, inputs, device="cpu").save_pretrained(tmp_path / "tagger")
    with pytest.raises(InputError, match="a tagger's entities never overlap"):
        load_model(saved, overlap="best")
    assert not load_model(saved).may_overlap


@pytest.mark.parametrize("device", ["cuda:99", "bogus", "cpu:x", ""])
def test_a_device_that_is_not_there_is_one_line(device: str, folder: Path):
    with pytest.raises(InputError, match=f"device '{device}' can't be used") as caught:
        DecoupledNER.from_pretrained(folder, device=device)
    assert "\n" not in str(caught.value)


def test_what_is_no_part_of_a_model_stays_where_one_is_saved(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "clone")
    (tmp_path / "clone" / ".git").mkdir()
    for kept in (".git/HEAD", "README.md", "LICENSE"):
        (tmp_path / "clone" / kept).write_text("ours")
    (tmp_path / "clone" / "old.json").touch()
    before = os.umask(0o077)
    try:
        DecoupledNER.from_pretrained(folder, device="cpu").save_pretrained(tmp_path / "clone")
    finally:
        os.umask(before)
    names = {path.name for path in (tmp_path / "clone").iterdir()}
    assert names == {path.name for path in folder.iterdir()} | {".git", "README.md", "LICENSE"}
    assert (tmp_path / "clone" / ".git" / "HEAD").read_text() == "ours"
    weights = tmp_path / "clone" / "model.safetensors"
    assert weights.stat().st_mode & 0o777 == 0o600  # as the umask says
    assert [path.name for path in tmp_path.iterdir()] == ["clone"]


@pytest.mark.parametrize("damaged", ["{", "[]"])
@pytest.mark.parametrize("kind", [DecoupledNER, Tagger, Proposer])
def test_a_damaged_configuration_is_one_line(kind: type[Any], damaged: str, tmp_path: Path):
    (tmp_path / "config.json").write_text(damaged)
    with pytest.raises(InputError, match=r"config\.json: no configuration of a model"):
        kind.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"outside_bias": None}, "None stands where a number must"),
        ({"context_reach": ["a", 0, 0, 0]}, "'a' stands where a number must"),
        ({"labels": ["PER", "O", "ORG", "GPE"]}, "labels must begin with O"),
        ({"labels": None}, "labels must begin with O"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_one_line(
    setting: dict[str, Any], message: str, folder: Path, tmp_path: Path
):
    copied = shutil.copytree(folder, tmp_path / "model")
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | setting))
    with pytest.raises(InputError, match=message):
        load_model(copied)


def test_a_vocabulary_that_is_not_the_models_is_told(folder: Path, tmp_path: Path):
    copied = shutil.copytree(folder, tmp_path / "model")
    tokenizer = json.loads((copied / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {token: i for token, i in vocabulary.items() if i < 300}
    (copied / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match=r"its vocabulary has 300 tokens, its weights 13,000: put"):
        load_model(copied)


def test_what_a_copy_lacks_is_looked_for_nowhere_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    copied = shutil.copytree(folder, tmp_path / "model")
    [part] = copied.glob("gazetteer-*")
    part.rename(tmp_path / part.name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"{part.name}: missing; copy the whole model again"):
        load_model(copied)


def test_an_empty_name_is_no_default_model(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DECOUPLED_NER_MODEL", str(folder))
    assert load_model(device="cpu").config.labels
    with pytest.raises(InputError, match="give a folder that holds a model"):
        load_model("", device="cpu")


def test_an_unknown_dtype_is_one_line(folder: Path):
    with pytest.raises(InputError, match="no dtype 'fp16': give float32, bfloat16, float16"):
        DecoupledNER.from_pretrained(folder, device="cpu", dtype="fp16")  # type: ignore[arg-type]


def test_a_batch_of_any_size_is_worked_on_in_portions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    ner = DecoupledNER.from_pretrained(folder, device="cpu")
    texts = [f"{number}{TEXT}" for number in range(600)] + ["长" * 70_000, TEXT]
    sizes: list[int] = []

    def recognize(part: list[str]) -> tuple[list[list[str]], None]:
        sizes.append(len(part))
        return [[text] for text in part], None

    monkeypatch.setattr(ner, "recognize", recognize)
    assert ner.predict_batch(texts) == [[text] for text in texts]
    assert sizes == [512, 88, 1, 1]
    assert ner.predict_batch([]) == []
