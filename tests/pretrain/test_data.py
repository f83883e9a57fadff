"""What the two stages train on: which items, how often, and never what is held out."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.candidates import JiebaNouns
from decoupled_ner.data.distant import label_texts, read_distant, reader
from decoupled_ner.data.endless import EndlessSentences, held_out_sentences
from decoupled_ner.data.files import is_held_out
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.data.mentions import (
    Rows,
    common_words,
    draw,
    quotas,
    seed_gazetteer,
    training_mentions,
    typed_entries,
)
from decoupled_ner.gazetteer import UNTYPED, Columns, Entry, Gazetteer
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.training.batches import POOL_BATCHES
from decoupled_ner.training.context import ContextData
from decoupled_ner.training.mention import MentionData
from decoupled_ner.types import InputError, Sentence, entity_at


def test_quotas_by_hand():
    assert quotas([100, 25, 0], 1, 125) == [100, 25, 0]
    assert quotas([100, 25, 0], 2, 150) == [100, 50, 0]  # square roots: 10 and 5
    assert quotas([100, 25, 1], math.inf, 30) == [10, 10, 10]
    assert quotas([10_000, 1], 1, 10) == [10, 1]  # at least one


@given(st.integers(0, 40), st.integers(1, 12), st.integers(0, 9))
def test_drawing_repeats_nothing_before_all_have_come(count, size, seed):
    group, name = np.arange(100, 100 + size), str(seed)
    drawn = Counter(draw(group, 0, count, name).tolist())
    assert sum(drawn.values()) == count and drawn.keys() <= set(group.tolist())
    assert max(drawn.values(), default=0) - min(drawn[row] for row in group) <= 1
    cut = count // 3  # in two epochs as in one
    parts = [draw(group, 0, cut, name), draw(group, cut, count, name)]
    assert np.concatenate(parts).tolist() == draw(group, 0, count, name).tolist()


def test_entries_have_their_most_probable_type():
    gazetteer = Gazetteer.from_entries(
        [
            Entry("九江", "GPE", "a", 2.0),
            Entry("九江", "LOC", "b"),
            Entry("任正非", "PER", "a"),
            Entry("某物", UNTYPED, "a"),
            Entry("高峰", "PER", "a", 0.3),
            Entry("高峰", "O", "b"),
        ]
    )
    columns = Columns.of(gazetteer.table)
    entries = typed_entries(columns)
    assert entries.labels == ["O", "PER", "GPE"]
    assert [entries.read(entries.rows(i)) for i in range(3)] == [[], [("任正非", 1)], [("九江", 2)]]
    # 高峰 may be a name, so it is no common word either.
    assert gazetteer.words == columns.read(common_words(columns, set(), None)) == []
    with pytest.raises(InputError, match="has a type"):
        typed_entries(Columns.of(Gazetteer.from_entries([Entry("某物", UNTYPED)]).table))


def test_common_words_are_no_mention_of_train(tmp_path: Path):
    for split, name in (("train", "东方"), ("dev", "明天"), ("test", "电话")):
        write_jsonl([Sentence(name, (entity_at(name, 0, 2, "PER"),))], tmp_path / f"{split}.jsonl")
    mentions = training_mentions(str(tmp_path))
    assert mentions == {"东方"}  # dev and test are never looked at
    words = [Entry(word, "O") for word in ("东方", "明天", "电话", "张伟")]
    columns = Columns.of(Gazetteer.from_entries([*words, Entry("九江", "GPE")]).table)
    assert set(columns.read(common_words(columns, mentions, None))) == {"明天", "电话", "张伟"}
    names = JiebaNouns(tags=["nr*", "ns", "nt", "nz"])
    assert set(columns.read(common_words(columns, mentions, names))) == {"明天", "电话"}


def test_what_only_doubtful_sources_know_is_no_name():
    claims = [
        *(Entry("九江", "GPE"), Entry("青春", "GPE", "a", 0.3), Entry("诺言", "ORG", "b", 0.3)),
        *(Entry("天空", "O"), Entry("天空", "ORG", "b", 0.3), Entry("生活", "O", "a", 0.1)),
        *(Entry("商城", "GPE"), Entry("商城", "O", "c", 0.5)),  # share 2/3
        *(Entry("东方", "O", "c", 3.0), Entry("东方", "GPE")),
    ]
    columns = Columns.of(Gazetteer.from_entries(claims).table)

    def names(*rules: float) -> dict[str, str]:
        typed = typed_entries(columns, *rules)
        labels = range(1, len(typed.labels))
        found = (pair for label in labels for pair in typed.read(typed.rows(label)))
        return {mention: typed.labels[label] for mention, label in found}

    assert names() == {"九江": "GPE", "青春": "GPE", "诺言": "ORG", "商城": "GPE"}
    assert names(1.0) == {"九江": "GPE", "商城": "GPE"}
    assert names(1.0, 0.75) == {"九江": "GPE"}
    with pytest.raises(InputError, match="lower min_weight or min_share"):
        typed_entries(columns, 1.1)
    assert set(columns.read(common_words(columns, set(), None))) == {"生活"}
    assert set(columns.read(common_words(columns, set(), None, 1.0))) == {"生活", "天空"}


def test_mention_data_obeys_its_filters(tmp_path: Path, masked_lm: str):
    write_jsonl([Sentence("东方", (entity_at("东方", 0, 2, "PER"),))], tmp_path / "train.jsonl")
    words = [Entry(word, "O") for word in ("东方", "明天", "天空")]
    names = [Entry("九江", "GPE"), Entry("青春", "GPE", "a", 0.3), Entry("天空", "ORG", "b", 0.3)]
    Gazetteer.from_entries([*words, *names]).save(tmp_path / "names")
    data = MentionData(
        masked_lm, str(tmp_path / "names"), exclude_mentions_of=str(tmp_path), min_weight=0.5,
        held_out=0.0,
    )  # fmt: skip
    found = [set(data.typed.columns.read(rows)) for rows in data.entries]
    assert data.labels == ["O", "GPE"] and found == [{"明天", "天空"}, {"九江"}]


def test_the_seed_has_every_type_and_common_words():
    columns = Columns.of(seed_gazetteer().table)
    entries = typed_entries(columns)
    assert entries.labels == ["O", "PER", "ORG", "GPE", "LOC"]
    assert all(len(entries.rows(label)) > 100 for label in range(1, 5))
    assert len(common_words(columns, set(), None)) > 500


def test_mention_batches(gazetteer: str, entries: list[Entry], masked_lm: str):
    settings = {"temperature": math.inf, "entries_per_epoch": 90, "held_out": 0.2}
    data = MentionData(masked_lm, gazetteer, batch_size=16, **settings)
    assert data.labels == ["O", "PER", "GPE"]
    read = data.typed.columns.read
    held, trained = (set(read(np.concatenate(g))) for g in (data.held_out, data.entries))
    assert not held & trained and held | trained == {entry.mention for entry in entries}
    assert 0.1 < len(held) / len(held | trained) < 0.3
    batches = data.training_batches(0, 1)
    drawn = batches.read(3, 0, 90)
    assert Counter(entry.label for entry in drawn) == {0: 30, 1: 30, 2: 30}
    types = {entry.mention: entry.label for entry in entries}
    assert {entry.mention for entry in drawn} <= trained
    assert all(data.labels[entry.label] == types[entry.mention] for entry in drawn)
    assert batches.read(4, 0, 90) != drawn == batches.read(3, 0, 90)
    assert data.training_batches(0, 1).read(3, 20, 50) == drawn[20:50]  # by another process
    batch = batches[0, 0]
    tokenizer = load_tokenizer(masked_lm)
    for ids, mask, label in zip(batch.ids, batch.mask, batch.labels, strict=True):
        text = tokenizer.decode(ids[mask.bool()]).replace(" ", "")
        mention = text.removeprefix("[CLS]").removesuffix("[SEP]")
        assert mention in read(data.entries[label])


def test_an_epoch_has_all_of_a_type_before_one_comes_again(gazetteer: str, masked_lm: str):
    data = MentionData(masked_lm, gazetteer, temperature=math.inf)
    drawn = Counter(data.training_batches(0, 1).read(0, 0, sum(data.drawn)))
    for label, rows in enumerate(data.entries):
        counts = [drawn[entry] for entry in data.typed.read(rows)]
        assert sum(counts) == data.drawn[label] and max(counts) - min(counts) <= 1


def test_epochs_go_on_where_those_before_ended(gazetteer: str, masked_lm: str):
    data = MentionData(masked_lm, gazetteer, temperature=math.inf, entries_per_epoch=90)
    batches = data.training_batches(0, 1)
    drawn = [entry for epoch in range(3) for entry in batches.read(epoch, 0, 90)]
    fewest = min(map(len, data.entries))
    assert fewest >= 90 and len(set(drawn)) == 270


def test_other_data_is_no_data_to_go_on_with(
    gazetteer: str, distant: str, masked_lm: str, tmp_path: Path
):
    names = [Entry("九江", "GPE"), Entry("天气", "O")]
    Gazetteer.from_entries(names).save(tmp_path / "names")
    (tmp_path / "text.txt").write_text("他昨天去了九江。\n", encoding="utf-8")
    label_texts([tmp_path / "text.txt"], tmp_path / "names", tmp_path / "other")
    for kind, first, second in (
        (MentionData, gazetteer, str(tmp_path / "names")),
        (ContextData, distant, str(tmp_path / "other")),
    ):
        state = kind(masked_lm, first).state_dict()
        kind(masked_lm, first).load_state_dict(state)
        with pytest.raises(InputError, match=r"this run began with another (gazetteer|texts)"):
            kind(masked_lm, second, held_out=0.0).load_state_dict(state)
    state = MentionData(masked_lm, gazetteer).state_dict()
    with pytest.raises(InputError, match="this run began with another choice of entries"):
        MentionData(masked_lm, gazetteer, min_weight=2.0).load_state_dict(state)


def test_texts_are_read_a_few_at_a_time(
    gazetteer: str, masked_lm: str, monkeypatch: pytest.MonkeyPatch
):
    data, read = MentionData(masked_lm, gazetteer, batch_size=2), list[int]()
    original = Columns.read

    def counted(columns: Columns, rows: Rows) -> list[str]:
        read.append(len(rows))
        return original(columns, rows)

    monkeypatch.setattr(Columns, "read", counted)
    batches = data.training_batches(0, 1)
    for number in range(len(batches)):
        _ = batches[0, number]
    assert max(read) <= 2 * POOL_BATCHES < sum(read) == data.items_per_epoch()


def test_settings_that_are_wrong(gazetteer: str, distant: str, masked_lm: str, tmp_path: Path):
    for settings in ({"temperature": 0.5}, {"held_out": 1.0}):
        with pytest.raises(InputError, match="must be"):
            MentionData(masked_lm, gazetteer, **settings)
    Gazetteer.from_entries([Entry("九江", "GPE")]).save(tmp_path)
    with pytest.raises(InputError, match="no common words"):
        MentionData(masked_lm, str(tmp_path))
    with pytest.raises(InputError, match=r"min_share=1\.5 in \[0, 1\]"):
        MentionData(masked_lm, gazetteer, min_share=1.5)
    with pytest.raises(InputError, match="entries_per_epoch=0 must be at least 1"):
        MentionData(masked_lm, gazetteer, entries_per_epoch=0)
    with pytest.raises(InputError, match="leaves no entry to train on"):
        MentionData(masked_lm, gazetteer, held_out=0.9999)
    with pytest.raises(InputError, match="2 tokens hold no mention"):
        MentionData(masked_lm, gazetteer, max_tokens=2)
    for name, value in (("sentences_per_epoch", 0), ("validation_sentences", -1)):
        with pytest.raises(InputError, match=f"{name}={value} must be at least"):
            ContextData(masked_lm, distant, **{name: value})
    with pytest.raises(InputError, match=r"held_out=1\.0"):
        ContextData(masked_lm, distant, held_out=1.0)
    with pytest.raises(InputError, match="no labelled sentence to train on"):
        ContextData(masked_lm, distant, held_out=0.9999)
    with pytest.raises(InputError, match="max_tokens=10 must be at least 60"):
        ContextData(masked_lm, distant, max_tokens=10)
    with pytest.raises(InputError, match=r"no manifest\.json"):
        ContextData(masked_lm, str(tmp_path))


def test_endless_sentences(distant: str, monkeypatch: pytest.MonkeyPatch):
    everything = {s.id for s in read_distant(distant)}
    held = {s.id for s in held_out_sentences(distant, 0.2, 10_000)}
    assert 0.1 < len(held) / len(everything) < 0.3
    trained = len(everything) - len(held)
    source = EndlessSentences(distant, 0.2, seed=5)
    first, second = ([s.id for s in source.read(start, start + trained)] for start in (0, trained))
    assert set(first) == set(second) == everything - held and first != second
    assert [s.id for s in source.read(7, 30)] == first[7:30]  # begun anew
    resumed = EndlessSentences(distant, 0.2, seed=5)
    with monkeypatch.context() as patch:
        made = Counter[str]()
        real = reader._sentence
        patch.setattr(reader, "_sentence", lambda row: made.update([row["id"]]) or real(row))
        assert [s.id for s in resumed.read(trained + 3, trained + 9)] == second[3:9]
        assert made.total() == 6, "what lies before is not made"
    assert len(held_out_sentences(distant, 0.2, 5)) == 5
    with pytest.raises(InputError, match="no labelled sentence to train on"):
        EndlessSentences(distant, 1.0, seed=5).read(0, 1)


def test_context_batches(distant: str, masked_lm: str):
    data = ContextData(masked_lm, distant, sentences_per_epoch=70, batch_size=16, held_out=0.2)
    assert data.labels == ["O", "PER", "GPE"]
    whole = data.training_batches(0, 1)
    assert len(whole) == 5
    read = [[s.sentence.id for n in range(5) for s in whole.global_batch(e, n)] for e in (0, 1)]
    assert all(len(set(ids)) == 70 for ids in read)
    assert not set(read[0]) & set(read[1])  # the next epoch goes on behind the first
    assert not {s.id for s in data.validation_sentences} & set(read[0] + read[1])
    parts = [data.training_batches(rank, 2) for rank in range(2)]
    for number in (0, 3):
        shared = [row for part in parts for row in part[1, number].targets.tolist()]
        assert sorted(shared) == sorted(whole[1, number].targets.tolist())


def test_every_epoch_picks_anew(distant: str, masked_lm: str):
    data = ContextData(masked_lm, distant, batch_size=16, outside_share=0.5)
    batches = data.training_batches(0, 1)
    visits = batches.read(0, 0, 40)
    first = batches.collate(visits)
    again = batches.collate(visits)
    later = batches.collate([visit._replace(epoch=1) for visit in visits])
    assert first.targets.tolist() == again.targets.tolist() != later.targets.tolist()


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_greater_share_holds_out_more(text: str, less: float, more: float):
    less, more = sorted((less, more))
    assert is_held_out(text, more) or not is_held_out(text, less)
    assert not is_held_out(text, 0.0) and is_held_out(text, 1.0)
