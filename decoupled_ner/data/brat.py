"""BRAT stand-off annotation: ``name.txt`` with ``name.ann`` beside it, in a folder or tar archive.

An ``.ann`` line is ``T1 TAB Type start end TAB text``, or ``Type 3 5;6 9`` for an entity in several
fragments. Where only white space with a line break stands between fragments, they are one entity
that runs from the first to the last. Other fragments are truly discontinuous: no region can say so,
they are dropped and counted. Relations, events, attributes and notes are skipped.

Documents are cut into sentences that keep their place: a sentence's id ends in
``/document/offset``. No cut goes through an entity. An archive is read in memory; nothing is
extracted and links are never followed.

A byte order mark is no part of an ``.ann``. At the beginning of a ``.txt`` some tools count it as a
character and others don't: it is taken away unless more entities' texts are at their offsets with
it than without it.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from decoupled_ner.data.files import Parsed, decode_text, located, read_bytes, text_digest
from decoupled_ner.labels import checked_type
from decoupled_ner.types import Entity, InputError, Sentence, entity_at, one_line

DISCONTINUOUS = "discontinuous"
JOINED = "joined across a line break"
MISMATCH = "offsets and text disagree"

BYTE_ORDER_MARK = "\ufeff"

#: What is read of a folder or archive, by how the names end.
BRAT_FILES = (".ann", ".txt")

#: Characters in a sentence where no sentence mark comes earlier: what BERT reads at once.
_LONGEST = 250
#: Label, fragments and text, which may hold tabs. No text is so long that offsets need 16 digits.
_ENTITY_LINE = re.compile(
    r"T[^\t]*\t(\S+) (\d{1,15} \d{1,15}(?:;\d{1,15} \d{1,15})*)\t(.*)", re.DOTALL
)
_SENTENCE_END = re.compile(r"[。！？!?…]+[”’」』）)\]】]*|\n[ \t\r]*\n")


@dataclass(frozen=True, slots=True)
class Document:
    """One annotated text. ``dropped`` and ``noted`` count as in `Parsed`."""

    name: str
    text: str
    entities: tuple[Entity, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


def read_brat(path: str | Path, *, prefix: str = "", whole: bool = False) -> Parsed:
    """Read all documents of a folder (and its subfolders) or of a tar archive, in sentences.

    Args:
        path: the folder or archive.
        prefix: begins the sentences' ids; the path's stem by default.
        whole: leave each document uncut, as one sentence; what `write_brat` wrote comes back.

    Raises:
        InputError: names file, line and what is wrong.
    """
    path = Path(path)
    return sentences_of(read_documents(path), prefix or path.name.split(".")[0], whole=whole)


def sentences_of(documents: Iterable[Document], prefix: str, *, whole: bool = False) -> Parsed:
    """The documents cut into sentences, or whole, with ids ``prefix/document/offset``."""
    sentences: list[Sentence] = []
    dropped: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    for document in documents:
        length, entities = len(document.text), document.entities
        ranges = [(0, length)] if whole else _sentence_ranges(document.text, entities)
        sentences.extend(_cut(document, prefix, ranges))
        dropped.update(document.dropped)
        noted.update(document.noted)
    return Parsed(tuple(sentences), dropped=dict(dropped), noted=dict(noted))


def split_documents(documents: Iterable[Document]) -> dict[str, list[Document]]:
    """6 : 2 : 2 into train, dev and test by the SHA-256 of each text: the same text always falls on
    the same side, whatever other documents there are."""
    splits: dict[str, list[Document]] = {"train": [], "dev": [], "test": []}
    for document in documents:
        place = text_digest(document.text) / 2**64
        splits["train" if place < 0.6 else "dev" if place < 0.8 else "test"].append(document)
    return splits


def read_documents(path: Path) -> list[Document]:
    """All documents of a folder or a tar archive, sorted by name.

    Raises:
        InputError: names file, line and what is wrong.
    """
    if path.suffix == ".ann" and path.is_file():
        raise InputError(f"{path}: name the folder that it lies in")
    files = _folder_files(path) if path.is_dir() else _archive_files(path)
    names = sorted(name.removesuffix(".ann") for name in files if name.endswith(".ann"))
    if not names:
        raise InputError(f"{path}: no .ann file inside; BRAT has name.ann beside name.txt")
    documents = []
    for name in names:
        if f"{name}.txt" not in files:
            raise InputError(f"{path}: {name}.ann has no {PurePosixPath(name).name}.txt beside it")
        text = decode_text(files[f"{name}.txt"], f"{path}/{name}.txt")
        ann = f"{path}/{name}.ann"
        annotations = decode_text(files[f"{name}.ann"], ann).removeprefix(BYTE_ORDER_MARK)
        documents.append(_parse(name, text, annotations, ann))
    return documents


def _folder_files(path: Path) -> dict[str, bytes]:
    names = {file.relative_to(path): file for file in path.rglob("*") if file.suffix in BRAT_FILES}
    return {n.as_posix(): read_bytes(file) for n, file in names.items() if not _is_hidden(n)}


def _is_hidden(name: PurePath) -> bool:
    """Whether the file, or a folder that it lies in, is: copies that programs keep."""
    return any(part.startswith(".") for part in name.parts)


def _archive_files(path: Path) -> dict[str, bytes]:
    """Names without the folders that all files share, so that ids stay short."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                hidden = _is_hidden(PurePosixPath(member.name.removeprefix("./")))
                if member.isreg() and member.name.endswith(BRAT_FILES) and not hidden:
                    content = archive.extractfile(member)
                    files[member.name] = content.read() if content else b""
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        reason = one_line(error)
        raise InputError(f"{path}: not a readable tar archive ({reason})") from error
    folders = {name.rpartition("/")[0] for name in files}
    shared = f"{folders.pop()}/" if len(folders) == 1 else ""
    return {name.removeprefix(shared): content for name, content in files.items()}


