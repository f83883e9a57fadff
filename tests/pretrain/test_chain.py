"""The whole chain on small budgets: what runs, what is left out, what changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from decoupled_ner.cli import main
from decoupled_ner.data.catalog import CATALOG
from decoupled_ner.gazetteer import Gazetteer
from decoupled_ner.locations import find_recipe, recipe_folder
from decoupled_ner.training import chain
from decoupled_ner.training.chain import Step
from decoupled_ner.training.chain_inputs import option_inputs, setting_inputs
from decoupled_ner.training.chain_plan import plan_chain
from decoupled_ner.training.launch import Run
from decoupled_ner.training.pretrain import pretrain_folder
from decoupled_ner.training.runs import CHAIN_STEP, STEP_FILE
from decoupled_ner.types import InputError

SHIPPED = sorted(recipe_folder("pretrain/chains").glob("*.yaml"))
RECIPE = """
dataset: {folder}/set
recipe: {folder}/unify.yaml
text: [{folder}/text.txt]
sources: {folder}/sources.yaml
encoder: [--model.steps=4, --model.warmup_steps=1, --trainer.precision=32-true,
  --data.block_length=16, --data.batch_size=2, --data.validation_blocks=2,
  --trainer.val_check_interval=4, --trainer.enable_progress_bar=false]
mention: &short [--trainer.max_epochs=1, --trainer.precision=32-true, --data.batch_size=8,
  --trainer.enable_progress_bar=false, --trainer.enable_model_summary=false]
context: *short
proposer: *short
unify: *short
"""
SOURCES = """
sources:
  - {name: people, path: people.txt, format: txt, type: PER, licence: none}
  - {name: places, path: places.txt, format: txt, type: GPE, licence: none}
  - {name: words, path: words.txt, format: txt, type: O, licence: none}
"""
UNIFY = """
data:
  dataset: {folder}/set
  candidates: {{class_path: decoupled_ner.candidates.JiebaNouns}}
  train_mentions: true
"""
#: Options that make training short.
SHORT = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.precision=32-true"]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A chain over a few made-up files."""
    (tmp_path / "people.txt").write_text("王小明\n李白\n任正非\n")
    (tmp_path / "places.txt").write_text("北京\n上海\n湖北\n")
    (tmp_path / "words.txt").write_text("昨天\n今天\n桌子\n天气\n")
    lines = [
        f"{name}今天从{place}来。" for name in ("王小明", "李白") for place in ("北京", "上海")
    ]
    (tmp_path / "text.txt").write_text("\n".join(lines * 5))
    (tmp_path / "sources.yaml").write_text(SOURCES)
    (tmp_path / "set").mkdir()
    gold = "任\tB-PER\n正\tI-PER\n非\tI-PER\n在\tO\n湖\tB-GPE\n北\tI-GPE\n"
    gold = f"{gold}买\tO\n桌\tO\n子\tO\n\n" * 4
    for split in ("train", "dev", "test"):
        (tmp_path / "set" / f"{split}.bio").write_text(gold)
    (tmp_path / "unify.yaml").write_text(UNIFY.format(folder=tmp_path))
    path = tmp_path / "own.yaml"
    path.write_text(RECIPE.format(folder=tmp_path))
    return path


def states(steps: Sequence[Step]) -> dict[str, str]:
    return {step.name: " ".join(step.state()).strip() for step in steps}


