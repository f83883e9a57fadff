import json

import pytest
from rich.console import Console

from decoupled_ner.candidates import Union, candidate_report
from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.report import measure, render
from decoupled_ner.types import InputError, Region, Sentence, entity_at


class Slices(CandidateGenerator):
    """Proposes every slice of one length that starts at a multiple of ``step``."""

    def __init__(self, name, length, step):
        self.name, self.length, self.step = name, length, step

    def propose(self, text):
        starts = range(0, len(text) - self.length + 1, self.step)
        return [Region(start, start + self.length) for start in starts]

    def init_args(self):
        return {}


def sentence(text, *entities):
    return Sentence(text, tuple(entity_at(text, *entity) for entity in entities))


SENTENCES = [
    sentence("abcd", (0, 2, "PER"), (0, 1, "LOC"), (1, 3, "LOC")),
    sentence("ab", (0, 2, "PER")),
    sentence("abcdef"),
]


def test_figures_by_hand():
    report = candidate_report(SENTENCES, [Slices("pairs", 2, 2), Slices("ones", 1, 4)])
    assert report["sentences"] == 3
    assert report["characters"] == 12
    assert report["entities"] == {"PER": 2, "LOC": 2}
    pairs, ones = report["generators"]
    assert pairs["recall"] == 0.5
    assert pairs["recall_by_type"] == {"PER": 1.0, "LOC": 0.0}
    assert pairs["candidates_per_sentence"] == 2.0
    assert pairs["precision"] == pytest.approx(2 / 6)
    assert pairs["f1_ceiling"] == pytest.approx(2 * 0.5 / 1.5)
    assert pairs["only_recall"] == 0.5
    assert ones["recall"] == ones["only_recall"] == 0.25
    assert ones["only_candidates_per_sentence"] == pytest.approx(4 / 3)
    assert report["union"]["recall"] == 0.75
    assert report["union"]["candidates_per_sentence"] == pytest.approx(10 / 3)
    assert report["union"]["seconds"] > 0
    json.dumps(report)
    alone = measure(Slices("pairs", 2, 2), SENTENCES)
    assert {key: pairs[key] for key in alone if "second" not in key} == {
        key: figure for key, figure in alone.items() if "second" not in key
    }


def test_a_region_with_two_types_is_one_entity_found():
    """A classifier gives each region one type."""
    figures = measure(Slices("all", 2, 1), [sentence("ab", (0, 2, "PER"), (0, 2, "LOC"))])
    assert (figures["recall"], figures["precision"]) == (1.0, 1.0)
    assert figures["f1_ceiling"] == pytest.approx(2 / 3)  # one right, one missed


def test_what_two_propose_is_only_neither():
    report = candidate_report(SENTENCES, [Slices("pairs", 2, 2), Slices("also", 2, 1)])
    pairs, also = report["generators"]
    assert (pairs["only_recall"], pairs["only_candidates_per_sentence"]) == (0.0, 0.0)
    assert also["only_recall"] == 0.25


def test_a_union_is_reported_by_its_generators_and_its_limit():
    report = candidate_report(
        SENTENCES, Union([Slices("a", 1, 1), Slices("b", 2, 1)], max_length=1)
    )
    assert [row["name"] for row in report["generators"]] == ["a", "b"]
    assert report["union"]["recall"] == 0.25
    assert [row["only_recall"] for row in report["generators"]] == [0.25, 0.0]


def test_table_shows_every_generator():
    report = candidate_report(SENTENCES, [Slices("pairs", 2, 2), Slices("ones", 1, 4)])
    console = Console(width=150)
    with console.capture() as capture:
        console.print(render(report))
    table = capture.get()
    assert all(word in table for word in ("pairs", "ones", "union", "75.0%", "25.0% (1.3)", "PER"))


def test_a_type_may_have_brackets():
    report = candidate_report([sentence("ab", (0, 2, "[/PER]"))], [Slices("pairs", 2, 2)])
    console = Console(width=150)
    with console.capture() as capture:
        console.print(render(report))
    assert capture.get().count("[/PER]") == 2


def test_a_narrow_table_cuts_no_name():
    name = "gazetteer:dictionaries/of-people/products.txt"
    report = candidate_report(SENTENCES, [Slices(name, 2, 2), Slices("train-mentions", 1, 4)])
    console = Console(width=60)
    with console.capture() as capture:
        console.print(render(report))
    lines = capture.get().splitlines()
    first_column = "".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))
    assert first_column == f"{name}train-mentionsunion" * 2 and "…" not in capture.get()


def test_sentences_without_entities_are_a_mistake():
    with pytest.raises(InputError, match="gold entities"):
        candidate_report([sentence("ab")], [Slices("pairs", 2, 2)])
