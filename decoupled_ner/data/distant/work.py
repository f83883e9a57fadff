"""The two pieces of work that processes share out: matching a block, finishing a staged shard.

Both are called with one task and return its position, for progress. Either writes a shard that
depends on nothing but the task, so it does not matter who does it or whether it is done twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from decoupled_ner.data.distant.caps import Thin, beyond_cap
from decoupled_ner.data.distant.labeller import Fate, Labeller, Matches
from decoupled_ner.data.distant.sentences import sentence_spans
from decoupled_ner.data.distant.settings import DistantSettings
from decoupled_ner.data.distant.shards import Sentences, read_staged, write_shard, write_staged
from decoupled_ner.data.distant.texts import Block, TextFile, paragraphs, read_blocks

# Characters that are searched together: enough to make calls cheap, few enough that the matches,
# Python objects of some hundred bytes each, take a few megabytes.
_TOGETHER = 1 << 16


@dataclass(frozen=True, slots=True)
class MatchBlock:
    """Labels the sentences of a block and writes them to ``folder``, staged or finished."""

    labeller: Labeller
    settings: DistantSettings
    folder: Path
    staged: bool

    def __call__(self, block: Block) -> int:
        sentences = find_labels(block, self.labeller, self.settings)
        if self.staged:
            write_staged(sentences, self.folder / block.shard)
        else:
            write_shard(sentences, self.labeller, self.folder / block.shard)
        return block.position


@dataclass(frozen=True, slots=True)
class FinishShard:
    """Takes away the labels of a staged shard that are beyond the cap, and writes the rest."""

    labeller: Labeller
    cap: int
    keep_unlabelled: bool
    folder: Path

    def __call__(self, thin: Thin) -> int:
        staged = read_staged(thin.staged)
        fate = staged.matches.fate.copy()
        labelled = np.flatnonzero(fate == Fate.LABELLED)
        too_many = beyond_cap(staged.matches.mention[labelled], thin, self.cap)
        fate[labelled[too_many]] = Fate.CAPPED
        sentences = replace(staged, matches=replace(staged.matches, fate=fate))
        if not self.keep_unlabelled:
            sentences = sentences.with_labels()
        write_shard(sentences, self.labeller, self.folder / thin.staged.name)
        return thin.position


@dataclass(frozen=True, slots=True)
class MissingBlocks:
    """The blocks of a file whose shard is not in ``folder`` yet."""

    size: int
    folder: Path

    def __call__(self, file: TextFile) -> Iterator[Block]:
        for block in read_blocks(file, self.size):
            if not (self.folder / block.shard).exists():
                yield block


def find_labels(block: Block, labeller: Labeller, settings: DistantSettings) -> Sentences:
    """The sentences of a block with what the gazetteer finds in them.

    Raises:
        InputError: the block is no UTF-8 or no JSON lines.
    """
    lines: list[int] = []
    offsets: list[int] = []
    texts: list[str] = []
    for line, offset, text in paragraphs(block):
        for start, end in sentence_spans(text, settings.max_sentence_length):
            if end - start >= settings.min_sentence_length:
                lines.append(line)
                offsets.append(offset + start)
                texts.append(text[start:end])
    characters = sum(map(len, texts))
    matches = _find_all(texts, labeller)
    found = Sentences(block.file.name, lines, offsets, texts, matches, len(texts), characters)
    return found if settings.keep_unlabelled else found.with_labels()


def _find_all(texts: list[str], labeller: Labeller) -> Matches:
    """`Labeller.find` of any number of sentences."""
    parts = []
    first = length = 0
    for index, text in enumerate(texts):
        length += len(text)
        if length >= _TOGETHER or index == len(texts) - 1:
            found = labeller.find(texts[first : index + 1])
            parts.append(replace(found, sentence=found.sentence + first))
            first, length = index + 1, 0
    if not parts:
        return labeller.find([])
    columns = zip(*(part.columns() for part in parts), strict=True)
    return Matches(*(np.concatenate(column) for column in columns))