class _Line(NamedTuple):
    """A ``T`` line; ``fragments`` are sorted."""

    number: int
    label: str
    fragments: list[tuple[int, int]]
    stated: str

    def fits(self, text: str) -> bool:
        """Whether the stated text is what stands at the offsets."""
        return self.stated == " ".join(text[start:end] for start, end in self.fragments)


def _parse(name: str, text: str, annotations: str, path: str) -> Document:
    entities: list[Entity] = []
    dropped: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    lines = list(_lines(annotations, path))
    if text.startswith(BYTE_ORDER_MARK):  # the first of two that fit as well: without it
        text = max((text[1:], text), key=lambda choice: sum(line.fits(choice) for line in lines))
    for line in lines:
        gaps = [text[a[1] : b[0]] for a, b in pairwise(line.fragments)]
        if any(gap.strip() or not set(gap) & {"\n", "\r"} for gap in gaps):
            dropped[DISCONTINUOUS] += 1
            continue
        with located(path, line.number):
            entities.append(
                entity_at(text, line.fragments[0][0], line.fragments[-1][1], line.label)
            )
        noted[JOINED] += len(line.fragments) > 1
        noted[MISMATCH] += not line.fits(text)
    if noted[MISMATCH] > len(entities) / 2:
        raise InputError(
            f"{path}: {noted[MISMATCH]} of {len(entities)} entities are not the text at their"
            " offsets; was the text file changed after annotation?"
        )
    ordered = sorted(entities, key=lambda e: (e.start, e.end, e.label))
    return Document(name, text, tuple(ordered), dropped, +noted)


def _lines(annotations: str, path: str) -> Iterator[_Line]:
    for number, line in enumerate(annotations.split("\n"), start=1):
        if line.startswith("T"):
            with located(path, number):
                fields = _fields(line.removesuffix("\r"))
            yield _Line(number, *fields)


def _fields(line: str) -> tuple[str, list[tuple[int, int]], str]:
    """Label, fragments and stated text of a ``T`` line."""
    match = _ENTITY_LINE.fullmatch(line)
    if match is None:
        raise InputError(f"expected 'T1 TAB Type start end TAB text', found {line[:60]!r}")
    pairs = (fragment.split(" ") for fragment in match[2].split(";"))
    fragments = sorted((int(start), int(end)) for start, end in pairs)
    return checked_type(match[1]), fragments, match[3]


def _cut(document: Document, prefix: str, ranges: Iterable[tuple[int, int]]) -> Iterator[Sentence]:
    text, entities = document.text, iter(document.entities)
    entity = next(entities, None)
    for start, end in ranges:
        inside = []
        while entity is not None and entity.start < end:
            first, last = entity.start - start, entity.end - start
            inside.append(Entity(first, last, entity.text, entity.label))
            entity = next(entities, None)
        yield Sentence(text[start:end], tuple(inside), f"{prefix}/{document.name}/{start}")


def _sentence_ranges(text: str, entities: Sequence[Entity]) -> Iterator[tuple[int, int]]:
    """Sentences without outer white space that no entity covers; blank ones are left out."""
    blocked = bytearray(len(text) + 1)  # 1 where a cut would go through an entity
    for entity in entities:
        blocked[entity.start + 1 : entity.end] = b"\1" * (entity.end - entity.start - 1)
    marks = [m.end() for m in _SENTENCE_END.finditer(text) if not blocked[m.end()]]
    breaks = [m.end() for m in re.finditer("\n", text) if not blocked[m.end()]]
    starts, ends = {entity.start for entity in entities}, {entity.end for entity in entities}
    for first, last in _pieces(marks, breaks, len(text)):
        start, end = first, last
        while start < end and text[start].isspace() and start not in starts:
            start += 1
        while start < end and text[end - 1].isspace() and end not in ends:
            end -= 1
        if start < end:
            yield start, end


def _pieces(marks: Sequence[int], breaks: Sequence[int], length: int) -> Iterator[tuple[int, int]]:
    """Ranges between sentence marks; one that is too long ends at the last line break that fits,
    else at the first that there is."""
    start = 0
    for mark in (*marks, length):
        while mark - start > _LONGEST:
            place = bisect_right(breaks, start + _LONGEST) - 1
            if place < 0 or breaks[place] <= start:
                place += 1
            if place == len(breaks) or breaks[place] >= mark:
                break
            yield start, breaks[place]
            start = breaks[place]
        if start < mark:
            yield start, mark
        start = mark
