"""From text to shards: offsets, caps, several processes, resuming, memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from decoupled_ner.data.distant import DistantSettings, label_texts, noise_audit, read_distant
from decoupled_ner.data.distant.engines import run
from decoupled_ner.gazetteer import Gazetteer
from decoupled_ner.progress import Progress, no_progress
from decoupled_ner.types import InputError
from distant.corpus import contents, gazetteer, rows, write_text

SMALL = {"shard_bytes": 4096}


def label(
    folder: Path,
    texts: list[Path],
    processes: int = 1,
    progress: Progress = no_progress,
    **settings: Any,
) -> dict[str, Any]:
    chosen = DistantSettings(**{**SMALL, **settings})
    return label_texts(texts, gazetteer(), folder, chosen, processes=processes, progress=progress)


def occurrences(folder: Path, mention: str) -> list[str]:
    """Where a mention is labelled, in the order of the text."""
    return [
        f"{row['id']} {entity['start']}"
        for row in rows(folder)
        for entity in row["entities"]
        if entity["text"] == mention
    ]


def test_rows_are_where_they_say(tmp_path: Path) -> None:
    texts = [write_text(tmp_path / "a.txt", 300), write_text(tmp_path / "b.txt", 50, seed=1)]
    lines = {path.name: path.read_text(encoding="utf-8").split("\n") for path in texts}
    manifest = label(tmp_path / "out", texts)
    found = rows(tmp_path / "out")
    for row in found:
        line = lines[row["source"]][row["line"] - 1]
        assert line[row["offset"] :].startswith(row["text"])
        assert row["id"] == f"{row['source']}:{row['line']}:{row['offset']}"
        assert row["entities"]
        for region in row["entities"]:
            assert row["text"][region["start"] : region["end"]] == region["text"]
        for region in row["doubtful"]:
            assert 0 <= region["start"] < region["end"] <= len(row["text"])
    places = [(row["source"], row["line"], row["offset"]) for row in found]
    assert places == sorted(set(places))
    assert manifest["sentences"] == len(found)
    assert manifest["labelled"] == len(found)
    assert manifest["characters"] == sum(len(row["text"]) for row in found)
    assert manifest["entities"] == Counter(e["type"] for row in found for e in row["entities"])
    assert manifest["doubtful"] == Counter(d["reason"] for row in found for d in row["doubtful"])
    assert sum(shard["sentences"] for shard in manifest["shards"]) == len(found)
    assert len(manifest["shards"]) > 5


def test_what_a_row_tells(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("今天。\n他从中国去东方学习。\n", encoding="utf-8")
    label(tmp_path / "out", [tmp_path / "a.txt"])
    (row,) = rows(tmp_path / "out")
    (entity,) = row.pop("entities")
    assert row == {
        "id": "a.txt:2:0",
        "source": "a.txt",
        "line": 2,
        "offset": 0,
        "text": "他从中国去东方学习。",
        "doubtful": [{"start": 5, "end": 7, "reason": "ambiguous"}],
    }
    assert entity == {
        "start": 2,
        "end": 4,
        "text": "中国",
        "type": "GPE",
        "score": 1.0,
        "sources": ["names", "places"],
    }


def test_who_works_may_be_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    texts = [write_text(Path("a.txt"), 60), write_text(Path("b.txt"), 60, seed=1)]

    def move(*_: object) -> None:
        os.chdir(tmp_path / "elsewhere")

    settings = DistantSettings(**SMALL)
    label_texts(texts, gazetteer(), "out", settings, progress=move)
    monkeypatch.chdir(tmp_path)
    label_texts(texts, gazetteer(), "all", settings)
    assert contents(Path("out")) == contents(Path("all")) != {}


def test_runs_in_folders_inside_are_left_alone(tmp_path: Path) -> None:
    inside = tmp_path / "out" / "social" / ".part-0000-000000.parquet.1.tmp"
    inside.parent.mkdir(parents=True)
    inside.touch()
    label(tmp_path / "out", [write_text(tmp_path / "a.txt", 20)])
    assert inside.exists()


def test_unlabelled_and_short_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("今天天气很好。\n去九江。\n", encoding="utf-8")
    manifest = label(tmp_path / "kept", [tmp_path / "a.txt"], keep_unlabelled=True)
    assert [row["text"] for row in rows(tmp_path / "kept")] == ["今天天气很好。"]
    assert manifest["sentences_read"] == manifest["sentences"] == 1
    assert manifest["labelled"] == 0
    label(tmp_path / "short", [tmp_path / "a.txt"], min_sentence_length=1)
    assert [row["text"] for row in rows(tmp_path / "short")] == ["去九江。"]


@pytest.mark.parametrize("cap", [None, 7])
def test_processes_and_blocks_do_not_show(tmp_path: Path, cap: int | None) -> None:
    texts = [write_text(tmp_path / "a.txt", 400), write_text(tmp_path / "b.txt", 100, seed=1)]
    one = label(tmp_path / "one", texts, max_occurrences=cap)
    two = label(tmp_path / "two", texts, processes=2, max_occurrences=cap)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert one == two
    label(tmp_path / "large", texts, max_occurrences=cap, shard_bytes=1 << 20)
    assert rows(tmp_path / "large") == rows(tmp_path / "one")


def test_caps_are_exact_and_even(tmp_path: Path) -> None:
    texts = [write_text(tmp_path / "a.txt", 600)]
    label(tmp_path / "all", texts)
    manifest = label(tmp_path / "capped", texts, max_occurrences=25)
    for mention in ("北京", "九江", "王小明", "NBA"):
        before = occurrences(tmp_path / "all", mention)
        after = occurrences(tmp_path / "capped", mention)
        assert len(before) > 60
        assert len(after) == 25
        chosen = [before.index(place) for place in after]
        gaps = {second - first for first, second in pairwise(chosen)}
        assert max(gaps) - min(gaps) <= 1
    capped = manifest["doubtful"]["capped"]
    kept = {row["id"] for row in rows(tmp_path / "capped")}
    lost = sum(len(row["entities"]) for row in rows(tmp_path / "all") if row["id"] in kept)
    assert capped == lost - sum(manifest["entities"].values())
    assert not (tmp_path / "capped" / "staged").exists()


def test_a_cap_that_nothing_reaches(tmp_path: Path) -> None:
    texts = [write_text(tmp_path / "a.txt", 50)]
    label(tmp_path / "all", texts)
    label(tmp_path / "capped", texts, max_occurrences=10_000)
    assert contents(tmp_path / "all") == contents(tmp_path / "capped")


_KILLED = """
import os, signal, sys
from multiprocessing import active_children
from pathlib import Path
from decoupled_ner.data.distant import DistantSettings, label_texts
from distant.corpus import gazetteer