@pytest.mark.slow
def test_a_chain_runs_once_and_then_only_what_changed(
    recipe: Path, masked_lm: str, capfd: pytest.CaptureFixture[str]
):
    text = recipe.parent / "text.txt"

    def plan() -> tuple[Step, ...]:
        return plan_chain(str(recipe), encoder=masked_lm)

    assert list(states(plan())) == [
        "encoder",
        "gazetteer",
        "distant",
        "mention",
        "context",
        "proposer",
        "unify",
    ]
    assert set(states(plan()).values()) == {"new"}
    main_all = ["all", str(recipe), "--encoder", masked_lm]
    run(main_all)
    assert set(states(plan()).values()) == {"up to date"}
    result = json.loads((plan()[-1].result).read_text())
    steps = {step.name: step for step in plan()}
    assert result["init"] == str(steps["context"].folder / "encoder")
    assert len(result["proposer_reading"]) == 3
    assert f"--data.proposer={steps['proposer'].folder / 'model'}" in steps["unify"].arguments
    assert result["gazetteer_digest"] == Gazetteer.load(plan()[1].folder).digest

    capfd.readouterr()
    run(main_all)
    assert "==" not in capfd.readouterr().out

    text.write_text(text.read_text() + "\n李白到过湖北。\n")
    changed = states(plan())
    assert changed["gazetteer"] == changed["proposer"] == "up to date"
    assert changed["encoder"] == "changed text text.txt"
    assert changed["mention"] == "changed encoder of encoder"
    assert changed["distant"] == "changed text text.txt"
    assert changed["context"] == "changed encoder of mention, distant"
    assert changed["unify"] == "changed encoder of context"
    run([*main_all, "--dry-run"])
    assert states(plan()) == changed

    capfd.readouterr()
    run([*main_all, "--json"])
    said = capfd.readouterr()
    assert [step["step"] for step in json.loads(said.out)["steps"]] == list(changed)
    assert "== mention" in said.err and "encoder" in said.err
    context = plan()[4]
    context.result.unlink()  # as if it had been killed before its end
    record = context.record
    record.write_text(json.dumps({**json.loads(record.read_text()), "result": None}))
    assert states(plan())["context"] == "unfinished"
    aside = list(context.folder.parent.glob("seed-1~*"))  # of the run before the change
    capfd.readouterr()
    run(main_all)
    said = capfd.readouterr().out
    assert "== context: unfinished" in said and "== mention" not in said
    assert set(states(plan()).values()) == {"up to date"}
    assert list(context.folder.parent.glob("seed-1~*")) == aside, "resumed, not begun again"


@pytest.mark.slow
def test_the_demo_chain_runs(tmp_path: Path, masked_lm: str):
    few = [*SHORT, "--data.train_sentences=50"]
    short = {
        "encoder": ["--model.steps=4", "--model.warmup_steps=1", "--trainer.val_check_interval=4"],
        "distant": ["--max-occurrences=2"],
        "mention": SHORT,
        "context": SHORT,
        "proposer": few,
        "unify": few,
    }
    chain = yaml.safe_load(find_recipe("pretrain/chains", "demo").read_text())
    chain |= {name: chain.get(name, []) + options for name, options in short.items()}
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(chain))
    run(["all", str(path), "--encoder", masked_lm])
    planned = plan_chain(str(path), encoder=masked_lm)
    assert set(short) < states(planned).keys()
    assert set(states(planned).values()) == {"up to date"}
    for step in planned:
        [*lefts] = step.folder.glob(step.leaves[0] if step.leaves else "part-*.parquet")
        left = lefts[0]
        left.rename(left.with_name("aside"))
        assert step.state() == ("changed", "its output"), left
        left.with_name("aside").rename(left)
        file = next(left.glob("*.safetensors")) if left.is_dir() else left
        content = file.read_bytes()
        file.write_bytes(content[:-1])
        assert step.state() == ("changed", "its output"), left
        file.write_bytes(content)
        if left.is_dir():
            (left / "README.md").write_text("a note")
        assert step.state() == ("up to date", "")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_chain_plans(
    path: Path, tmp_path: Path, masked_lm: str, monkeypatch: pytest.MonkeyPatch
):
    """With stand-ins for the data; the dictionaries are the project's own, as others have a
    checksum."""
    monkeypatch.setenv("DECOUPLED_NER_DATA", str(tmp_path))
    shipped = yaml.safe_load(path.read_text())
    for text in shipped["text"]:
        if text.startswith("$DECOUPLED_NER_DATA"):
            file = Path(os.path.expandvars(text))
            file.parent.mkdir(exist_ok=True)
            file.touch()
    if row := CATALOG.get(shipped["dataset"]):
        for name in row.files.values():
            file = tmp_path / "ner" / row.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("在0 O\n\n" if row.format == "weibo" else "在 O\n\n")
    assert find_recipe("gazetteers", shipped["sources"]).is_file()
    planned = plan_chain(str(path), encoder=masked_lm, sources="sources")
    steps = {step.name: step for step in planned}
    assert steps.keys() >= {"gazetteer", "distant", "mention", "context", "unify"}
    assert steps.keys() & {"encoder", "proposer"} == shipped.keys() & {"encoder", "proposer"}
    for text in shipped["text"]:
        assert f"text {Path(text).name}" in steps["distant"].inputs or text == "demo"
    if row:
        data = {f"data {name}" for name in row.files.values()}
        assert data <= steps["mention"].inputs.keys() & steps["unify"].inputs.keys()


