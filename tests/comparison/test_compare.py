"""Comparing systems: what is run, what is not run again, and what a failure leaves of the rest."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from threading import Barrier, Lock
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from decoupled_ner.comparison import experiment as module
from decoupled_ner.comparison import run as runner
from decoupled_ner.comparison.experiment import (
    Experiment,
    System,
    named_systems,
    plan,
    read_experiment,
)
from decoupled_ner.comparison.run import compare
from decoupled_ner.data.catalog import CATALOG, load_dataset
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.locations import find_recipe, recipe_folder
from decoupled_ner.training.runs import only_process, terminated_as_interrupted
from decoupled_ner.types import InputError

F1 = {"bert-fc": 0.5, "bert-crf": 0.55, "decoupled": 0.6}


class Machine:
    """Stands for the processes that train: writes what they would, or fails as told."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.failing: set[str] = set()
        self.threads: list[str | None] = []
        self.entered = Lock()

    def popen(self, command: Sequence[str], *, env: Any, stdout: Any, **_: Any) -> SimpleNamespace:
        with self.entered:
            status = self.run(command, env, stdout)
        return SimpleNamespace(wait=lambda: status, kill=lambda: None)

    def run(self, command: Sequence[str], env: Any, stdout: Any) -> int:
        self.threads.append(env.get("OMP_NUM_THREADS"))
        stage, recipe, *rest = command[3:]
        name, seed = Path(recipe).stem, int(rest[rest.index("--seed") + 1])
        self.commands.append([stage, name, str(seed), *[a for a in rest if "ckpt" in a]])
        folder = next(p.folder for p in self.plans if str(p.runs) == env["DECOUPLED_NER_RUNS"]
                      and p.seed == seed)  # fmt: skip
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        if name in self.failing:
            (folder / "checkpoints" / "last.ckpt").touch()
            stdout.write("Traceback …\nMemoryError: no room | left\n\n".encode())
            return 1
        write_run(folder, name.removesuffix("-small"), seed, rest)
        return 0


def write_run(folder: Path, name: str, seed: int, arguments: Sequence[str]) -> None:
    system = "decoupled" if name == "weibo" else name
    f1 = F1[system] + seed / 100
    scores = {"precision": f1, "recall": f1, "f1": f1, "candidate_recall": None}
    row = {**scores, "sentences": 10, "intervals": {"f1": [f1 - 0.1, f1 + 0.1]}}
    run = {
        "system": system, "dataset": "weibo", "split": "test", "encoder": "zh-small",
        "init": "/somewhere/runs/pretrain/mention/zh-small/seed-1/encoder", "seed": seed,
        "train_seconds": 5.0, "predict_seconds": F1[system] / 10, "train_sentences": 1350,
        "overall": row, "by_type": {"PER": dict(row)}, "mentions": {}, "sentences": {},
        "device": "cpu", "machine": {}, "versions": {}, "commit": None, "gazetteer_digest": "4d5e",
    }  # fmt: skip
    trainer = {"max_epochs": 1, "precision": "32-true", "gradient_clip_val": 1.0}
    config = {"model": {"encoder": "x", "lr": 1.0}, "data": {"dataset": "weibo"}}
    for argument in arguments:
        if argument.startswith("--data.train_sentences="):
            run["train_sentences"] = int(argument.partition("=")[2])
            config["data"]["train_sentences"] = run["train_sentences"]
    (folder / "result.json").write_text(json.dumps(run))
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "trainer": trainer}))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()

    def planned(experiment: Experiment, output: Path) -> Any:
        made.plans = list(plan(experiment, output))
        return made.plans

    monkeypatch.setattr(runner, "plan", planned)
    monkeypatch.setattr(runner.subprocess, "Popen", made.popen)
    return made


