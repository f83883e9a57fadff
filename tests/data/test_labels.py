"""Label sets and tag schemes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.labels import (
    SCHEMES,
    LabelSet,
    Scheme,
    Span,
    decode_tags,
    encode_tags,
    guess_scheme,
    repair_tags,
)
from decoupled_ner.types import InputError

schemes = st.sampled_from(SCHEMES)


@st.composite
def spans_and_length(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Non-overlapping spans, neighbours of the same type included."""
    spans, position = [], 0
    for _ in range(draw(st.integers(0, 6))):
        start = position + draw(st.integers(0, 2))
        position = start + draw(st.integers(1, 4))
        spans.append((start, position, draw(st.sampled_from(["PER", "ORG", "x-y.NAM"]))))
    return spans, position + draw(st.integers(0, 2))


@st.composite
def any_tags(draw: st.DrawFn) -> tuple[list[str], Scheme]:
    """Tags of a scheme in any order, legal or not."""
    scheme = draw(schemes)
    prefixes = {"BIO": "BI", "IOB1": "BI", "BIOES": "BIES", "BMES": "BMES"}[scheme]
    tags = ["O", *(f"{p}-{label}" for p in prefixes for label in ("PER", "ORG"))]
    return draw(st.lists(st.sampled_from(tags), max_size=12)), scheme


@given(spans_and_length(), schemes)
def test_spans_survive_every_scheme(case: tuple[list[Span], int], scheme: Scheme) -> None:
    spans, length = case
    tags = encode_tags(reversed(spans), length, scheme)
    assert len(tags) == length
    assert decode_tags(tags, scheme) == spans
    assert repair_tags(tags, scheme) == (tags, 0)


@given(any_tags())
def test_repaired_tags_are_legal_and_keep_every_tagged_token(
    case: tuple[list[str], Scheme],
) -> None:
    tags, scheme = case
    repaired, count = repair_tags(tags, scheme)
    assert decode_tags(repaired, scheme) == decode_tags(tags, scheme)
    assert repair_tags(repaired, scheme) == (repaired, 0)
    assert [tag[1:] for tag in repaired] == [tag[1:] for tag in tags]  # types stay where they are
    assert (count == 0) == (repaired == tags)


@pytest.mark.parametrize(
    ("scheme", "tags", "spans", "repairs"),
    [
        ("BIO", "O I-PER I-PER O", [(1, 3, "PER")], 1),
        ("BIO", "B-PER I-ORG I-ORG", [(0, 1, "PER"), (1, 3, "ORG")], 1),
        ("BIO", "B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")], 0),
        ("IOB1", "I-PER I-PER B-PER I-ORG", [(0, 2, "PER"), (2, 3, "PER"), (3, 4, "ORG")], 0),
        ("IOB1", "O B-PER I-PER", [(1, 3, "PER")], 1),
        ("BIOES", "B-PER I-PER O", [(0, 2, "PER")], 1),
        ("BIOES", "E-PER E-PER", [(0, 1, "PER"), (1, 2, "PER")], 2),
        ("BMES", "O M-ORG E-ORG S-ORG", [(1, 3, "ORG"), (3, 4, "ORG")], 1),
        ("BMES", "B-ORG B-ORG E-ORG", [(0, 1, "ORG"), (1, 3, "ORG")], 1),
        ("BMES", "B-ORG M-ORG E-PER", [(0, 2, "ORG"), (2, 3, "PER")], 2),
    ],
)
def test_the_repair_rule(scheme: Scheme, tags: str, spans: list[Span], repairs: int) -> None:
    assert decode_tags(tags.split(), scheme) == spans
    assert repair_tags(tags.split(), scheme)[1] == repairs


@pytest.mark.parametrize("tag", ["E-PER", "X-PER", "B", "B-", "PER", "", "o"])
def test_a_tag_that_the_scheme_lacks_is_an_error(tag: str) -> None:
    with pytest.raises(InputError, match="is no tag of BIO"):
        decode_tags([tag], "BIO")


def test_an_entity_cant_be_of_type_outside() -> None:
    with pytest.raises(InputError, match="can't have the label 'O'"):
        decode_tags(["B-O"], "BIO")


@pytest.mark.parametrize("spans", [[(0, 2, "A"), (1, 3, "B")], [(1, 1, "A")], [(2, 4, "A")]])
def test_spans_that_tags_cant_express_are_errors(spans: list[Span]) -> None:
    with pytest.raises(InputError, match=r"overlaps|does not lie"):
        encode_tags(spans, 3, "BIO")


@given(st.lists(spans_and_length(), min_size=1), schemes)
def test_a_guessed_scheme_reads_the_same_entities(
    cases: list[tuple[list[Span], int]], scheme: Scheme
) -> None:
    sequences = [encode_tags(spans, length, scheme) for spans, length in cases]
    guess = guess_scheme(sequences)
    assert [decode_tags(tags, guess) for tags in sequences] == [spans for spans, _ in cases]


def test_mixed_schemes_are_no_scheme() -> None:
    with pytest.raises(InputError, match="I, M fit no scheme"):
        guess_scheme([["I-PER"], ["M-PER"]])


def test_label_set_ids() -> None:
    labels = LabelSet.of(["LOC", "TITLE", "PER", "GPE", "ORG", "PER", "CONT"])
    assert labels.names == ("O", "PER", "ORG", "GPE", "LOC", "CONT", "TITLE")
    assert len(labels) == 7
    assert [labels.id(name) for name in labels] == list(range(7))
    assert [labels.label(i) for i in range(7)] == list(labels.names)
    assert "PER" in labels and "XYZ" not in labels
    assert labels == LabelSet(labels.types) and hash(labels) == hash(LabelSet(labels.types))
    kinds = ["LOC.NAM", "PER.NOM", "PER.NAM"]
    assert LabelSet.of(kinds).types == ("PER.NAM", "PER.NOM", "LOC.NAM")


@pytest.mark.parametrize("types", [("O",), ("",), ("PER", "PER")])
def test_impossible_label_sets(types: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        LabelSet(types)


def test_unknown_labels_and_ids_name_what_there_is() -> None:
    with pytest.raises(InputError, match="no label 'ORG'; there are O, PER"):
        LabelSet(("PER",)).id("ORG")
    for wrong in (-1, 2):
        with pytest.raises(InputError, match="there are 2"):
            LabelSet(("PER",)).label(wrong)