def test_a_dry_run_shows_every_inputs_checksum(
    recipe: Path, masked_lm: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    show = ["all", str(recipe), "--encoder", masked_lm, "--dry-run"]
    run([*show, "--json"])
    shown = {step["step"]: step["inputs"] for step in json.loads(capfd.readouterr().out)["steps"]}
    read = {
        "encoder": {"text text.txt": "text.txt"},
        "gazetteer": {"sources sources.yaml": "sources.yaml", "dictionary people": "people.txt"},
        "distant": {"text text.txt": "text.txt"},
        "unify": {"recipe unify.yaml": "unify.yaml", "data train.bio": "set/train.bio"},
    }
    monkeypatch.setenv("COLUMNS", "300")
    run(show)
    table = capfd.readouterr().out
    for step, files in read.items():
        for name, file in files.items():
            checksum = hashlib.sha256((recipe.parent / file).read_bytes()).hexdigest()
            assert shown[step][name] == checksum
            assert f"{name} {checksum[:12]}" in table
    assert shown == {
        step.name: dict(step.inputs) for step in plan_chain(str(recipe), encoder=masked_lm)
    }


def run(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("text: [a]", "needs dataset, text and sources"),
        ("{dataset: demo, text: a, sources: sources}", "text must be a list of strings"),
        ("{dataset: 3, text: [a], sources: sources}", "dataset must be a name, not 3"),
        ("{dataset: demo, text: [a], sources: [b]}", "sources must be a name"),
        ("{dataset: , text: [a], sources: sources}", "dataset must be a name, not None"),
        ("{dataset: demo, text: [a], sources: ''}", "sources must be a name, not ''"),
        ("{dataset: demo, text: [$NO_SUCH_VARIABLE/a], sources: sources}", "set that variable"),
        ("{dataset: demo, text: [/no/such/file], sources: sources}", "no file /no/such/file"),
        ("{dataset: demo, text: [], sources: sources, steps: []}", "needs dataset"),
        ("[", "can't be read"),
        ("{dataset: 2024-13-01}", "can't be read"),
        (
            "{dataset: demo, text: [demo], sources: sources, distant: [--blacklist, never.txt]}",
            "distant: 'never.txt' must be written --option=value",
        ),
    ],
)
def test_a_wrong_recipe_is_one_line(tmp_path: Path, broken: str, says: str):
    path = tmp_path / "broken.yaml"
    path.write_text(broken)
    with pytest.raises(InputError, match=says.replace("$", r"\$")) as error:
        plan_chain(str(path))
    assert "\n" not in str(error.value)


def test_a_failing_step_stops_the_chain(recipe: Path, capfd: pytest.CaptureFixture[str]):
    (recipe.parent / "words.txt").write_text("")
    text = recipe.read_text().replace("mention: &short [", "mention: &short [--no.such=1, ")
    recipe.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["all", str(recipe)])
    assert ended.value.code == 2
    assert "step mention ended with status" in capfd.readouterr().err


def step(folder: Path, checksum: str = "1") -> Step:
    """A step of training that reads one file."""
    return Step("mention", ("a",), {"text": checksum}, folder, folder / "result.json", folder / "r")


