"""From text files to a `TokenCorpus`, made once."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Encoding
from transformers import PreTrainedTokenizerBase

from decoupled_ner.candidates.words import Segmenter, Words, check_segmenter, segmenter_named
from decoupled_ner.data.corpus.once import made_once
from decoupled_ner.data.corpus.store import (
    HELD_OUT,
    MANIFEST,
    TRAIN,
    Flags,
    Ids,
    Packing,
    TokenCorpus,
)
from decoupled_ner.data.distant.engines import run
from decoupled_ner.data.distant.texts import Block, TextFile, paragraphs, read_blocks, text_files
from decoupled_ner.data.files import is_held_out, write_lines
from decoupled_ner.models.encoder import load_tokenizer, plain_tokenizer
from decoupled_ner.progress import Progress, no_progress
from decoupled_ner.types import InputError

_VERSION = 2
_NOTE = "written.json"
_DONE = ("blocks", "train_texts", "held_out_texts", "train_tokens", "held_out_tokens")
_BLOCK_BYTES = 1 << 20
_TEXTS_TOGETHER = 256
#: Letters and digits that are no ideographs, two and more.
_RUN = re.compile(
    "(?:(?![\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
    r"[^\W_]){2,}"
)


@dataclass(frozen=True, slots=True)
class CorpusSettings:
    """What a corpus is made with, beside its texts.

    Attributes:
        tokenizer: hub id or directory.
        segmenter: whose words are masked as a whole, ``jieba``, ``lac`` or ``ltp``.
        segmenter_model: a folder or a hub id, for ``ltp``.
        held_out: share of the texts, chosen by their hash, that is never trained on.

    Raises:
        InputError: no such segmenter, or ``held_out`` is not in [0, 1).
    """

    tokenizer: str
    segmenter: str = "jieba"
    segmenter_model: str | None = None
    held_out: float = 0.002

    def __post_init__(self) -> None:
        check_segmenter(self.segmenter, self.segmenter_model)
        if not 0 <= self.held_out < 1:
            raise InputError(f"held_out={self.held_out} must be in [0, 1)")


def prepare_corpus(
    texts: Sequence[str | Path],
    settings: CorpusSettings,
    processes: int | None = None,
    progress: Progress = no_progress,
) -> TokenCorpus:
    """Tokenise text files into ``runs/corpora/KEY``, or find there what was made of the same texts
    with the same tokenizer and segmenter. What was interrupted goes on with the next block of text.

    With several processes a script needs the usual ``if __name__ == "__main__":``.

    Args:
        texts: UTF-8 files, ``.xz`` or ``.gz`` or plain, in which each line is a text; of
            ``.jsonl`` files the field ``text`` of each line.
        processes: how many work at a time; None for one a core.

    Raises:
        InputError: a text can't be read, the tokenizer or segmenter can't be loaded, or the
            corpus can't be written.
    """
    files = text_files(texts)
    tokenizer = load_tokenizer(settings.tokenizer)
    backend = plain_tokenizer(tokenizer).to_str()
    checksums = {file.name: file.digest for file in files}
    described: dict[str, Any] = {
        "texts": checksums,
        "tokenizer_sha256": hashlib.sha256(backend.encode()).hexdigest(),
        "vocabulary_size": len(tokenizer),
        **{name: value for name, value in asdict(settings).items() if name != "tokenizer"},
        "segmenter_version": version("ltp" if settings.segmenter == "ltp" else "jieba"),
        "version": _VERSION,
    }
    # A file under another name is the same text.
    inputs = {**described, "texts": list(checksums.values())}
    total = sum(file.path.stat().st_size for file in files)
    workers = min(processes or _cores(), -(-total // _BLOCK_BYTES) or 1)
    token_bytes = np.dtype(Packing.of(len(tokenizer)).dtype).itemsize

    def make(folder: Path) -> None:
        counts = _write(folder, files, Tokenise(settings), token_bytes, workers, total, progress)
        manifest = json.dumps({**described, **counts}, ensure_ascii=False, indent=2)
        (folder / MANIFEST).write_text(manifest + "\n", encoding="utf-8")

    return TokenCorpus.load(made_once("corpora", inputs, make, goes_on=True))


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class TokenisedBlock(NamedTuple):
    """The packed tokens of a block's training and held-out texts, how many texts each has, and how
    far the files are read."""

    packed: tuple[Any, Any]
    texts: tuple[int, int]
    position: int


def _write(
    folder: Path,
    files: Sequence[TextFile],
    work: Tokenise,
    token_bytes: int,
    processes: int,
    total: int,
    progress: Progress,
) -> dict[str, int]:
    """Write the two streams and return the counts. How far they are is noted behind each block,
    and what an interrupted process wrote behind the last of these is cut off."""
    note = folder / _NOTE
    done: dict[str, int] = dict.fromkeys(_DONE, 0)
    if note.exists():
        done = json.loads(note.read_text(encoding="utf-8"))
    expand = partial(_blocks, done=done["blocks"])
    with (folder / TRAIN).open("ab") as train, (folder / HELD_OUT).open("ab") as held_out:
        streams = {"train": train, "held_out": held_out}
        for name, file in streams.items():
            file.truncate(done[f"{name}_tokens"] * token_bytes)
        for block in run([files], expand, work, processes=processes):
            parts = zip(streams.items(), block.packed, block.texts, strict=True)
            for (name, file), packed, texts in parts:
                file.write(packed.tobytes())
                file.flush()
                os.fsync(file.fileno())  # the note must never be ahead of it
                done[f"{name}_texts"] += texts
                done[f"{name}_tokens"] += len(packed)
            done["blocks"] += 1
            write_lines([json.dumps(done)], note)
            progress(block.position, total, "preparing the text")
    note.unlink(missing_ok=True)
    return {name: count for name, count in done.items() if name != "blocks"}


def _blocks(files: Iterable[TextFile], done: int) -> Iterator[Block]:
    """All files' blocks but the first ``done``."""
    return islice((b for file in files for b in read_blocks(file, _BLOCK_BYTES)), done, None)


