"""A WordPiece vocabulary of one's own, trained on the text, as BERT's tokenizer reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from decoupled_ner.data.corpus.once import made_once
from decoupled_ner.data.distant.texts import TextFile, paragraphs, read_blocks, text_files
from decoupled_ner.data.files import numbered_lines
from decoupled_ner.disk import sha256_of
from decoupled_ner.progress import Progress, no_progress
from decoupled_ner.types import InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: Of the vocabulary's free places (beyond GB 2312) at most this share goes to other characters.
_OTHER_CHARACTERS = 0.35
_BLOCK_BYTES = 1 << 20


def gb2312_characters() -> list[str]:
    """The 7,445 characters of GB 2312, both levels of ideographs and the symbols."""
    cells = (bytes((row, cell)) for row in range(0xA1, 0xF8) for cell in range(0xA1, 0xFF))
    return [text for cell in cells if (text := cell.decode("gb2312", errors="ignore"))]


def prepare_vocabulary(
    texts: Sequence[str | Path], size: int, progress: Progress = no_progress
) -> Path:
    """Train a lower-casing WordPiece vocabulary on text files, once: the same texts and size find
    it again.

    All characters of GB 2312 are in it, lower-cased and without accents as the tokenizer reads
    them. Ideographs stand alone, so the other places hold pieces of words in letters and digits,
    and the most frequent other characters.

    Args:
        size: word pieces, the five special tokens among them.

    Returns:
        A folder with a tokenizer that `transformers.AutoTokenizer` loads.

    Raises:
        InputError: a text can't be read, or ``size`` is less than the characters need.
    """
    files = text_files(texts)
    needed = len(SPECIAL_TOKENS) + len(_alphabet())
    if size < needed:
        raise InputError(f"vocabulary_size={size}: GB 2312 alone takes {needed}; give more")
    inputs = {"texts": [file.digest for file in files], "size": size, "version": 1}

    def make(folder: Path) -> None:
        write_tokenizer(_train(files, size, progress), folder)

    return made_once("vocabularies", inputs, make)


def given_vocabulary(path: Path) -> Path:
    """The folder of a tokenizer made of a ``vocab.txt``, a word piece a line. It reads upper and
    lower case alike, but for a vocabulary with pieces in capitals, which it else would never read.

    Raises:
        InputError: it can't be read, or lacks a special token or holds a piece twice.
    """
    words = [line for _, line in numbered_lines(path)]
    while words and not words[-1]:
        words.pop()
    if missing := [token for token in SPECIAL_TOKENS if token not in words]:
        raise InputError(f"{path}: no {missing[0]}, which BERT's vocabularies have")
    if len(set(words)) < len(words):
        raise InputError(f"{path}: a word piece stands there twice")
    lower = not any(map(_has_capital, words))
    inputs = {"vocabulary": sha256_of(path), "lower_case": lower, "version": 1}
    return made_once("vocabularies", inputs, lambda folder: write_tokenizer(words, folder, lower))


def _has_capital(piece: str) -> bool:
    """Whether it is of a word with one; [CLS] is not, nor <S>, which is among lower case too."""
    letters = piece.removeprefix("##")
    return len(letters) > 1 and letters.isalpha() and letters != letters.lower()


def write_tokenizer(words: Sequence[str], folder: Path, lower_case: bool = True) -> None:
    """Write ``vocab.txt`` and the settings of a BERT tokenizer."""
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    pad, unk, cls, sep, mask = SPECIAL_TOKENS
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": lower_case,
        "tokenize_chinese_chars": True,
        "strip_accents": None,
        "model_max_length": 512,
        "pad_token": pad,
        "unk_token": unk,
        "cls_token": cls,
        "sep_token": sep,
        "mask_token": mask,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")


def _alphabet() -> list[str]:
    """GB 2312 as the tokenizer sees it."""
    read = (_normalizer().normalize_str(character) for character in gb2312_characters())
    return sorted({character for text in read for character in text if not character.isspace()})


def _normalizer() -> normalizers.Normalizer:
    return normalizers.BertNormalizer(lowercase=True)


def _train(files: Sequence[TextFile], size: int, progress: Progress) -> list[str]:
    """The word pieces in the order of their ids."""
    alphabet = _alphabet()
    free = size - len(SPECIAL_TOKENS) - len(alphabet)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet) + int(free * _OTHER_CHARACTERS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_batches(files, progress), trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _batches(files: Sequence[TextFile], progress: Progress) -> Iterator[list[str]]:
    total = sum(file.path.stat().st_size for file in files)
    for file in files:
        for block in read_blocks(file, _BLOCK_BYTES):
            yield [text for _, _, text in paragraphs(block)]
            progress(block.position, total, "training the vocabulary")
