"""Raw text as the sequences that vectors are trained on, and their vocabularies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from decoupled_ner.candidates.words import segmenter_named
from decoupled_ner.data.distant.texts import Block, TextFile, paragraphs, read_blocks
from decoupled_ner.data.embeddings.settings import EmbeddingSettings
from decoupled_ner.data.files import is_held_out, write_lines
from decoupled_ner.models.embeddings import MAX_WORD_BYTES
from decoupled_ner.models.pieces import bigrams
from decoupled_ner.models.units import split_units
from decoupled_ner.types import well_formed

#: What vectors are made of: units (ideographs and runs of other letters or of digits), each with
#: the one behind it, and jieba's words.
KINDS = ("characters", "bigrams", "words")

#: What is cut at a time.
BLOCK_BYTES = 1 << 20
_LINES_TOGETHER = 500
#: gensim drops what is beyond 10,000 tokens of a line.
_TOKENS_A_LINE = 5_000
#: Above so many distinct bigrams, those seen once so far are forgotten.
_COUNTED = 5_000_000


def blocks_of(file: TextFile) -> Iterator[Block]:
    """A file in parts that are worked on by themselves."""
    return read_blocks(file, BLOCK_BYTES)


def lines_of(block: Block, share: float) -> Iterator[str]:
    """The chosen lines of a block."""
    for _, _, text in paragraphs(block):
        if text.strip() and is_held_out(text, share):
            yield well_formed(text)


class CutBlock(NamedTuple):
    """A block's lines of tokens, with spaces between them, and how often each token stands there,
    of each kind; and how far the files are read, in bytes on disk."""

    lines: tuple[str, ...]
    counts: tuple[Counter[str], ...]
    position: int


@dataclass(frozen=True)
class Cut:
    """Cuts a block of text into tokens, in whatever process."""

    share: float

    def __call__(self, block: Block) -> CutBlock:
        texts = lines_of(block, self.share)
        lines: dict[str, list[str]] = {kind: [] for kind in KINDS}
        counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        while group := list(islice(texts, _LINES_TOGETHER)):
            for kind, rows in zip(KINDS, _tokens(group), strict=True):
                for row in rows:
                    counts[kind].update(row)
                    for start in range(0, len(row), _TOKENS_A_LINE):
                        part = row[start : start + _TOKENS_A_LINE]
                        lines[kind].append(" ".join(part) + "\n")
        joined = tuple("".join(found) for found in lines.values())
        return CutBlock(joined, tuple(counts.values()), block.position)


def write_corpora(
    blocks: Iterable[CutBlock],
    folder: Path,
    settings: EmbeddingSettings,
    progress: Callable[[int], None],
) -> None:
    """Write ``KIND.txt``, tokens with spaces between them, and ``KIND.tsv``, the vocabulary with
    its counts, the most frequent first, without tokens that no file of vectors could hold;
    ``progress`` is told each block's position."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    with ExitStack() as stack:
        files = {
            kind: stack.enter_context((folder / f"{kind}.txt").open("w", encoding="utf-8"))
            for kind in KINDS
        }
        for block in blocks:
            progress(block.position)
            for kind, lines, found in zip(KINDS, block.lines, block.counts, strict=True):
                files[kind].write(lines)
                counts[kind].update(found)
                if len(counts[kind]) > _COUNTED:
                    frequent = {token: n for token, n in counts[kind].items() if n > 1}
                    counts[kind] = Counter(frequent)
    for kind, total in counts.items():
        kept = [
            (token, count)
            for token, count in total.items()
            if count >= settings.min_count and len(token.encode()) <= MAX_WORD_BYTES
        ]
        kept = sorted(kept, key=lambda item: (-item[1], item[0]))[: settings.max_vocabulary]
        write_lines((f"{token}\t{count}" for token, count in kept), folder / f"{kind}.tsv")


def read_vocabulary(path: Path) -> dict[str, int]:
    """What `write_corpora` counted."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line)
    return {token: int(count) for token, count in rows}


def _tokens(texts: Sequence[str]) -> tuple[list[list[str]], ...]:
    """The texts' units, bigrams and words; a token has no white space in it."""
    units = [[text[a:b] for a, b in split_units(text, "word").tolist()] for text in texts]
    pairs = [bigrams(row)[:-1] for row in units]  # the last unit has none behind it
    words = [
        [part for word in found for part in text[word.start : word.end].split()]
        for text, found in zip(texts, segmenter_named("jieba").words_batch(texts), strict=True)
    ]
    return units, pairs, words