def progress(done, total, what):
    if what == sys.argv[4] and done > total / 3:
        print(*(child.pid for child in active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    cap = int(sys.argv[5]) or None
    settings = DistantSettings(shard_bytes=4096, max_occurrences=cap)
    label_texts(
        [sys.argv[1]], gazetteer(), sys.argv[2], settings, processes=int(sys.argv[3]),
        progress=progress,
    )
"""


@pytest.mark.parametrize(
    ("processes", "moment", "cap"),
    [(1, "matching", 0), (2, "matching", 7), (1, "applying the cap", 7)],
)
def test_killed_and_taken_up_again(tmp_path: Path, processes: int, moment: str, cap: int) -> None:
    text = write_text(tmp_path / "a.txt", 500)
    script = tmp_path / "killed.py"
    script.write_text(_KILLED, encoding="utf-8")
    out = tmp_path / "out"
    command = [sys.executable, script, text, out, str(processes), moment, str(cap)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for child in killed.stdout.split():
        _wait_for_end(int(child))
    shards = out / "staged" if cap and moment == "matching" else out
    there = {path: path.stat().st_mtime_ns for path in shards.glob("part-*.parquet")}
    assert there
    (shards / ".part-0000-000001.parquet.99999.tmp").write_bytes(b"half a shard")
    assert not json.loads((out / "manifest.json").read_text(encoding="utf-8"))["complete"]

    staged: dict[Path, int] = {}

    def progress(done: int, total: int, what: str) -> None:
        staged.update((path, path.stat().st_mtime_ns) for path in there if path.exists())

    label(out, [text], progress=progress, max_occurrences=cap or None)
    label(tmp_path / "whole", [text], max_occurrences=cap or None)
    assert contents(out) == contents(tmp_path / "whole")
    assert not list(out.rglob("*.tmp"))
    assert staged == there  # nothing was made twice


def _wait_for_end(pid: int) -> None:
    """A worker ends by itself when its parent is gone."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return
        if state[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} lives on without its parent")


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt", 50)
    first = label(tmp_path / "out", [text])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert label(tmp_path / "out", [text]) == json.loads(json.dumps(first))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_another_run_in_the_folder(tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt", 50)
    out = tmp_path / "out"
    label(out, [text])
    with pytest.raises(InputError, match="another value of 'settings'"):
        label(out, [text], min_length=3)
    with pytest.raises(InputError, match="another value of 'gazetteer'"):
        other = Gazetteer.from_mentions({"北京": ["GPE"]})
        label_texts([text], other, out, DistantSettings(shard_bytes=4096))
    write_text(text, 51)
    with pytest.raises(InputError, match="another value of 'texts'"):
        label(out, [text])
    (out / "manifest.json").unlink()
    with pytest.raises(InputError, match="holds shards without a manifest"):
        label(out, [text])
    with pytest.raises(InputError, match="can't be written"):
        label(text, [text])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"min_length": 50}, "no mention of the gazetteer passes"), ({"processes": 0}, "processes=0")],
)
def test_a_refused_command_leaves_nothing(wrong: dict[str, Any], says: str, tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt", 20)
    with pytest.raises(InputError, match=says):
        label(tmp_path / "out", [text], **wrong)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cap", [None, 7])
def test_shards_that_are_gone_are_made_again(tmp_path: Path, cap: int | None) -> None:
    text = write_text(tmp_path / "a.txt", 100)
    first = label(tmp_path / "out", [text], max_occurrences=cap)
    before = contents(tmp_path / "out")
    for shard in list((tmp_path / "out").glob("part-*"))[1:]:
        shard.unlink()
    again = label(tmp_path / "out", [text], max_occurrences=cap)
    assert again == json.loads(json.dumps(first))
    assert contents(tmp_path / "out") == before
    assert not (tmp_path / "out" / "staged").exists()


def test_shards_of_another_run_are_not_taken_up(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "a.txt", 100), tmp_path / "out"
    (out / "staged").mkdir(parents=True)
    (out / "staged" / "part-0000-000000.parquet").touch()
    with pytest.raises(InputError, match=r"holds shards without a manifest\.json"):
        label(out, [text], max_occurrences=3)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "a.txt", 100), tmp_path / "out"
    out.mkdir()
    (out / "staged").touch()
    with pytest.raises(InputError, match="staged: can't be written"):
        label(out, [text], max_occurrences=3)