@pytest.fixture(autouse=True)
def checksums(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Those of the files of the catalog's sets, which need not be there."""
    real, given = module.dataset_inputs, {"data train": "1"}
    monkeypatch.setattr(
        module, "dataset_inputs", lambda name: dict(given) if name in CATALOG else real(name)
    )
    return given


def experiment(**changes: Any) -> Experiment:
    given = {"name": "few", "dataset": "weibo", "systems": named_systems(list(F1)), "seeds": (1, 2)}
    return Experiment(**given | changes)


def test_a_table_and_a_plot_with_what_others_report(machine: Machine, tmp_path: Path) -> None:
    found = compare(experiment(against="bert-fc"), tmp_path / "out", tmp_path / "results")
    assert [command[:3] for command in machine.commands] == [
        [stage, name, seed]
        for seed in "12"
        for stage, name in (("tagger", "bert-fc"), ("tagger", "bert-crf"), ("unify", "weibo-small"))
    ]
    text = (tmp_path / "out" / "table.md").read_text()
    assert found.table + "\n" == text and not found.failures
    [row] = [line for line in text.splitlines() if line.startswith("| decoupled |")]
    assert "| 2 | 61.50 | 61.50 | **61.50**" in row
    assert "| 6.0 | bert-fc: +10.00" in row and row.endswith("| 71.09 (BERT-base) |")
    assert "† Not ours" in text and "![F1 against cost](cost.svg)" in text
    for name in ("f1", "cost"):
        ElementTree.parse(tmp_path / "out" / f"{name}.svg")
    results = json.loads((tmp_path / "out" / "results.json").read_text())["results"]
    assert len(results) == 6 and results[0]["init"] == "mention/zh-small/seed-1/encoder"
    assert results[0]["seconds_a_sentence"] == pytest.approx(0.005)
    assert results[0]["gazetteer_digest"] == "4d5e"
    assert len(list((tmp_path / "results").glob("few__*.json"))) == 6


def test_finished_runs_are_not_done_again_unless_they_would_differ(
    machine: Machine, tmp_path: Path
) -> None:
    compare(experiment(), tmp_path)
    machine.commands.clear()
    compare(experiment(), tmp_path)
    assert not machine.commands
    compare(experiment(seeds=(1, 2, 3)), tmp_path)
    assert [seed for _, _, seed in machine.commands] == ["3"] * 3
    machine.commands.clear()
    changed = (System("bert-fc", arguments=("--model.lr=1",)), System("bert-crf"))
    compare(experiment(systems=changed), tmp_path)
    assert machine.commands == [["tagger", "bert-fc", "1"], ["tagger", "bert-fc", "2"]]


def test_several_runs_at_once_share_the_machine(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner.torch, "get_num_threads", lambda: 8)
    both, go_on = Barrier(2, timeout=20), machine.popen

    def together(command: Sequence[str], **given: Any) -> SimpleNamespace:
        process = go_on(command, **given)
        return SimpleNamespace(wait=lambda: (both.wait(), process.wait())[1], kill=process.kill)

    monkeypatch.setattr(runner.subprocess, "Popen", together)
    told: list[tuple[int, int | None, str]] = []
    found = compare(experiment(), tmp_path, progress=lambda *now: told.append(now), jobs=2)
    assert [(r["system"], r["seed"]) for r in found.results] == [
        (system, seed) for seed in (1, 2) for system in F1
    ]
    assert machine.threads == ["4"] * 6 and not found.failures
    assert any(", " in names for _, _, names in told) and told[-1] == (6, 6, "done")
    with pytest.raises(InputError, match="jobs=0 must be at least 1"):
        compare(experiment(), tmp_path, jobs=0)
    monkeypatch.setattr(runner.torch.cuda, "device_count", lambda: 2)
    for allowed, names in (("", ["0", "1", "0"]), ("3, GPU-8f", ["3", "GPU-8f", "3"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
        shares = [runner._share(place, 3) for place in range(3)]
        assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == names
        assert [share["OMP_NUM_THREADS"] for share in shares] == ["2"] * 3


@pytest.mark.parametrize(
    ("sent", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interruption_ends_the_processes(
    sent: signal.Signals, raised: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def sleeper(command: Sequence[str], **given: Any) -> subprocess.Popen[bytes]:
        started.append(real([sys.executable, "-c", "import time; time.sleep(60)"], **given))
        return started[-1]

    def interrupt(done: int, total: int | None, names: str) -> None:
        if ", " in names:
            signal.pthread_kill(threading.main_thread().ident or 0, sent)

    monkeypatch.setattr(runner.subprocess, "Popen", sleeper)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it
    try:
        with pytest.raises(raised), terminated_as_interrupted():
            compare(experiment(), tmp_path, progress=interrupt, jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert len(started) == 2 and all(process.poll() for process in started)


def test_two_comparisons_never_work_in_one_folder(machine: Machine, tmp_path: Path) -> None:
    output = tmp_path / "compare"
    with only_process(output), pytest.raises(InputError, match="another process is at work there"):
        compare(experiment(), output)
    assert not machine.commands and not output.exists()
    assert len(compare(experiment(seeds=(1,)), output).results) == 3


def test_a_failed_run_is_reported_and_goes_on_later(machine: Machine, tmp_path: Path) -> None:
    machine.failing = {"bert-crf"}
    found = compare(experiment(seeds=(1,)), tmp_path)
    assert [result["system"] for result in found.results] == ["bert-fc", "decoupled"]
    [failure] = found.failures
    assert failure.run == "bert-crf-seed-1" and failure.reason.startswith("MemoryError")
    assert "Traceback" in Path(failure.log).read_text()
    assert "**Failed:** bert-crf-seed-1: MemoryError" in found.table
    machine.failing, machine.commands = set(), []
    found = compare(experiment(seeds=(1,)), tmp_path)
    assert machine.commands == [["tagger", "bert-crf", "1", "--ckpt_path=last"]]
    assert len(found.results) == 3 and not found.failures
    assert "Traceback" in Path(failure.log).read_text()  # what came before is kept


def test_a_run_without_test_scores_does_not_stop_the_others(
    machine: Machine, tmp_path: Path
) -> None:
    few = experiment(seeds=(1,))
    compare(few, tmp_path)
    result = next(tmp_path.glob("runs/bert-crf/**/result.json"))
    scores = json.loads(result.read_text())
    del scores["overall"]
    result.write_text(json.dumps(scores))
    machine.commands.clear()
    found = compare(few, tmp_path)
    assert [result["system"] for result in found.results] == ["bert-fc", "decoupled"]
    [failure] = found.failures
    assert "no finished run with test scores there" in failure.reason and not machine.commands


def test_what_an_earlier_run_left_is_not_taken(machine: Machine, tmp_path: Path) -> None:
    compare(experiment(seeds=(1,), systems=(System("bert-fc"),)), tmp_path)
    changed = experiment(seeds=(1,), systems=(System("bert-fc", arguments=("--model.lr=1",)),))
    machine.failing = {"bert-fc"}  # and the earlier result still lies there
    assert compare(changed, tmp_path).failures
    machine.failing = set()
    machine.commands.clear()
    assert not compare(changed, tmp_path).failures
    assert len(machine.commands) == 1


def test_what_is_finished_is_so_in_a_copied_folder(machine: Machine, tmp_path: Path) -> None:
    few = experiment(seeds=(1,), systems=(System("bert-fc"),))
    compare(few, tmp_path)
    for path in tmp_path.rglob("result.json"):
        os.utime(path, (0, 0))  # a copy may have any times
    machine.commands.clear()
    assert len(compare(few, tmp_path).results) == 1 and not machine.commands


def test_runs_from_an_encoder_that_was_trained_anew_are_done_again(
    machine: Machine, tmp_path: Path, tiny_encoder: str
) -> None:
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    rows = (System("bert-fc"), System("other", recipe="bert-crf", init=str(encoder)))
    compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
    machine.commands.clear()
    compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
    assert not machine.commands
    with (encoder / "model.safetensors").open("ab") as weights:
        weights.write(b"\0")
    compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
    assert machine.commands == [["tagger", "bert-crf", "1"]]


def test_runs_with_settings_of_a_file_are_done_again_when_what_it_names_is_made_anew(
    machine: Machine, tmp_path: Path
) -> None:
    extra, settings = tmp_path / "extra.jsonl", tmp_path / "settings.yaml"
    extra.touch()
    settings.write_text(f"data: {{extra: {{files: ['{extra}?format=jsonl']}}}}")
    rows = (System("bert-fc", arguments=(f"--config={settings}",)),)
    for again in (1, 0, 1):
        machine.commands.clear()
        compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
        assert len(machine.commands) == again
        if not again:
            extra.write_text("more\n")


@pytest.mark.parametrize("slip", ["  lr: [1\n", "  when: 2024-13-01\n", f"  note: {'x' * 300}\n"])
def test_a_recipe_that_is_no_yaml_is_left_to_its_run(
    slip: str, machine: Machine, tmp_path: Path
) -> None:
    shipped = (recipe_folder("baselines") / "bilstm-crf.yaml").read_text()
    (tmp_path / "bert-fc.yaml").write_text(shipped + slip)
    rows = (System("bert-fc", recipe=str(tmp_path / "bert-fc.yaml")),)
    compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
    assert len(machine.commands) == 1


@pytest.mark.parametrize("joined", [True, False])
def test_runs_with_files_that_were_made_anew_are_done_again(
    joined: bool, machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "embeddings").mkdir()
    words, extra = tmp_path / "embeddings" / "words.txt", tmp_path / "extra.jsonl"
    written = ("--data.extra.files", f"[{extra}]")
    written = ("=".join(written),) if joined else written
    (tmp_path / "bert-crf.yaml").write_text(f"model: {{parts: {{embeddings: {words.parent}}}}}")
    rows = (
        System("bert-fc", arguments=written),
        System("bert-crf", recipe=str(tmp_path / "bert-crf.yaml")),
    )
    for changed, again in ((None, 2), (None, 0), (words, 1), (extra, 1), (extra, 1), (None, 0)):
        if changed:
            with changed.open("a") as file:
                file.write("more\n")
        machine.commands.clear()
        compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
        assert len(machine.commands) == again, changed


def test_rows_of_one_recipe_are_kept_apart(machine: Machine, tmp_path: Path) -> None:
    rows = (System("bert-fc"), System("other", recipe="bert-fc", published="bert-crf@9"))
    found = compare(experiment(systems=rows, seeds=(1,)), tmp_path)
    assert [result["system"] for result in found.results] == ["bert-fc", "other"]
    assert found.results[1]["published"] == "bert-crf@9"
    assert len({planned.folder for planned in machine.plans}) == 2


def test_each_number_of_training_sentences_is_a_row(machine: Machine, tmp_path: Path) -> None:
    systems = named_systems(["bert-fc", "decoupled"])
    found = compare(experiment(systems=systems, sizes=(100, 1000), against="bert-fc"), tmp_path)
    assert len(machine.commands) == len({planned.folder for planned in machine.plans}) == 8
    assert [planned.name for planned in machine.plans][:2] == [
        "bert-fc-100-seed-1",
        "decoupled-100-seed-1",
    ]
    rows = [line.split(" | ")[:3] for line in found.table.splitlines() if "| 2 |" in line]
    assert [[system.strip("| "), size] for system, size, _ in rows] == [
        ["bert-fc", "100"], ["decoupled", "100"], ["bert-fc", "1,000"], ["decoupled", "1,000"],
    ]  # fmt: skip
    assert found.table.count("bert-fc: +10.00") == 2
    assert "training sentences" in (tmp_path / "f1.svg").read_text()


@pytest.mark.parametrize(("dataset", "recipe"), [("weibo:nom", "weibo"), ("resume", "demo")])
def test_every_data_set_has_a_recipe(dataset: str, recipe: str, tmp_path: Path) -> None:
    [planned] = plan(Experiment("any", dataset, (System("decoupled"),)), tmp_path)
    assert Path(planned.command[1]).name == f"{recipe}-small.yaml"
    assert f"--data.dataset={dataset}" in planned.command


def test_other_files_of_a_published_set_are_other_runs(
    checksums: dict[str, str], tmp_path: Path
) -> None:
    before = [planned.settings for planned in plan(experiment(), tmp_path)]
    assert before == [planned.settings for planned in plan(experiment(), tmp_path)]
    checksums["data train"] = "2"
    after = [planned.settings for planned in plan(experiment(), tmp_path)]
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_some_rows_of_an_experiment(machine: Machine, tmp_path: Path) -> None:
    given = experiment(against="bert-fc", seeds=(1,), rows=("decoupled",))
    [result] = compare(given, tmp_path).results
    assert result["system"] == "decoupled"
    assert result["against"] == "bert-fc"  # which another machine may run
    with pytest.raises(InputError, match="few: no system 'bert'; there are bert-fc, bert-crf"):
        experiment(rows=("decoupled", "bert"))


def test_experiments_from_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "dataset: demo\nseeds: [3]\n"
        "systems:\n  a: {recipe: bilstm, arguments: [--model.new_lr=1]}\n"
    )
    [only] = plan(read_experiment(path), tmp_path)
    assert only.command[0] == "tagger" and only.command[-1] == "--model.new_lr=1"
    assert "--init" in only.command and only.command[only.command.index("--init") + 1] == "none"
    own = tmp_path / "own.yaml"
    recipe = find_recipe("unify", "demo", small=True).read_text(encoding="utf-8")
    own.write_text(f"# see its counterparts: there are two\n{recipe}", encoding="utf-8")
    [only] = plan(Experiment("any", "demo", (System("own", str(own)),)), tmp_path)
    assert only.command[0] == "unify"


def test_runs_on_your_own_data_are_done_anew_when_it_changes(
    machine: Machine, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    line = '{"text": "篮协成立", "entities": [{"start": 0, "end": 2, "label": "ORG"}]}\n'
    for split in ("train", "dev", "test"):
        (folder / f"{split}.jsonl").write_text(line)
    few = experiment(dataset=str(folder), seeds=(1,), systems=(System("bert-fc"),))
    compare(few, tmp_path / "out")
    compare(few, tmp_path / "out")
    assert len(machine.commands) == 1
    (folder / "test.jsonl").write_text(line * 2)
    compare(few, tmp_path / "out")
    assert len(machine.commands) == 2


def test_runs_of_a_recipe_that_was_changed_are_done_again(machine: Machine, tmp_path: Path) -> None:
    recipe = tmp_path / "bert-crf.yaml"
    rows = (System("bert-fc"), System("mine", recipe=str(recipe)))
    for lr, again in ((1, 2), (1, 0), (2, 1)):
        recipe.write_text(f"model: {{parts: {{head: crf}}, lr: {lr}}}")
        machine.commands.clear()
        compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
        assert len(machine.commands) == again


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: demo\n", "no experiment: needs dataset and systems"),
        ("dataset: demo\nsystems: {a: {receipt: b}}\n", "a: no field 'receipt'; there are"),
        ("dataset: demo\nsystems: {a: }\nsedes: [1]\n", "no field 'sedes'"),
        ("dataset: demo\nsystems: {a: }\nagainst: b\n", "against 'b', which is none of"),
        ("dataset: demo\nsystems: {a: {arguments: --model.lr=1}}\n", "a: arguments must be a list"),
        ("dataset: demo\nsystems: {a: {init: [b, c]}}\n", "a: init must be a string, not"),
        ("dataset: demo\nsystems: {a: {init: true}}\n", "a: init must be a string, not True"),
        ("dataset: demo\nsystems: {a: {recipe: 5}}\n", "a: recipe must be a string, not 5"),
        ("dataset: demo\nsystems: {a: {arguments: [1]}}\n", "arguments must be a list of strings"),
        ("dataset: 5\nsystems: {a: }\n", "dataset must be a string, not 5"),
        ("name:\ndataset: demo\nsystems: {a: }\n", "name must be a string, not None"),
        ("name: a/b\ndataset: demo\nsystems: {a: }\n", "'a/b' can't be an experiment's name"),
        ("dataset: demo\nsystems: {a: }\nseeds: [1.5]\n", "seeds must be a list of whole numbers"),
        ("dataset: demo\nsystems: {a: }\nseeds: [true]\n", "seeds must be a list of whole numbers"),
        ("dataset: demo\nsystems: {a: }\nseeds: [-1]\n", "a seed is not from 0"),
        ("dataset: demo\nsystems: {a: }\nsizes: [0]\n", "a size below 1"),
        (
            "dataset: demo\nsystems: {a: }\nsizes: [9]\narguments: [--data.train_sentences=5]\n",
            "sizes and --data.train_sentences: leave one of them out",
        ),
        ("dataset: demo\nsystems: {'..': }\n", "'..' can't be a system's name"),
        ("dataset: demo\nsystems: {a: }\nseeds: 3\n", "seeds must be a list"),
        ("dataset: demo\nsystems: {a: }\nseeds: [1, 1]\n", "given twice"),
        ("dataset: demo\nsystems: {a: }\nsizes: [9, 9]\n", "given twice"),
        ("dataset: demo\nsystems: {a b: , a-b: }\n", "two systems' results would have one file"),
        ("dataset: demo\nsystems: {a/b: }\n", "'a/b' can't be a system's name"),
        *(
            (f"dataset: demo\nsystems: {{a: }}\narguments: [{option}=1]\n", f"{option} is no opt")
            for option in ("--seed", "--init", "--encoder", "--data.dataset", "--ckpt_path")
        ),
        ("[", "can't be read"),
        ("dataset: demo\nname: 2024-13-01\nsystems: {bert-fc: }\n", "can't be read"),
    ],
)
def test_malformed_experiments_are_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_experiment(tmp_path / "bad.yaml")


def test_a_folder_in_the_working_directory_is_an_input(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gaz").mkdir()
    rows = (System("bert-fc", arguments=("--data.extra.gazetteer", "gaz")),)
    for content, again in (("a", 1), ("a", 0), ("b", 1)):
        (tmp_path / "gaz" / "entries").write_text(content)
        machine.commands.clear()
        compare(experiment(seeds=(1,), systems=rows), tmp_path / "out")
        assert len(machine.commands) == again


def test_mistakes_are_told_before_the_first_run(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: can't be written"):
        compare(experiment(), tmp_path / "out", tmp_path / "file")
    (tmp_path / "bad.yaml").write_bytes("parts: 中".encode("gb18030"))
    rows = named_systems([str(tmp_path / "bad.yaml")])
    with pytest.raises(InputError, match=r"bad\.yaml"):
        compare(experiment(systems=rows), tmp_path / "out")
    assert not machine.commands


def test_unknown_systems_and_missing_stage_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no system 'none-such'; there are decoupled, "):
        list(plan(experiment(systems=named_systems(["none-such"])), tmp_path))
    with pytest.raises(InputError, match="no data set 'weibbo'"):
        list(plan(experiment(dataset="weibbo"), tmp_path))
    auto = (System("decoupled+both", recipe="decoupled", init="auto"),)
    with pytest.raises(InputError, match=r"decoupled\+both: there is no stage-1 run that fits"):
        list(plan(experiment(systems=auto), tmp_path))


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path, tiny_encoder: str) -> None:
    (tmp_path / "data").mkdir()
    demo = load_dataset("demo")
    for split, count in (("train", 30), ("dev", 8), ("test", 8)):
        write_jsonl(demo.split(split)[:count], tmp_path / "data" / f"{split}.jsonl")
    (tmp_path / "broken.yaml").write_text("model: {parts: {head: none}}\n")

    def run(status: int) -> Any:
        done = subprocess.run(
            [
                sys.executable, "-m", "decoupled_ner.cli", "compare",
                "--dataset", str(tmp_path / "data"), "--encoder", tiny_encoder,
                "--systems", f"{tmp_path / 'broken.yaml'},bilstm",
                "--output", str(tmp_path / "out"),
                "--json", "--trainer.max_epochs=1", "--trainer.precision=32-true",
            ],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    first = run(1)
    assert [result["system"] for result in first["results"]] == ["bilstm"]
    assert first["results"][0]["encoder"] is None
    assert first["failed"][0].startswith("broken-seed-1: ") and "none" in first["failed"][0]
    result = next((tmp_path / "out").rglob("result.json"))
    before = result.stat().st_mtime_ns
    assert run(1)["results"] == first["results"] and result.stat().st_mtime_ns == before