class Machine:
    """Stands for the process of a step: ends as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.status, self.writes, self.resumed = 0, ["result.json"], False
        self.result = "{}"
        monkeypatch.setattr(chain.subprocess, "run", self.run)

    def run(self, command: list[str], env: dict[str, str], **_: object) -> SimpleNamespace:
        self.command, self.resumed = command, "--ckpt_path=last" in command
        if self.writes and not self.resumed:  # as a run does once it has its folder
            (self.folder / STEP_FILE).write_text(env[CHAIN_STEP])
        for path in self.writes:
            Path(self.folder / path).write_text(self.result)
        return SimpleNamespace(returncode=self.status)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(monkeypatch)
    made.folder = tmp_path
    (tmp_path / "checkpoints").mkdir()
    return made


def test_what_an_earlier_run_left_is_not_resumed(machine: Machine, tmp_path: Path):
    last = tmp_path / "checkpoints" / "last.ckpt"
    machine.writes.append("checkpoints/last.ckpt")
    step(tmp_path).run()
    changed = step(tmp_path, "2")
    machine.status, machine.writes = 1, []  # ends before it has moved the earlier run aside
    for _ in range(2):
        with pytest.raises(InputError, match="ended with status 1"):
            changed.run()
        assert changed.state()[0] == "unfinished" and not machine.resumed
    (tmp_path / "result.json").unlink()  # now it has a folder of its own
    last.write_text("its own")
    (tmp_path / STEP_FILE).write_text(changed.fingerprint)
    machine.status, machine.writes = 0, ["result.json"]
    changed.run()
    assert machine.resumed and changed.state()[0] == "up to date"


def test_a_run_by_hand_in_a_steps_place_is_not_resumed(machine: Machine, tmp_path: Path):
    machine.writes, machine.status = ["checkpoints/last.ckpt"], 1
    with pytest.raises(InputError, match="ended with status 1"):
        step(tmp_path).run()
    (tmp_path / STEP_FILE).unlink()  # it moved the step's folder aside and has its own
    (tmp_path / "checkpoints" / "last.ckpt").write_text("with other options")
    machine.writes, machine.status = ["result.json"], 0
    step(tmp_path).run()
    assert not machine.resumed


def test_a_copied_folder_is_done_still_and_goes_on(machine: Machine, tmp_path: Path):
    last = tmp_path / "checkpoints" / "last.ckpt"
    machine.writes, machine.status = ["checkpoints/last.ckpt"], 1
    with pytest.raises(InputError, match="ended with status 1"):
        step(tmp_path).run()
    os.utime(last, (0, 0))  # a copy may have any times
    machine.writes, machine.status = ["result.json"], 0
    step(tmp_path).run()
    assert machine.resumed


def test_a_step_that_ended_before_it_was_recorded_is_not_run_again(
    machine: Machine, tmp_path: Path
):
    made = step(tmp_path)
    machine.status = 1  # killed behind its last file
    with pytest.raises(InputError, match="ended with status 1"):
        made.run()
    assert made.state()[0] == "unfinished"
    made.run()  # the machine would fail once more
    assert made.state() == ("up to date", "")


def test_a_step_without_a_result_has_not_finished(machine: Machine, tmp_path: Path):
    machine.writes = []
    with pytest.raises(InputError, match=r"ended without .*result\.json"):
        step(tmp_path).run()
    assert step(tmp_path).state()[0] == "unfinished"


@pytest.mark.parametrize(
    ("leaves", "result", "lost"),
    [
        (("config.json", "encoder.safetensors"), "{}", "encoder.safetensors"),
        ((), '{"shards": [{"name": "0.parquet"}, {"name": "1.parquet"}]}', "1.parquet"),
    ],
)
def test_a_step_is_done_again_whose_files_are_gone(
    machine: Machine, tmp_path: Path, leaves: tuple[str, ...], result: str, lost: str
):
    made = replace(step(tmp_path), leaves=leaves)
    machine.result = result
    machine.writes += ["config.json", "encoder.safetensors", "0.parquet", "1.parquet"]
    made.run()
    assert made.state() == ("up to date", "")
    (tmp_path / lost).unlink()
    assert made.state() == ("changed", "its output")
    made.run()
    assert made.state() == ("up to date", "")


def test_a_shard_that_is_gone_is_made_again(recipe: Path, masked_lm: str):
    planned = plan_chain(str(recipe), encoder=masked_lm)
    gazetteer, distant = planned[1:3]
    for made in (gazetteer, distant):
        made.run()
    shard = min(distant.folder.glob("part-*.parquet"))
    content = shard.read_bytes()
    for damage in (shard.unlink, lambda: shard.write_bytes(content[:100])):
        damage()
        assert distant.state() == ("changed", "its output")
        distant.run()
        assert distant.state() == ("up to date", "") and shard.read_bytes() == content


def test_a_step_that_stopped_early_is_told_and_goes_on(machine: Machine, tmp_path: Path):
    machine.writes.append("checkpoints/last.ckpt")
    machine.result = '{"finished": false}'  # as with piece_minutes
    for _ in range(2):
        with pytest.raises(InputError, match=r"stopped before its end.* the same command goes on"):
            step(tmp_path).run()
        assert step(tmp_path).state()[0] == "unfinished"
    assert machine.resumed
    machine.result = '{"finished": true}'
    step(tmp_path).run()
    assert step(tmp_path).state()[0] == "up to date"


def test_every_file_that_a_step_reads_is_an_input(recipe: Path, masked_lm: str):
    folder = recipe.parent
    (folder / "other").mkdir()
    (folder / "other" / "text.txt").write_text("李白从上海来。\n")
    (folder / "rare.txt").write_text("天气\n")
    (folder / "noise.yaml").write_text("model: {gce_q: 0.7}\n")
    sources = (folder / "sources.yaml").read_text()
    (folder / "sources.yaml").write_text(f"rules: {{stop_words: rare.txt}}\n{sources}")
    content = recipe.read_text().replace("text.txt]", f"text.txt, {folder}/other/text.txt]")
    options = f"--config={folder}/noise.yaml, --data.exclude_mentions_of={folder}/set"
    content = content.replace("mention: &short [", f"mention: &short [{options}, ")
    recipe.write_text(f"{content}distant: [--blacklist={folder}/people.txt]\n")

    def inputs() -> dict[str, dict[str, str]]:
        planned = plan_chain(str(recipe), encoder=masked_lm)
        return {planned_step.name: dict(planned_step.inputs) for planned_step in planned}

    (folder / "lists").mkdir()
    (folder / "lists" / "a.txt").write_text("天气\n")
    more = f"unify: [--data.swap_gazetteer={folder}/lists, '--data.extra.files=[{folder}/set]']"
    recipe.write_text(recipe.read_text().replace("unify: *short", more))
    with (folder / "unify.yaml").open("a") as unify:  # a recipe that names a file
        unify.write(f"  negative_nouns: {{init_args: {{paths: [{folder}/own.txt]}}}}\n")
    (folder / "own.txt").write_text("北京\n")
    (folder / "documents").mkdir()
    (folder / "documents" / "a.txt").write_text("他在北京。")
    (folder / "documents" / "a.ann").write_text("T1\tGPE 2 4\t北京\n")
    content = recipe.read_text().replace(f"dataset: {folder}/set", f"dataset: {folder}/documents")
    recipe.write_text(content)
    before = inputs()
    for file, name in (
        ("own.txt", "unify"),
        ("documents/a.ann", "unify"),
        ("lists/a.txt", "unify"),
        ("text.txt", "encoder"),
        ("other/text.txt", "encoder"),
        ("rare.txt", "gazetteer"),
        ("people.txt", "distant"),
        ("noise.yaml", "mention"),
        ("set/train.bio", "mention"),
    ):
        with (folder / file).open("a") as written:
            written.write("\n")
        after = inputs()
        differing = {key for key in after[name] if after[name][key] != before[name][key]}
        assert differing - {"gazetteer", "encoder of encoder"}, file
        before = after
    assert "recipe mention-small.yaml" in before["mention"]
    assert "recipe encoder-adapt.yaml" in before["encoder"]


@pytest.mark.parametrize("where", ["a file", "a mapping"])
def test_a_set_whose_mentions_settings_exclude_is_an_input(
    recipe: Path, masked_lm: str, where: str
):
    folder = recipe.parent
    (folder / "more.yaml").write_text(f"data: {{exclude_mentions_of: {folder}/set}}\n")
    option = (
        f"--config={folder}/more.yaml"
        if where == "a file"
        else f"'--data={{exclude_mentions_of: {folder}/set}}'"
    )
    content = recipe.read_text().replace("mention: &short [", f"mention: &short [{option}, ")
    recipe.write_text(content)
    mention = plan_chain(str(recipe), encoder=masked_lm)[3]
    assert mention.name == "mention"
    assert any(name.endswith("data train.bio") for name in mention.inputs)


def test_texts_sources_and_the_encoder_may_move(recipe: Path, masked_lm: str, tmp_path: Path):
    before = plan_chain(str(recipe), encoder=masked_lm)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("text.txt", "sources.yaml", "people.txt", "places.txt", "words.txt"):
        (tmp_path / name).rename(moved / name)
    content = recipe.read_text()
    for name in ("text.txt", "sources.yaml"):
        content = content.replace(f"{tmp_path}/{name}", f"{moved}/{name}")
    recipe.write_text(content)
    after = plan_chain(str(recipe), encoder=f"{masked_lm}/.")
    assert [step.fingerprint for step in after] == [step.fingerprint for step in before]
    assert [step.arguments for step in after] != [step.arguments for step in before]


def test_a_proposer_is_trained_where_the_recipe_has_the_key(recipe: Path, masked_lm: str):
    with_one = {step.name: step for step in plan_chain(str(recipe), encoder=masked_lm)}
    assert "recipe default-small.yaml" in with_one["proposer"].inputs
    assert with_one["unify"].inputs["proposer"] == with_one["proposer"].fingerprint
    recipe.write_text(recipe.read_text().replace("proposer: *short\n", ""))
    without = {step.name: step for step in plan_chain(str(recipe), encoder=masked_lm)}
    assert without.keys() == with_one.keys() - {"proposer"}
    assert not any("--data.proposer" in argument for argument in without["unify"].arguments)
    assert "proposer" not in without["unify"].inputs


@pytest.mark.parametrize(
    "own",
    [
        "data: {candidates: {class_path: decoupled_ner.inference.proposer.ProposerCandidates}}",
        "{data: {candidates: {class_path: JiebaNouns}}, model: {proposer: {budget: 3}}}",
    ],
)
def test_a_second_proposer_is_told_before_anything_runs(recipe: Path, masked_lm: str, own: str):
    unified = recipe.parent / "unify.yaml"
    unified.write_text(own)
    with pytest.raises(InputError, match=r"unify\.yaml has a proposer.*leave the key proposer out"):
        plan_chain(str(recipe), encoder=masked_lm)
    content = recipe.read_text()
    recipe.write_text(content.replace("unify: *short", "unify: [--data.proposer=null]"))
    assert plan_chain(str(recipe), encoder=masked_lm)[-2].name == "proposer"
    recipe.write_text(content.replace("proposer: *short\n", ""))
    assert plan_chain(str(recipe), encoder=masked_lm)[-2].name == "context"
    recipe.write_text(content)
    unified.write_text(own.replace("budget: 3", "gamma: 0").replace("ProposerC", "C"))
    assert plan_chain(str(recipe), encoder=masked_lm)


def test_what_lies_in_a_hidden_folder_is_no_input(tmp_path: Path):
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / "names.txt").write_text("李白\n")
    before = setting_inputs(f"[{tmp_path}]")
    for hidden in (".git/FETCH_HEAD", ".git/refs/main", ".names.txt.swp"):
        (tmp_path / hidden).write_text("new")
    assert setting_inputs(f"[{tmp_path}]") == before
    (tmp_path / "names.txt").write_text("杜甫\n")
    assert setting_inputs(f"[{tmp_path}]") != before


def test_files_between_commas_are_inputs(tmp_path: Path):
    mention, context = tmp_path / "mention.txt", tmp_path / "context.txt"
    mention.write_text("李白\n")
    context.write_text("杜甫\n")
    found = option_inputs(["--data.gazetteer=null", f"--init={mention},{context}"])
    assert set(found) == {f"option --init={path}" for path in (mention, context)}
    assert option_inputs(["--init=no-such,nor-this"]) == {}


def test_what_a_step_makes_is_not_told_by_the_recipe_of_the_next(recipe: Path, masked_lm: str):
    content = recipe.read_text().replace("unify: *short", "unify: [--data.proposer=null]")
    recipe.write_text(content)

    def planned() -> Step:
        return plan_chain(str(recipe), encoder=masked_lm)[-1]

    made = plan_chain(str(recipe), encoder=masked_lm)[-2].folder
    with (recipe.parent / "unify.yaml").open("a") as unify:
        unify.write(f"  train_candidates: {made}/train-candidates.jsonl\n")
    before = planned()
    made.mkdir(parents=True)
    (made / "train-candidates.jsonl").touch()
    assert planned().fingerprint == before.fingerprint
    with (recipe.parent / "unify.yaml").open("a") as unify:
        unify.write("  batch_size: 2\n")
    assert planned().fingerprint != before.fingerprint


def test_how_a_step_works_is_no_part_of_what_it_makes(
    recipe: Path, masked_lm: str, machine: Machine
):
    def labelled(options: str) -> Step:
        recipe.write_text(f"{content}distant: [{options}]\n")
        return plan_chain(str(recipe), encoder=masked_lm)[2]

    content = recipe.read_text()
    one, two = labelled("--min-share=0.9"), labelled("--min-share=0.9, --processes=2")
    assert one.fingerprint == two.fingerprint and one.folder == two.folder
    two.folder.mkdir(parents=True)
    machine.folder, machine.writes = two.folder, ["manifest.json"]
    two.run()
    assert machine.command[-1] == "--processes=2"
    assert one.state()[0] == "up to date"


def test_options_and_the_order_of_texts_lead_to_another_folder(recipe: Path, masked_lm: str):
    texts = [str(recipe.parent / "text.txt"), str(recipe.parent / "words.txt")]

    def labelled(order: list[str]) -> Path:
        return plan_chain(str(recipe), encoder=masked_lm, text=order)[2].folder

    folders = {labelled(texts), labelled(texts[::-1])}
    recipe.write_text(f"{recipe.read_text()}distant: [--max-occurrences=9]\n")
    assert len({*folders, labelled(texts)}) == 3
    assert "--max-occurrences=9" in plan_chain(str(recipe), encoder=masked_lm)[2].arguments


def test_seeds_have_records_of_their_own(recipe: Path, masked_lm: str):
    one, two = (plan_chain(str(recipe), encoder=masked_lm, seed=seed) for seed in (1, 2))
    for first, second in zip(one, two, strict=True):
        assert (first.record == second.record) == (first.folder == second.folder)


def test_an_encoder_of_stage_one_goes_on_under_its_name(recipe: Path, masked_lm: str):
    encoder = recipe.parent / "run" / "encoder"
    shutil.copytree(masked_lm, encoder)
    result = {"stage": "mention", "encoder": "zh-small"}
    (recipe.parent / "run" / "result.json").write_text(json.dumps(result))
    planned = {s.name: s for s in plan_chain(str(recipe), encoder=str(encoder))}
    assert planned["context"].folder == pretrain_folder("own-context", Run(str(encoder)))
    assert planned["context"].folder.parent.name == "zh-small"
