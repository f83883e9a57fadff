"""Raw text to masked blocks: the vocabulary, the files, the packing and the masks."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from decoupled_ner.candidates.words import segmenter_named
from decoupled_ner.data.corpus import (
    BlockMasker,
    CorpusSettings,
    PackedBlocks,
    SingleLines,
    TokenCorpus,
    TokenStream,
    prepare_corpus,
    prepare_vocabulary,
)
from decoupled_ner.data.corpus.blocks import uniforms
from decoupled_ner.data.corpus.build import Tokenise, TokenisedBlock, word_begins
from decoupled_ner.data.corpus.once import made_once
from decoupled_ner.data.corpus.store import HELD_OUT, MANIFEST, TRAIN, Packing
from decoupled_ner.data.corpus.vocabulary import gb2312_characters, given_vocabulary
from decoupled_ner.data.distant.texts import Block
from decoupled_ner.data.files import is_held_out
from decoupled_ner.locations import runs_folder
from decoupled_ner.models.encoder import is_uncased, load_tokenizer, resolve_encoder
from decoupled_ner.training.batches import even_parts
from decoupled_ner.training.masked_lm_data import BlockBatches
from decoupled_ner.types import InputError
from pretrain.corpus_text import made_up_lines, write_text

ZH_SMALL = CorpusSettings("zh-small", held_out=0.1)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path, 300)


@pytest.fixture
def corpus(text: Path) -> TokenCorpus:
    return prepare_corpus([text], ZH_SMALL, processes=1)


@pytest.fixture
def masker() -> BlockMasker:
    return BlockMasker(load_tokenizer("zh-small"), share=0.15, whole_words=1.0, seed=1)


def read_all(stream: TokenStream) -> tuple[list[int], list[bool]]:
    ids, begins = stream.read(np.zeros(1, np.int64), len(stream))
    return ids[0].tolist(), begins[0].tolist()


def blocks_of(corpus: TokenCorpus, length: int = 32, seed: int = 1) -> PackedBlocks:
    tokenizer = load_tokenizer("zh-small")
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    return PackedBlocks(corpus.train, length, cls, sep, seed)


# --- the vocabulary ---


def test_a_trained_vocabulary_reads_all_of_gb2312(text: Path):
    folder = prepare_vocabulary([text], 8000)
    tokenizer = load_tokenizer(str(folder))
    assert len(gb2312_characters()) == 7445
    assert len(tokenizer) <= 8000
    unread = [c for c in gb2312_characters() if tokenizer.unk_token in tokenizer.tokenize(c)]
    assert unread == []
    hanzi = [c for c in gb2312_characters() if "\u4e00" <= c <= "\u9fff"]
    assert len(hanzi) == 6763 and all(tokenizer.tokenize(c) == [c] for c in hanzi)
    # It has learnt the text's own words.
    assert tokenizer.tokenize("Transformers") == ["transformers"]


def test_a_vocabulary_is_trained_once_and_too_small_a_one_is_refused(text: Path):
    first = prepare_vocabulary([text], 8000)
    written = (first / "vocab.txt").stat().st_mtime_ns
    assert prepare_vocabulary([text], 8000) == first
    assert (first / "vocab.txt").stat().st_mtime_ns == written
    assert prepare_vocabulary([text], 8001) != first
    with pytest.raises(InputError, match="GB 2312 alone takes"):
        prepare_vocabulary([text], 5000)


def test_a_given_vocab_txt_reads_as_its_tokenizer(tmp_path: Path):
    vocab = Path(resolve_encoder("zh-small")) / "vocab.txt"
    made, known = load_tokenizer(str(given_vocabulary(vocab))), load_tokenizer("zh-small")
    assert made.get_vocab() == known.get_vocab()
    sentence = "今天Transformers很好，[MASK]！"
    assert made(sentence)["input_ids"] == known(sentence)["input_ids"]
    (tmp_path / "uncased.txt").write_text(vocab.read_text(encoding="utf-8") + "<S>\nΩ\n")
    assert is_uncased(load_tokenizer(str(given_vocabulary(tmp_path / "uncased.txt"))))
    for word in ("Transformers", "Москва"):
        (tmp_path / "cased.txt").write_text(vocab.read_text(encoding="utf-8") + f"{word}\n")
        cased = load_tokenizer(str(given_vocabulary(tmp_path / "cased.txt")))
        assert cased.tokenize(word) == [word] and not is_uncased(cased)
    (tmp_path / "few.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n天\n")
    with pytest.raises(InputError, match=r"no \[MASK\]"):
        given_vocabulary(tmp_path / "few.txt")


# --- the files ---


def test_the_streams_hold_every_text_once(text: Path, corpus: TokenCorpus):
    tokenizer = load_tokenizer("zh-small")
    lines = text.read_text(encoding="utf-8").splitlines()
    for stream, held_out in ((corpus.train, False), (corpus.held_out, True)):
        expected = [
            token
            for line in lines
            if is_held_out(line, 0.1) == held_out
            for token in [*tokenizer(line, add_special_tokens=False)["input_ids"], 3]
        ]
        assert tokenizer.sep_token_id == 3 and len(expected) > 100
        assert read_all(stream)[0] == expected
    counts = corpus.manifest
    assert counts["train_texts"] + counts["held_out_texts"] == len(lines)


def test_words_begin_where_the_segmenters_and_the_vocabularys_do():
    sentence = "记者在北京大学学习transformerization，iPhone15。"
    ids, begins = Tokenise(ZH_SMALL).tokens([sentence])
    pieces = load_tokenizer("zh-small").convert_ids_to_tokens(ids.tolist())
    words: list[str] = []
    for piece, begin in zip(pieces, begins, strict=True):
        words += [piece] if begin else []
        words[-1] += "" if begin else piece.removeprefix("##")
    assert words[-1] == "[SEP]"
    assert "".join(words[:-1]) == sentence.lower()
    assert "transformerization" in words and len(pieces) > len(words)
    segmented = [sentence[w.start : w.end] for w in segmenter_named("jieba").words(sentence)]
    assert "北京大学" in segmented and "北京大学" in words


@pytest.mark.parametrize("kind", ["bytes", "metaspace"])
def test_words_are_the_segmenters_whatever_the_tokenizer_takes_for_one(kind: str):
    """Tokenizers that are not BERT's take a clause, or all between two spaces, for one word."""
    text = "我们在北京大学学习 Python 3，明天去南京市长江大桥。"
    bytes_of_text = pre_tokenizers.ByteLevel(add_prefix_space=False)
    cut, kept = (bytes_of_text, 256) if kind == "bytes" else (pre_tokenizers.Metaspace(), 0)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = cut
    alphabet = pre_tokenizers.ByteLevel.alphabet() if kept else []
    trainer = trainers.BpeTrainer(
        vocab_size=kept or 1, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    encoding, words = tokenizer.encode(text), segmenter_named("jieba").words(text)
    begins = word_begins(text, encoding, words)
    starts = {start for (start, _), begin in zip(encoding.offsets, begins, strict=True) if begin}
    found = {start + (text[start] == " ") for start in starts}
    segmented = {word.start for word in words if text[word.start : word.end].strip()}
    assert found == segmented and begins.sum() == len(starts)


def test_a_full_disk_is_one_line():
    def make(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"can't be written \(No space left on device\)"):
        made_once("corpora", {}, make)
    assert not [path for path in (runs_folder() / "corpora").iterdir() if path.is_dir()]


def test_what_does_not_go_on_leaves_nothing_half_made():
    def interrupted(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once("vocabularies", {}, interrupted)
    assert not [path for path in (runs_folder() / "vocabularies").iterdir() if path.is_dir()]
    # Nor is what a killed process could not remove ever taken for a whole.
    whole = made_once("vocabularies", {}, lambda folder: (folder / "whole").touch())
    half = whole.with_name(f".{whole.name}.new")
    whole.rename(half)
    (half / "leftover").touch()
    again = made_once("vocabularies", {}, lambda folder: (folder / "whole").touch())
    assert again == whole and [path.name for path in whole.iterdir()] == ["whole"]
    assert not half.exists()


def test_texts_of_all_forms_are_read(tmp_path: Path):
    raw = "\ufeff今天\r\n\n \n含[MASK]和[SEP]的行\n\u200b\n"
    (tmp_path / "odd.txt").write_bytes(raw.encode())
    corpus = prepare_corpus([tmp_path / "odd.txt"], CorpusSettings("zh-small", held_out=0))
    tokenizer = load_tokenizer("zh-small")
    text = tokenizer.convert_ids_to_tokens(read_all(corpus.train)[0])
    mask = [*"含[", "mas", "##k", *"]和[", *tokenizer.tokenize("sep"), *"]的行"]
    assert [t for t in text if t != "[SEP]"] == [*"今天", *mask]
    assert text.count("[SEP]") == 2 and "[MASK]" not in text
    with pytest.raises(InputError, match="no such text file"):
        prepare_corpus([tmp_path / "none.txt"], ZH_SMALL)


def test_a_corpus_is_made_once_for_its_text_tokenizer_and_segmenter(text: Path):
    made = [prepare_corpus([text], ZH_SMALL).train.path]
    written = made[0].stat().st_mtime_ns
    moved = text.with_name("other-name.txt")
    moved.write_bytes(text.read_bytes())
    assert prepare_corpus([moved], ZH_SMALL).train.path == made[0]
    assert made[0].stat().st_mtime_ns == written
    vocabulary = str(prepare_vocabulary([text], 8000))
    made.append(prepare_corpus([text], CorpusSettings(vocabulary, held_out=0.1)).train.path)
    made.append(prepare_corpus([text], CorpusSettings("zh-small", "lac", None, 0.1)).train.path)
    text.write_text("\n".join(made_up_lines(300, seed=5)), encoding="utf-8")
    made.append(prepare_corpus([text], ZH_SMALL).train.path)
    assert len(set(made)) == 4


def test_lines_of_json_are_another_text_than_the_same_lines_as_they_stand(tmp_path: Path):
    texts = [tmp_path / f"posts.{ending}" for ending in ("txt", "jsonl")]
    for path in texts:
        path.write_text('{"text": "今天在北京"}\n' * 9, encoding="utf-8")
    plain, parsed = (
        prepare_corpus([path], CorpusSettings("zh-small", held_out=0)) for path in texts
    )
    assert len(parsed.train) < len(plain.train)
    vocabularies = [prepare_vocabulary([path], 8000) for path in texts]
    assert vocabularies[0] != vocabularies[1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
@pytest.mark.parametrize("torn", [False, True])
def test_an_interrupted_build_goes_on_with_the_next_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bool, error: type[BaseException]
):
    monkeypatch.setattr("decoupled_ner.data.corpus.build._BLOCK_BYTES", 2048)
    files = [write_text(tmp_path / name, 60, seed) for seed, name in enumerate(_folders(tmp_path))]
    tokenise, read = Tokenise.__call__, list[Block]()

    def counted(self: Tokenise, block: Block) -> TokenisedBlock:
        read.append(block)
        return tokenise(self, block)

    monkeypatch.setattr(Tokenise, "__call__", counted)
    monkeypatch.setenv("DECOUPLED_NER_RUNS", str(tmp_path / "unbroken"))
    expected, blocks = prepare_corpus(files, ZH_SMALL, 1), len(read)

    def interrupted(self: Tokenise, block: Block) -> TokenisedBlock:
        if len(read) == blocks - 2:  # in the second file
            raise error
        return counted(self, block)

    read.clear()
    monkeypatch.setenv("DECOUPLED_NER_RUNS", str(tmp_path / "broken"))
    with monkeypatch.context() as patch:
        patch.setattr(Tokenise, "__call__", interrupted)
        with pytest.raises(error):
            prepare_corpus(files, ZH_SMALL, 1)
    [half] = [path for path in (runs_folder() / "corpora").iterdir() if path.is_dir()]
    assert half.name.startswith(".")
    if torn:  # killed between the two streams
        with (half / TRAIN).open("ab") as file:
            file.write(b"torn")
    corpus = prepare_corpus(files, ZH_SMALL, 1)
    assert len(read) == blocks > 3
    for one, other in ((expected.train, corpus.train), (expected.held_out, corpus.held_out)):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert corpus.manifest == expected.manifest
    folder = corpus.train.path.parent
    assert {path.name for path in folder.iterdir()} == {TRAIN, HELD_OUT, MANIFEST}
    assert not half.exists()


def test_a_damaged_corpus_is_refused(text: Path, corpus: TokenCorpus):
    with corpus.train.path.open("ab") as file:
        file.write(b"00")
    with pytest.raises(InputError, match="damaged"):
        prepare_corpus([text], ZH_SMALL)


def test_several_processes_write_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("decoupled_ner.data.corpus.build._BLOCK_BYTES", 2048)
    files = [write_text(tmp_path / name, 60, seed) for seed, name in enumerate(_folders(tmp_path))]
    seen: list[int] = []
    one = prepare_corpus(files, ZH_SMALL, 1, lambda done, total, _: seen.append(done))
    assert len(seen) > 2 and seen == sorted(seen)
    monkeypatch.setenv("DECOUPLED_NER_RUNS", str(tmp_path / "others"))
    two = prepare_corpus(files, ZH_SMALL, 2)
    assert one.train.path != two.train.path
    assert one.train.path.read_bytes() == two.train.path.read_bytes()
    assert one.held_out.path.read_bytes() == two.held_out.path.read_bytes()


def _folders(root: Path) -> list[str]:
    for name in ("a", "b"):
        (root / name).mkdir()
    return ["a", "b"]


@pytest.mark.parametrize(("size", "dtype"), [(32768, "<u2"), (32769, "<u4")])
def test_ids_and_word_begins_fit_together(size: int, dtype: str):
    packing = Packing.of(size)
    assert packing.dtype == dtype
    ids, begins = np.array([0, 1, size - 1, size - 1]), np.array([True, False, True, False])
    numbers = packing.pack(ids, begins)
    assert numbers.dtype == np.dtype(dtype)
    got_ids, got_begins = packing.unpack(numbers)
    assert got_ids.tolist() == ids.tolist() and got_begins.tolist() == begins.tolist()


# --- the packing ---


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_pass_holds_every_token(corpus: TokenCorpus, number: int):
    blocks = blocks_of(corpus)
    ids, begins = blocks.read(np.arange(blocks.per_pass) + number * blocks.per_pass)
    assert ids.shape == begins.shape == (blocks.per_pass, 32)
    assert (ids[:, 0] == 2).all() and (ids[:, -1] == 3).all()
    missing = Counter(read_all(corpus.train)[0])
    missing.subtract(Counter(ids[:, 1:-1].ravel().tolist()))
    twice = ids[:, 1:-1].size - len(corpus.train)
    assert 0 <= twice < blocks.content
    assert max(missing.values()) == 0 and -sum(missing.values()) == twice


def test_blocks_are_stretches_of_the_stream_cut_elsewhere_in_each_pass(corpus: TokenCorpus):
    blocks = blocks_of(corpus)
    stream = read_all(corpus.train)[0] * 2
    places = []
    for number in (0, blocks.per_pass):
        content = blocks.read(np.array([number]))[0][0, 1:-1].tolist()
        length = len(content)
        found = [i for i in range(len(corpus.train)) if stream[i : i + length] == content]
        assert found
        places.append(found[0] % blocks.content)
    assert places[0] != places[1]


def test_a_block_depends_on_its_number_and_the_seed_alone(corpus: TokenCorpus):
    blocks, again = blocks_of(corpus), blocks_of(corpus)
    far = 3 * blocks.per_pass + 5
    numbers = np.array([far, 2, blocks.per_pass])
    together = blocks.read(numbers)[0]
    alone = [again.read(numbers[i : i + 1])[0][0] for i in (2, 1, 0)]
    assert np.array_equal(together, np.stack(alone[::-1]))
    assert not np.array_equal(together, blocks_of(corpus, seed=2).read(numbers)[0])


def test_too_little_text_is_refused(tmp_path: Path):
    (tmp_path / "short.txt").write_text("今天\n")
    corpus = prepare_corpus([tmp_path / "short.txt"], CorpusSettings("zh-small", held_out=0))
    with pytest.raises(InputError, match="don't fill a block of 32"):
        blocks_of(corpus)


# --- the masks ---


def masked_blocks(
    corpus: TokenCorpus, masker: BlockMasker, count: int = 400
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    numbers = np.arange(count)
    ids, begins = blocks_of(corpus).read(numbers)
    return ids, begins, masker.choose(ids, begins, numbers)


def test_masks_never_split_a_word(corpus: TokenCorpus, masker: BlockMasker):
    ids, begins, chosen = masked_blocks(corpus, masker)
    assert chosen.any(axis=1).mean() > 0.9
    inside = ~begins[:, 1:]
    assert inside.sum() > 1000
    assert (chosen[:, 1:] == chosen[:, :-1])[inside].all()
    assert not chosen[ids < 5].any()


def test_single_tokens_are_masked_where_words_are_not_asked_for(corpus: TokenCorpus):
    masker = BlockMasker(load_tokenizer("zh-small"), 0.15, whole_words=0.5, seed=1)
    _, begins, chosen = masked_blocks(corpus, masker, 1000)
    split = ((chosen[:, 1:] != chosen[:, :-1]) & ~begins[:, 1:]).any(axis=1)
    assert 0.4 < split.mean() < 0.55


@pytest.mark.parametrize("whole_words", [0.0, 1.0])
def test_every_token_has_the_same_chance_to_be_masked(corpus: TokenCorpus, whole_words: float):
    masker = BlockMasker(load_tokenizer("zh-small"), 0.15, whole_words, seed=1)
    ids, begins, chosen = masked_blocks(corpus, masker, 4000)
    maskable = ids >= 5
    assert abs(chosen.sum() / maskable.sum() - 0.15) < 0.002
    # Tokens of long words have the same chance.
    first, later = chosen[begins & maskable].mean(), chosen[~begins].mean()
    assert abs(first - later) < 0.006


def test_eighty_ten_ten(corpus: TokenCorpus, masker: BlockMasker):
    numbers = np.arange(4000)
    ids, begins = blocks_of(corpus).read(numbers)
    batch = masker(ids, begins, numbers)
    assert len(batch.masked) % 64 == 0 and batch.positions.shape[1] % 8 == 0
    real = batch.targets.numpy() >= 0
    flat = batch.positions.numpy() + len(ids[0]) * numbers[:, None]
    positions, targets = flat.ravel()[batch.masked.numpy()[real]], batch.targets.numpy()[real]
    assert np.array_equal(ids.ravel()[positions], targets)
    untouched = np.ones(ids.size, bool)
    untouched[positions] = False
    assert np.array_equal(batch.ids.numpy().ravel()[untouched], ids.ravel()[untouched])
    now = batch.ids.numpy().ravel()[positions]
    count = len(positions)
    assert count > 10_000
    same = (now == targets).sum()
    other = count - same - (now == 4).sum()
    for found, share in (((now == 4).sum(), 0.8), (other, 0.1), (same, 0.1)):
        assert abs(found / count - share) < 4 * np.sqrt(share * (1 - share) / count)
    random = now[(now != 4) & (now != targets)]
    assert random.min() >= 5 and random.max() > 12_000 and len(set(random)) > 0.9 * len(random) / 2


def test_masks_are_new_in_every_pass_and_the_same_for_the_same_block(
    corpus: TokenCorpus, masker: BlockMasker
):
    numbers = np.arange(8)
    ids, begins = blocks_of(corpus).read(numbers)
    first, later = masker.choose(ids, begins, numbers), masker.choose(ids, begins, numbers + 999)
    assert not np.array_equal(first, later)
    assert np.array_equal(first[3:5], masker.choose(ids[3:5], begins[3:5], numbers[3:5]))


def test_random_numbers_are_even_and_unrelated():
    drawn = uniforms(3, 0, np.arange(200), 128)
    assert drawn.min() >= 0 and drawn.max() < 1
    counts = np.bincount((drawn * 10).astype(int).ravel())
    assert abs(counts / drawn.size - 0.1).max() < 0.01
    for other in (uniforms(4, 0, np.arange(200), 128), uniforms(3, 1, np.arange(200), 128)):
        assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[1:].ravel(), drawn[:-1].ravel())[0, 1]) < 0.02
    assert np.array_equal(uniforms(3, 0, np.array([7]), 128)[0], drawn[7])


# --- the batches ---


@pytest.mark.parametrize(("count", "ranks"), [(None, 2), (23, 1), (23, 3)])
def test_ranks_share_a_batch(
    corpus: TokenCorpus, masker: BlockMasker, count: int | None, ranks: int
):
    blocks = blocks_of(corpus)
    parts = [BlockBatches(blocks, masker, count, 6, 1, rank, ranks) for rank in range(ranks)]
    whole = BlockBatches(blocks, masker, count, 6, 1)
    for number in range(len(whole) if count else 3):
        together = whole[0, number].ids
        shared = [part[0, number].ids for part in parts]
        assert sum(map(len, shared)) == len(together)
        for rank, part in enumerate(shared):
            assert np.array_equal(part, together[rank::ranks])
    if count:
        seen = [n for number in range(len(whole)) for _, n in whole.global_batch(0, number)]
        assert seen == [n for part in even_parts(range(count), len(whole)) for n in part]
        assert seen == list(range(count))


# --- single lines ---


def lines_of(corpus: TokenCorpus, length: int = 32, seed: int = 1) -> SingleLines:
    tokenizer = load_tokenizer("zh-small")
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    return SingleLines(corpus.train, length, cls, sep, pad, seed, tokens=8 * length)


def test_a_pass_of_lines_holds_every_line_once_in_batches_of_like_length(corpus: TokenCorpus):
    lines, length = lines_of(corpus), 32
    ids, begins = read_all(corpus.train)
    expected, start = [], 0
    for end in (place for place, token in enumerate(ids) if token == lines.sep):
        for cut in range(start, end, length - 2):
            part = slice(cut, min(end, cut + length - 2))
            expected.append(([lines.cls, *ids[part], lines.sep], [True, True, *begins[part][1:]]))
        start = end + 1
    for number in range(2):
        found, padded, total = [], 0, 0
        for batch in range(number * lines.batches, (number + 1) * lines.batches):
            numbers = np.array(lines.numbers(batch))
            rows, words = lines.read(numbers)
            assert len(rows) >= lines.smallest and rows.size <= 1.5 * 8 * length
            for row, word in zip(rows.tolist(), words.tolist(), strict=True):
                size = row.index(lines.sep) + 1
                assert set(row[size:]) <= {lines.pad} and all(word[size - 1 :])
                found.append((row[:size], word[: size - 1]))
            padded, total = padded + (rows == lines.pad).sum(), total + rows.size
        assert sorted(found) == sorted(expected)
        assert padded / total < 0.05
        assert lines.mean_tokens == pytest.approx((total - padded) / lines.batches)


def test_lines_come_in_another_order_in_every_pass_and_the_same_for_the_same_number(
    corpus: TokenCorpus,
):
    lines, again = lines_of(corpus), lines_of(corpus)
    first = [lines.read(np.array(lines.numbers(batch)))[0] for batch in range(lines.batches)]
    second = [
        lines.read(np.array(lines.numbers(lines.batches + batch)))[0]
        for batch in range(lines.batches)
    ]
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    some = np.array(again.numbers(lines.batches - 1))  # asked for alone, after nothing else
    assert np.array_equal(again.read(some)[0], first[-1])
    part = some[1::2]  # as a rank reads it
    shared = again.read(part)[0]
    assert np.array_equal(shared, first[-1][1::2, : shared.shape[1]])


def test_ranks_share_batches_of_lines_among_those_of_blocks(
    corpus: TokenCorpus, masker: BlockMasker
):
    blocks, lines = blocks_of(corpus), lines_of(corpus)
    whole, *parts = (
        BlockBatches(blocks, masker, None, 8, 1, rank, ranks, lines=lines, share=0.4)
        for rank, ranks in ((0, 1), (0, 2), (1, 2))
    )
    kinds = [whole.global_batch(0, number)[0][0] is lines for number in range(50)]
    assert sum(kinds) == 20 and sum(kinds[:5]) == 2
    for source, of_kind in ((blocks, False), (lines, True)):
        numbers = [n for n, kind in enumerate(kinds) if kind == of_kind]
        items = [item for n in numbers for item in whole.global_batch(0, n)]
        assert {kind for kind, _ in items} == {source}
        if source is blocks:  # none is left out
            assert [n for _, n in items] == list(range(len(items)))
    for number in range(5):
        items = [part.global_batch(0, number)[rank::2] for rank, part in enumerate(parts)]
        assert sorted([*items[0], *items[1]], key=lambda i: i[1]) == sorted(
            whole.global_batch(0, number), key=lambda i: i[1]
        )
        assert sum(len(part[0, number].ids) for part in parts) == len(whole[0, number].ids)


def test_padding_is_not_attended(corpus: TokenCorpus, masker: BlockMasker):
    lines = lines_of(corpus)
    found = [
        masker(*lines.read(numbers), numbers)
        for numbers in (np.array(lines.numbers(batch)) for batch in range(lines.batches))
    ]
    padded = [batch for batch in found if batch.mask is not None]
    assert padded
    for batch in padded:
        assert torch.equal(batch.mask, batch.ids != lines.pad)
    assert all((batch.ids != lines.pad).all() for batch in found if batch.mask is None)
