"""docs/results.md is made from the results, the same way each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tables import main

from decoupled_ner.comparison.published import find_published, published
from decoupled_ner.comparison.results import write_result
from decoupled_ner.comparison.tables import cost_plot
from decoupled_ner.types import InputError

from .test_results import SPEED, scores

SVG = "{http://www.w3.org/2000/svg}"
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tables.py"
MISPRINTED = {
    ("msra", "mrc"),
    *(("msra", f"{encoder}-crf") for encoder in ("bert", "ernie", "ernie-tiny", "roberta")),
    ("diabetes", "roberta-bilstm-crf-augmented"),
}
FACTS: dict[str, Any] = {"machine": {}, "versions": {}, "commit": None}


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "results").mkdir()
    (tmp_path / "results.md").write_text("# Results\n\nBy hand.\n")
    return ["--results", str(tmp_path / "results"), "--document", str(tmp_path / "results.md")]


def add(folder: Path, **changes: Any) -> None:
    write_result("scores", scores(**FACTS, **changes), folder / "results")


def text(folder: Path) -> str:
    return (folder / "results.md").read_text(encoding="utf-8")


def cells(folder: Path, system: str) -> list[str]:
    [line] = [line for line in text(folder).splitlines() if line.startswith(f"| {system} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_new_experiment_gets_a_section_once(tmp_path: Path, arguments: list[str]) -> None:
    add(tmp_path)
    assert main(arguments) == 0
    once = text(tmp_path)
    assert once.startswith("# Results\n\nBy hand.\n\n## core\n\n<!-- begin scores/core -->\n")
    assert "![F1 of core](figures/core.svg)" in once
    ElementTree.parse(tmp_path / "figures" / "core.svg")
    assert main(arguments) == 0
    assert text(tmp_path) == once


def test_one_that_a_plot_of_costs_shows_gets_no_section(
    tmp_path: Path, arguments: list[str]
) -> None:
    add(tmp_path, seconds_a_sentence=0.01)
    with (tmp_path / "results.md").open("a") as document:
        document.write("<!-- begin cost/core -->\n<!-- end cost/core -->\n")
    assert main(arguments) == 0
    assert "![F1 of core against cost](figures/core-cost.svg)" in text(tmp_path)
    assert "## core" not in text(tmp_path)


def test_mean_interval_and_number_of_seeds(tmp_path: Path, arguments: list[str]) -> None:
    for seed, f1 in ((1, 0.70), (2, 0.72), (3, 0.74)):
        add(tmp_path, seed=seed, f1=f1)
    add(tmp_path, system="tagger", candidate_recall=None, intervals={"f1": [0.6, 0.71]})
    main(arguments)
    # t(.975, 2) = 4.3027; sd = .02: 4.3027 x .02 / sqrt(3) = .0497
    row = "decoupled|3|70.00|60.00|**72.00** ± 4.97|90.00|12|71.09 (BERT-base)"
    assert cells(tmp_path, "decoupled") == row.split("|")
    row = "tagger|1|70.00|60.00|**65.00** (60.0 to 71.0)|–|12|"
    assert cells(tmp_path, "tagger") == row.split("|")
    assert "Student's 95% t-interval" in text(tmp_path)
    assert "95% bootstrap interval" in text(tmp_path)
    assert "† Not ours" in text(tmp_path)
    assert "Data set weibo; split test; encoder zh-small; run on cpu." in text(tmp_path)


def test_paired_over_common_seeds(tmp_path: Path, arguments: list[str]) -> None:
    for seed, base, better in ((1, 0.70, 0.72), (2, 0.71, 0.74), (3, 0.72, 0.73)):
        add(tmp_path, seed=seed, f1=base)
        add(tmp_path, seed=seed, f1=better, system="decoupled+both", against="decoupled")
    add(tmp_path, seed=9, f1=0.1, system="decoupled+both", against="decoupled")
    add(tmp_path, seed=1, system="x", against="decoupled")
    add(tmp_path, seed=8, system="y", against="decoupled")
    main(arguments)
    # differences .02 .03 .01: sd .01, t = 3.4641 with 2 degrees of freedom
    paired = "decoupled: +2.00 (-0.48 to +4.48), p = 0.074"
    assert cells(tmp_path, "decoupled+both")[7] == paired
    assert cells(tmp_path, "x")[7] == "decoupled: -5.00, one seed"  # the others have no part in it
    assert cells(tmp_path, "y")[7] == "decoupled: no common seed"
    assert cells(tmp_path, "decoupled")[7] == ""


def test_a_system_with_another_encoder_is_compared_where_there_is_one_other(
    tmp_path: Path, arguments: list[str]
) -> None:
    add(tmp_path, f1=0.5, system="bert-fc")
    add(tmp_path, f1=0.4, system="bilstm", encoder=None, against="bert-fc")
    main(arguments)
    assert "bert-fc: -10.00, one seed" in cells(tmp_path, "bilstm")
    add(tmp_path, f1=0.6, system="bert-fc", encoder="another")
    main(arguments)
    assert "no bert-fc" in cells(tmp_path, "bilstm")


def test_what_differs_is_a_column(tmp_path: Path, arguments: list[str]) -> None:
    add(tmp_path)
    add(tmp_path, encoder=None, system="bilstm-crf", device="gpu")
    main(arguments)
    assert "Data set weibo; split test; run on cpu, gpu." in text(tmp_path)
    assert cells(tmp_path, "decoupled")[1] == "zh-small"
    assert cells(tmp_path, "bilstm-crf")[1] == "–"
    assert cells(tmp_path, "bilstm-crf")[-1] == "46.11 (none)"


def test_several_sizes_are_a_curve(tmp_path: Path, arguments: list[str]) -> None:
    for size, f1 in ((100, 0.4), (1000, 0.6)):
        add(tmp_path, train_sentences=size, f1=f1, published="decoupled+both@1000")
    main(arguments)
    figure = (tmp_path / "figures" / "core.svg").read_text()
    assert "polyline" in figure and "1,000" in figure
    assert "65.89 (BERT-base)" in text(tmp_path)


def test_a_figure_for_all_of_train_never_stands_beside_part_of_it(
    tmp_path: Path, arguments: list[str]
) -> None:
    add(tmp_path, train_sentences=500)
    add(tmp_path, train_sentences=500, system="another", published="decoupled")
    main(arguments)
    assert "71.09" not in text(tmp_path)


def test_systems_stand_at_their_cost_and_their_f1() -> None:
    systems = {"fast": (0.001, 0.66), "slow": (0.1, 0.62), "between": (0.01, 0.65)}
    results = [
        scores(system=system, seconds_a_sentence=seconds, f1=f1)
        for system, (seconds, f1) in systems.items()
    ]
    plot = ElementTree.fromstring(cost_plot("core", [*results, scores(system="untimed")]))
    texts = list(plot.iter(f"{SVG}text"))
    ticks = {
        (text.get("text-anchor"), text.text): float(text.get(axis, ""))
        for text in texts
        for axis in ("x" if text.get("text-anchor") == "middle" else "y",)
    }
    title, *names = [text.text for text in texts if not text.get("class")]
    dots = [
        (float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in plot.iter(f"{SVG}circle")
    ]
    assert title == "core: F1 against cost" and sorted(map(str, names)) == sorted(systems)
    for name, place in zip(names, dots[::2], strict=True):  # each is followed by its legend's
        seconds, f1 = systems[str(name)]
        x, y = ticks["middle", f"{1000 * seconds:g}"], ticks["end", f"{100 * f1:g}"] - 4
        assert place == pytest.approx((x, y), abs=0.2)


def test_speed(tmp_path: Path, arguments: list[str]) -> None:
    for run, ratio in ((1, 4.0), (2, 6.0)):
        write_result("speed", SPEED | FACTS | {"ratio": ratio, "run": run}, tmp_path / "results")
    main(arguments)
    row = "engine|plain loop|5.00|4.00 to 6.00|2"
    assert cells(tmp_path, "engine") == row.split("|")


def test_a_table_is_shown_as_it_is(tmp_path: Path, arguments: list[str]) -> None:
    columns = ["data set", "entities", "coverage"]
    rows = [["weibo", 1234, 61.949], ["msra", 12, "–"]]
    made = {"experiment": "coverage", "columns": columns, "rows": rows, "settings": {}}
    write_result("table", FACTS | made | {"note": "In percent."}, tmp_path / "results")
    main(arguments)
    assert cells(tmp_path, "weibo") == ["weibo", "1,234", "61.95"]
    assert "| :--- | ---: | ---: |\n" in text(tmp_path) and "\nIn percent.\n" in text(tmp_path)
    with pytest.raises(InputError, match="every row needs 3 cells"):
        write_result("table", FACTS | made | {"rows": [["weibo", 1]]}, tmp_path / "results")


def test_blocks_stay_where_people_put_them(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "results.md").write_text(
        "Above.\n\n<!-- begin scores/core -->\nold\n<!-- end scores/core -->\n\nBelow.\n\n"
        "<!-- begin published/weibo -->\n<!-- end published/weibo -->\n"
    )
    main(arguments)
    assert "old" not in text(tmp_path)
    assert "<!-- begin scores/core -->\n\nNo results yet.\n\n<!-- end scores/core -->\n\nBelow.\n" in text(tmp_path)  # fmt: skip  # noqa: E501
    assert "| decoupled+both | BERT-base | 72.14 | 73.14 | 72.64 |" in text(tmp_path)
    add(tmp_path)
    main(arguments)
    assert "\n## core" not in text(tmp_path) and "Below." in text(tmp_path)


def test_check_fails_until_written(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path)
    before = text(tmp_path)
    assert main([*arguments, "--check"]) == 1
    assert "results.md is out of date" in capsys.readouterr().err
    assert text(tmp_path) == before and not (tmp_path / "figures").exists()
    main(arguments)
    assert main([*arguments, "--check"]) == 0
    add(tmp_path, seed=2, f1=0.9)
    assert main([*arguments, "--check"]) == 1
    assert "core.svg is out of date" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("<!-- begin scores/a -->\n", "block scores/a is not closed"),
        ("<!-- end scores/a -->\n", ":1: end scores/a inside no block"),
        ("<!-- begin scores/a -->\n<!-- end scores/b -->\n", ":2: end scores/b inside scores/a"),
        ("<!-- begin a -->\n<!-- end a -->\n", ":1: no such block as a"),
        ("<!-- begin published/x -->\n<!-- end published/x -->\n", "has nothing on 'x'"),
    ],
)
def test_malformed_documents_are_named(
    tmp_path: Path,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    written: str,
    message: str,
) -> None:
    (tmp_path / "results.md").write_text(written)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert text(tmp_path) == written


def test_no_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--document", str(tmp_path / "none.md")]) == 2
    assert "none.md" in capsys.readouterr().err


def test_published_figures_are_each_found_once() -> None:
    rows = published()
    assert len({(row.dataset, row.system) for row in rows}) == len(rows)
    best = find_published("msra", "decoupled+both")
    assert best and (best.precision, best.recall, best.f1) == (97.00, 95.23, 96.11)


@pytest.mark.parametrize("row", [r for r in published() if r.precision], ids=lambda r: r.system)
def test_published_f1_follows_from_precision_and_recall(row: Any) -> None:
    """A guard against slips in copying; a few do not in print either."""
    f1 = 2 * row.precision * row.recall / (row.precision + row.recall)
    assert (abs(f1 - row.f1) < 0.02) != ((row.dataset, row.system) in MISPRINTED)


def test_runs_as_a_script(tmp_path: Path, arguments: list[str]) -> None:
    add(tmp_path)
    for expected, further in ((1, ["--check"]), (0, []), (0, ["--check"])):
        command = [sys.executable, str(SCRIPT), *arguments, *further]
        assert subprocess.run(command, capture_output=True, check=False).returncode == expected