def test_a_text_that_grows_meanwhile(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "a.txt", 100), tmp_path / "out"

    def grow(done: int, total: int | None, what: str) -> None:
        if done == 0:
            with text.open("a", encoding="utf-8") as file:
                file.write("他去北京了。\n")

    with pytest.raises(InputError, match=r"a\.txt: changed while it was read"):
        label(out, [text], progress=grow)
    assert not json.loads((out / "manifest.json").read_text(encoding="utf-8"))["complete"]


def test_names_of_texts_that_are_not_utf8(tmp_path: Path) -> None:
    text = tmp_path / os.fsdecode("新闻.txt".encode("gbk"))
    text.write_text("他去北京了。\n", encoding="utf-8")
    manifest = label(tmp_path / "out", [text])
    assert manifest["sentences"] == 1
    [row] = rows(tmp_path / "out")
    assert row["source"] == "\ufffd\ufffd\ufffd\ufffd.txt"


def test_a_second_call_waits_for_the_first(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "a.txt", 300), tmp_path / "out"
    written = out / ".part-0000-999999.parquet.1.tmp"
    with ThreadPoolExecutor(1) as pool:

        def call_again(done: int, total: int, what: str) -> None:
            if what == "matching" and not second:
                written.touch()
                second.append(pool.submit(label, out, [text]))
                time.sleep(0.5)
            seen.append(written.exists())

        second: list[Future[dict[str, Any]]] = []
        seen: list[bool] = []
        settings = DistantSettings(**SMALL)
        first = label_texts([text], gazetteer(), out, settings, progress=call_again)
        assert second[0].result(60) == json.loads(json.dumps(first))
    assert all(seen[1:])


@pytest.mark.parametrize("key", ["settings", "entities", "shards", "name"])
def test_a_manifest_that_lacks_keys(key: str, tmp_path: Path) -> None:
    text, path = write_text(tmp_path / "a.txt", 20), tmp_path / "out" / "manifest.json"
    manifest = label(tmp_path / "out", [text])
    (manifest if key in manifest else manifest["shards"][-1]).pop(key)
    path.write_text(json.dumps(manifest), "utf-8")
    for use in (noise_audit, read_distant, lambda folder: label(folder, [text])):
        with pytest.raises(InputError, match=rf"manifest\.json: damaged, '{key}' is missing"):
            use(tmp_path / "out")


def test_mistakes_in_the_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("去北京\n".encode() + b"\xff")
    for processes in (1, 2):
        with pytest.raises(InputError, match=r"a\.txt:2: not UTF-8"):
            label(tmp_path / "out", [path], processes=processes)


def _end(_: int) -> None:
    os._exit(3)


def _count(number: int) -> range:
    return range(number)


def test_a_process_that_dies() -> None:
    with pytest.raises(InputError, match="a process ended unexpectedly"):
        list(run([3], _count, _end, processes=2))


def test_engines_that_are_not_there() -> None:
    with pytest.raises(InputError, match="no engine 'spark'"):
        run([1], _count, print, engine="spark")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="processes=0"):
        run([1], _count, print, processes=0)


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'decoupled-ner\[ray\]'"):
        list(run([1], _count, print, engine="ray"))


@pytest.mark.parametrize("cap", [None, 5])
def test_memory_does_not_grow_with_the_text(tmp_path: Path, cap: int | None) -> None:
    def peak(lines: int) -> int:
        text = write_text(tmp_path / f"{lines}.txt", lines)
        tracemalloc.start()
        label(tmp_path / f"out-{lines}", [text], max_occurrences=cap, shard_bytes=16_384)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(300)  # imports and caches
    assert peak(4000) < 1.3 * peak(1000)
