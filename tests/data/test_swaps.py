"""Positives that are read with another mention of their type."""

from __future__ import annotations

from pathlib import Path

import pytest

from decoupled_ner.candidates import NGrams
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.sentence_batches import LabelledRegion, PairBatches
from decoupled_ner.types import InputError, Sentence


@pytest.fixture
def folder(two_sentences: list[Sentence], tmp_path: Path) -> Path:
    for split in ("train", "dev"):
        write_jsonl(two_sentences, tmp_path / f"{split}.jsonl")
    return tmp_path


def batches(folder: Path, encoder: str, **settings: object) -> PairBatches:
    data = UnifiedData(
        str(folder), encoder, NGrams(max_length=2), negatives_per_positive=2, **settings
    )
    found = data.training_batches(0, 1)
    assert isinstance(found, PairBatches)
    return found


def positives(found: PairBatches, epoch: int = 0) -> list[LabelledRegion]:
    return [item for item in found.items(epoch) if item.label]


def test_without_a_share_every_pair_is_as_annotated(folder: Path, tiny_encoder: str):
    found = batches(folder, tiny_encoder)
    assert not any(item.mention for epoch in range(3) for item in found.items(epoch))


def test_a_mention_of_the_type_stands_in_the_same_context(folder: Path, tiny_encoder: str):
    (folder / "names.jsonl").write_text('{"mention": "东盟", "type": "ORG"}\n', encoding="utf-8")
    gazetteer = str(folder / "names.jsonl")
    found = batches(folder, tiny_encoder, mention_swaps=1.0, swap_gazetteer=gazetteer)
    items, plain = positives(found), positives(batches(folder, tiny_encoder))
    org = found.swaps.mentions.index(["东盟"])
    assert [item.mention for item in items] == [
        "东盟" if item.label == org else None for item in plain
    ]
    assert any(item.label == org for item in items) and any(item.label != org for item in items)
    swapped, unswapped = found.collate(items), found.collate(plain)
    for name in ("context_ids", "context_mask", "mask_index", "labels"):
        assert getattr(swapped, name).equal(getattr(unswapped, name))
    own = found.encoder.tokenize("东盟").ids
    for item, row, before in zip(
        items, swapped.mention_ids.tolist(), unswapped.mention_ids.tolist(), strict=True
    ):
        kept = [i for i in row if i != found.encoder.pad]
        expected = [found.encoder.cls, *own, found.encoder.sep]
        if item.label != org:
            expected = [i for i in before if i != found.encoder.pad]
        assert kept == expected
    assert not any(item.mention for item in found.items(0) if not item.label)


def test_swaps_depend_on_seed_and_epoch_alone(
    folder: Path, tiny_encoder: str, two_sentences: list[Sentence]
):
    found, again = (batches(folder, tiny_encoder, mention_swaps=0.5) for _ in range(2))
    drawn = [positives(found, epoch) for epoch in range(20)]
    assert [positives(again, epoch) for epoch in (7, 3)] == [drawn[7], drawn[3]]
    swapped = [item.mention for epoch in drawn for item in epoch]
    assert len({tuple(epoch) for epoch in drawn}) > 10
    assert 0.2 < sum(mention is not None for mention in swapped) / len(swapped) < 0.8
    train = {entity.text for sentence in two_sentences for entity in sentence.entities}
    assert {mention for mention in swapped if mention} == train


def test_what_cannot_be_swapped_is_told(folder: Path, tiny_encoder: str):
    with pytest.raises(InputError, match=r"mention_swaps=1.5 must be in \[0, 1\]"):
        batches(folder, tiny_encoder, mention_swaps=1.5)
    (folder / "names.jsonl").write_text('{"mention": "菊花", "type": "FLOWER"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="has no mention of"):
        batches(folder, tiny_encoder, mention_swaps=0.5, swap_gazetteer=str(folder / "names.jsonl"))
    with pytest.raises(InputError, match="swap_gazetteer without mention_swaps"):
        batches(folder, tiny_encoder, swap_gazetteer=str(folder / "names.jsonl"))