@dataclass(frozen=True)
class Tokenise:
    """Turns a block of text into packed tokens; what it needs is loaded in each process."""

    settings: CorpusSettings

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings}

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.settings.tokenizer)

    @cached_property
    def _segmenter(self) -> Segmenter:
        return segmenter_named(self.settings.segmenter, self.settings.segmenter_model)

    def __call__(self, block: Block) -> TokenisedBlock:
        texts = [text for _, _, text in paragraphs(block) if text.strip()]
        parts: tuple[list[str], list[str]] = ([], [])
        for text in texts:
            parts[is_held_out(text, self.settings.held_out)].append(text)
        packing = Packing.of(len(self._tokenizer))
        train, held_out = (packing.pack(*self.tokens(part)) for part in parts)
        return TokenisedBlock((train, held_out), (len(parts[0]), len(parts[1])), block.position)

    def tokens(self, texts: Sequence[str]) -> tuple[Ids, Flags]:
        """The tokens of all texts, ``[SEP]`` behind each, and whether a word begins at each, (N,).

        A word is the segmenter's; one that ends inside a run of letters or digits goes on to the
        run's end, so that no word of the vocabulary's is torn.
        """
        backend = plain_tokenizer(self._tokenizer)
        sep = int(self._tokenizer.sep_token_id)
        ids: list[Ids] = [np.zeros(0, np.int64)]
        begins: list[Flags] = [np.zeros(0, np.bool_)]
        for start in range(0, len(texts), _TEXTS_TOGETHER):
            group = texts[start : start + _TEXTS_TOGETHER]
            encoded = backend.encode_batch(group, add_special_tokens=False)
            segmented = self._segmenter.words_batch(group)
            for text, encoding, words in zip(group, encoded, segmented, strict=True):
                if encoding.ids:
                    ids.append(np.array([*encoding.ids, sep], np.int64))
                    begins.append(np.append(word_begins(text, encoding, words), True))
        return np.concatenate(ids), np.concatenate(begins)


def word_begins(text: str, encoding: Encoding, words: Words) -> Flags:
    """Whether a segmenter's word begins at each token of ``text``, (N,)."""
    ends = np.array([word.end for word in words])
    starts = np.array([_visible(text, *offsets) for offsets in encoding.offsets])
    segment = np.searchsorted(ends, starts, side="right")
    # The tokenizer's own words would not do: to those that are not BERT's a clause is one.
    runs = np.array([run.span() for run in _RUN.finditer(text)], np.int64).reshape(-1, 2)
    run = np.searchsorted(runs[:, 0], starts, side="left")  # behind the last that begins before
    inside = starts < np.append(0, runs[:, 1])[run]
    begins = np.ones(len(starts), np.bool_)
    begins[1:] = (segment[1:] != segment[:-1]) & ~inside[1:]
    return begins


def _visible(text: str, start: int, end: int) -> int:
    """Where a token's own characters begin: some tokenizers count the space before."""
    while start < end - 1 and text[start].isspace():
        start += 1
    return start
