"""What can be chosen when a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from decoupled_ner import DecoupledNER, InputError, Region, load_model
from decoupled_ner.candidates import GazetteerMatches
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
