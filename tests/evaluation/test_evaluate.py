"""The whole evaluation of a small worked example."""

from __future__ import annotations

import io
import json
import os

import pytest
from rich.console import Console

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.inference.evaluate import Evaluation, evaluate, render
from decoupled_ner.metrics import Counts, ErrorKind, bootstrap_scores
from decoupled_ner.types import Entity, InputError, Region, Sentence, entity_at

FIRST, SECOND, THIRD = "张三在北京大学读书", "李四到上海", "今天天气好"
TRAIN = [Sentence("张三，李四", (entity_at("张三，李四", 0, 2, "ORG"),)), Sentence(SECOND)]
GOLD = [
    Sentence(FIRST, (entity_at(FIRST, 0, 2, "PER"), entity_at(FIRST, 3, 7, "ORG")), id="a"),
    Sentence(SECOND, (entity_at(SECOND, 0, 2, "PER"), entity_at(SECOND, 3, 5, "GPE"))),
    Sentence(THIRD),
]
PREDICTED = [
    [entity_at(FIRST, 3, 5, "GPE", 0.6), entity_at(FIRST, 0, 2, "PER", 0.9)],
    [entity_at(SECOND, 3, 5, "LOC", 0.7)],
    [entity_at(THIRD, 0, 2, "PER", 0.5)],
]
CANDIDATES = [[Region(0, 2), Region(3, 5)], [Region(0, 2), Region(3, 5)], [Region(0, 2)]]


@pytest.fixture(scope="module")
def result() -> Evaluation:
    return evaluate(GOLD, PREDICTED, candidates=CANDIDATES, train=TRAIN)


def test_overall(result: Evaluation) -> None:
    assert result.overall.counts == Counts(correct=1, predicted=4, gold=4)
    assert result.overall.scores.f1 == pytest.approx(1 / 4)
    assert result.overall.proposed == 3
    assert result.overall.candidate_recall == pytest.approx(3 / 4)
    assert result.candidates_a_sentence == pytest.approx(5 / 3)
    assert result.sentence_counts.tolist() == [[1, 2, 2], [0, 1, 2], [0, 1, 0]]


def test_by_type(result: Evaluation) -> None:
    rows = {row.name: (row.counts, row.proposed) for row in result.by_type}
    assert rows == {
        "PER": (Counts(1, 2, 2), 2),
        "ORG": (Counts(0, 0, 1), 0),
        "GPE": (Counts(0, 1, 1), 1),
        "LOC": (Counts(0, 1, 0), 0),
    }


def test_seen_mentions_and_leaked_sentences(result: Evaluation) -> None:
    # 张三 is an entity of train, of whatever type; 李四 stands there without annotation.
    assert {row.name: row.counts for row in result.mentions} == {
        "seen": Counts(1, 1, 1),
        "unseen": Counts(0, 3, 3),
    }
    assert {row.name: (row.sentences, row.counts) for row in result.sentences} == {
        "leaked": (1, Counts(0, 1, 2)),
        "new": (2, Counts(1, 3, 2)),
    }


def test_errors_and_examples(result: Evaluation) -> None:
    assert result.errors == {
        ErrorKind.TYPE: 1,
        ErrorKind.BOUNDARY: 1,
        ErrorKind.MISSED: 1,
        ErrorKind.SPURIOUS: 1,
    }
    assert [example.index for example in result.examples] == [0, 1, 2]
    assert [entity.start for entity in result.examples[0].predicted] == [0, 3]


def test_intervals_are_those_of_the_bootstrap(result: Evaluation) -> None:
    assert result.overall.intervals is not None
    sampled = bootstrap_scores(result.sentence_counts)[2].tolist()
    f1 = result.overall.intervals[2]
    assert [f1.low, f1.high] == sampled
    without = evaluate(GOLD, PREDICTED, bootstrap=0)
    assert without.overall.intervals is None


def test_what_is_not_given_is_left_out() -> None:
    result = evaluate(GOLD, PREDICTED)
    assert result.overall.candidate_recall is None and result.candidates_a_sentence is None
    assert result.mentions == () and result.sentences == ()


def test_no_leak_and_no_entities() -> None:
    result = evaluate([Sentence("无")], [[]], candidates=[[]], train=[])
    assert result.by_type == () and result.examples == ()
    assert result.overall.candidate_recall == 0
    leaked, new = result.sentences
    assert (leaked.sentences, new.sentences) == (0, 1)
    assert leaked.intervals is None


def test_json(result: Evaluation) -> None:
    loaded = json.loads(json.dumps(result.to_dict()))
    assert loaded["overall"]["f1"] == pytest.approx(1 / 4)
    assert loaded["overall"]["candidate_recall"] == pytest.approx(3 / 4)
    assert loaded["by_type"]["PER"]["intervals"]["f1"][1] <= 1
    assert loaded["mentions"]["unseen"]["gold"] == 3
    assert loaded["errors"] == {"type": 1, "boundary": 1, "missed": 1, "spurious": 1}
    assert loaded["examples"][0]["id"] == "a"
    assert loaded["examples"][0]["errors"][0]["kind"] == "boundary"
    assert loaded["confusion"]["labels"] == ["PER", "ORG", "GPE", "LOC", "O"]


def printed(result: Evaluation) -> list[list[str]]:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(result))
    lines = console.export_text().splitlines()
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_render_prints_each_group(result: Evaluation) -> None:
    rows = {cells[0]: cells[1:] for cells in printed(result) if len(cells) > 1}
    assert [*rows] == ["all", "PER", "ORG", "GPE", "LOC", "seen", "unseen", "leaked", "new"]
    assert rows["all"][:3] == ["25.00", "25.00", "25.00"]
    assert rows["all"][4:] == ["75.00", "4", "4", "1"]


def test_render_leaves_out_what_is_not_there() -> None:
    rows = {cells[0]: cells[1:] for cells in printed(evaluate(GOLD, PREDICTED, bootstrap=0))}
    assert rows["all"] == ["25.00", "25.00", "25.00", "", "", "4", "4", "1"]
    assert "seen" not in rows


def test_mistakes_are_input_errors() -> None:
    with pytest.raises(InputError, match="no sentence"):
        evaluate([], [])
    with pytest.raises(InputError, match="3 gold sentences but 2 predictions"):
        evaluate(GOLD, PREDICTED[:2])
    with pytest.raises(InputError, match="3 gold sentences but 1 candidate lists"):
        evaluate(GOLD, PREDICTED, candidates=CANDIDATES[:1])
    with pytest.raises(InputError, match=r"not the text at \[3, 9\)"):
        evaluate(GOLD, [[], [Entity(3, 9, "上海", "GPE")], []])


@pytest.mark.real_data
@pytest.mark.skipif("DECOUPLED_NER_DATA" not in os.environ, reason="$DECOUPLED_NER_DATA is unset")
def test_gold_against_itself_on_weibo() -> None:
    data = load_dataset("weibo")
    gold = data.split("test")
    result = evaluate(gold, [sentence.entities for sentence in gold], train=data.split("train"))
    assert result.overall.scores.f1 == 1 and result.examples == ()
    leaked, new = result.sentences
    assert (leaked.sentences, new.sentences) == (40, 230)
