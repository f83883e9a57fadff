"""An earlier run stays where it is until all files that a recipe names were read."""

from __future__ import annotations

from pathlib import Path

import pytest

from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.locations import find_recipe
from decoupled_ner.training.launch import Run, tagger_folder, train_tagger, unify, unify_folder
from decoupled_ner.training.proposer_runs import proposer_folder, train_proposer
from decoupled_ner.types import InputError, Sentence, entity_at

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LightningCLI's args parameter"),
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
]


def kept(folder: Path) -> bool:
    """Whether nothing but the run that was there is there."""
    files = [path.name for path in folder.iterdir()]
    return [path.name for path in folder.parent.glob("[!.]*")] == ["seed-1"] and files == ["kept"]


def put(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "kept").touch()


@pytest.mark.parametrize(
    ("system", "argument", "message"),
    [
        ("softlexicon", "--model.parts.embeddings=none", "none: no static embeddings there"),
        ("bilstm", "--model.parts.unit_vectors=none.txt", "none.txt: no such file of vectors"),
        ("bilstm", "--model.parts.lexicon=none.txt", "a lexicon needs vectors"),
        ("bilstm-cnn", "--model.parts.recurrent=bilstm", "units cuts texts in another way"),
        ("bert-fc-mixed", "--data.extra.gazetteer=none", "none"),
    ],
)
def test_of_a_tagger(system: str, argument: str, message: str, tiny_encoder: str):
    quiet = "--trainer.enable_model_summary=false"
    run = Run(tiny_encoder, arguments=[argument, quiet, "--data.train_sentences=9"])
    folder = tagger_folder(find_recipe("baselines", system), "demo", run)
    put(folder)
    with pytest.raises(InputError, match=message):
        train_tagger(system, "demo", run)
    assert kept(folder)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--trainer.accumulate_grad_batches=0", "accumulate_grad_batches must be at least 1"),
        ("--trainer.gradient_clip_val=-1", "gradient_clip_val must not be negative"),
        ("--trainer.max_epochs=0", "max_epochs=0 leaves nothing to train on"),
        ("--trainer.max_epochs=-1", "the learning rate falls until the end"),
        ("--trainer.strategy=none", "none"),
        ("--trainer.accelerator=tpu", "torch_xla"),
    ],
)
def test_of_a_wrong_trainer(argument: str, message: str, tiny_encoder: str):
    run = Run(tiny_encoder, arguments=[argument, "--trainer.enable_model_summary=false"])
    folder = tagger_folder(find_recipe("baselines", "bert-fc"), "demo", run)
    put(folder)
    with pytest.raises(InputError, match=message):
        train_tagger("bert-fc", "demo", run)
    assert kept(folder)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("gamma=-0.5", r"gamma=-0\.5, the weight of a loss"),
        ("batch_size=0", "batch_size=0 must be at least 1"),
        ("lr=-1", "lr=-1"),
        ("budget=0", "budget"),
    ],
)
def test_of_a_joint_proposer(setting: str, message: str, tiny_encoder: str):
    quiet = "--trainer.enable_model_summary=false"
    run = Run(tiny_encoder, arguments=[f"--model.proposer.{setting}", quiet])
    folder = unify_folder(find_recipe("unify", "demo", small=True), run)
    put(folder)
    with pytest.raises(InputError, match=message):
        unify("demo", run, init="none")
    assert kept(folder)


@pytest.mark.parametrize("trained", ["decoupled", "tagger"])
def test_of_data_without_an_entity_in_train(trained: str, tiny_encoder: str, tmp_path: Path):
    write_jsonl([Sentence("他走了")], tmp_path / "train.jsonl")
    write_jsonl([Sentence("北京", (entity_at("北京", 0, 2, "GPE"),))], tmp_path / "dev.jsonl")
    quiet = "--trainer.enable_model_summary=false"
    data, run = str(tmp_path), Run(tiny_encoder, arguments=[quiet])
    if trained == "tagger":
        folder = tagger_folder(find_recipe("baselines", "bert-fc"), data, run)
    else:
        folder = unify_folder(find_recipe("unify", "demo-small"), run, data)
    put(folder)
    with pytest.raises(InputError, match="no entity in train to train on"):
        train_tagger("bert-fc", data, run) if trained == "tagger" else unify(data, run, "none")
    assert kept(folder)


def test_of_a_proposer(tiny_encoder: str):
    run = Run(tiny_encoder, arguments=["--model.segmenters=[none]"])
    folder = proposer_folder("demo", run, None)
    put(folder)
    with pytest.raises(InputError, match="no segmenter 'none'"):
        train_proposer("demo", run)
    assert kept(folder)


def test_of_a_model_with_candidates_of_ltp(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("ltp", reason="needs the extra ltp")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    recipe = find_recipe("unify", "weibo-ltp-small").resolve()
    monkeypatch.chdir(tmp_path)  # where no folder LTP/small is
    run = Run(tiny_encoder, arguments=["--data.dataset=demo", "--data.train_sentences=9"])
    folder = unify_folder(recipe, run)
    put(folder)
    with pytest.raises(
        InputError, match=r"'LTP/small' .* without a hub put its files into"
    ) as told:
        unify(str(recipe), run, "none")
    assert "\n" not in str(told.value) and str(Path("LTP/small").resolve()) in str(told.value)
    assert kept(folder)
