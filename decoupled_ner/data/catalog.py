"""Annotated data sets by name or path.

A set of the catalog is one row of `decoupled_ner.data.rows`. Its files lie in
``$DECOUPLED_NER_DATA/ner/NAME``, in ``$DECOUPLED_NER_DATA/NAME`` or in the cache; a few can be
downloaded. The user's own files are named by path: a folder with train, dev and test files, or one
file. ``?format=NAME`` after the path says the format where the extension doesn't.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from decoupled_ner.data.brat import BRAT_FILES, read_documents, sentences_of, split_documents
from decoupled_ner.data.files import Parsed, is_held_out, text_digest
from decoupled_ner.data.formats import (
    BRAT,
    SPLITS,
    format_of,
    path_and_format,
    read_file,
    reader_of,
    split_of,
)
from decoupled_ner.data.locate import locate
from decoupled_ner.data.rows import CATALOG, Row, as_it_is
from decoupled_ner.disk import sha256_of
from decoupled_ner.labels import LabelSet
from decoupled_ner.types import InputError, Sentence

_ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Annotated sentences in splits.

    ``repairs``, ``dropped`` and ``noted`` say what reading had to change, as in `Parsed`;
    ``checksums`` are the SHA-256 of the files and folders by name, ``paths`` where these lie.
    """

    name: str
    labels: LabelSet
    splits: Mapping[str, tuple[Sentence, ...]]
    repairs: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[Path, ...] = ()

    @property
    def losses(self) -> str:
        """What reading lost, in a line; empty where it lost nothing."""
        lost = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
        return f"{self.name}: entities that can't be read are missing: {lost}" if lost else ""

    def split(self, name: str) -> tuple[Sentence, ...]:
        """The sentences of a split; ``train+dev`` puts splits together.

        Raises:
            InputError: there is no such split.
        """
        sentences: tuple[Sentence, ...] = ()
        for part in name.split("+"):
            if part not in self.splits:
                there = ", ".join(self.splits)
                raise InputError(
                    f"data set {self.name!r} has no split {part!r}; it has {there}: give a folder"
                    " with files named train, dev and test"
                )
            sentences += self.splits[part]
        return sentences


#: All names that `load_dataset` knows; ``demo`` is in the package.
DATASETS = (*CATALOG, "demo")


def is_dataset(name_or_path: str) -> bool:
    """Whether `load_dataset` knows the name, or there is a file or folder to read."""
    return name_or_path in DATASETS or Path(path_and_format(name_or_path)[0]).exists()


def load_dataset(name_or_path: str, *, train_sentences: int | None = None) -> Dataset:
    """A data set by its name in the catalog, or by the path of the user's own files.

    Args:
        name_or_path: a name in `DATASETS`, or ``path`` or ``path?format=NAME``. A folder has a
            file (BRAT: a folder) for each split, with train, dev or test in its name. A BRAT
            folder without splits is split 6 : 2 : 2; another single file is the split that its
            name says, else ``test``.
        train_sentences: keep only this many training sentences, the same ones every time.

    Raises:
        InputError: the name is unknown, files are missing or malformed, or train is smaller.
    """
    if name_or_path == "demo":
        dataset = _load_path(_ASSETS / "demo", None, "demo")
    elif name_or_path in CATALOG:
        dataset = _load_row(CATALOG[name_or_path])
    else:
        path, format = path_and_format(name_or_path)
        if not Path(path).exists():
            raise InputError(
                f"no data set {path!r}: it is no file or folder, and the catalog has"
                f" {', '.join(DATASETS)}"
            )
        dataset = _load_path(Path(path), format, Path(path).resolve().name.split(".")[0])
    return dataset if train_sentences is None else with_less_training(dataset, train_sentences)


def _load_row(row: Row) -> Dataset:
    folder = row.folder or row.name
    paths = locate(folder, list(row.files.values()), row.remote, row.source)
    files = {split: paths[name] for split, name in row.files.items()}
    parsed = _parse_all(files, row.format, folder)
    parsed = {split: _relabel(part, row.label) for split, part in parsed.items()}
    if row.held_out and "dev" not in parsed:
        parsed = _hold_out(parsed, row.held_out)
    return _dataset(row.name, parsed, files)


def _load_path(path: Path, format: str | None, name: str) -> Dataset:
    if format is not None:
        reader_of(format)
    files = _user_files(path, format)
    return _dataset(name, _parse_all(files, format, name), files)


def _user_files(path: Path, format: str | None) -> dict[str, Path]:
    """The user's file for each split, or ``{"all": path}`` for documents to be split."""
    if path.is_file():
        documents = (format or format_of(path)) in BRAT
        return {split_of(path) or ("all" if documents else "test"): path}
    if not path.is_dir():
        raise InputError(f"{path}: neither a file nor a folder; write what it gives into a file")
    files: dict[str, Path] = {}
    annotated = {file.stem for file in path.glob("[!.]*.ann")}
    for file in sorted(path.iterdir()):
        split = split_of(file)
        usable = file.is_file() or any(file.rglob("*.ann"))
        # A document of the folder is no split because its name has such a word in it.
        is_document = file.suffix in BRAT_FILES and file.stem in annotated.difference(SPLITS)
        if split is None or file.name.startswith(".") or not usable or is_document:
            continue
        if split in files:
            raise InputError(f"{path}: both {files[split].name} and {file.name} could be {split}")
        files[split] = file
    if files and annotated:
        raise InputError(
            f"{path}: has BRAT documents, e.g. {min(annotated)}.ann, and beside them"
            f" {next(iter(files.values())).name}: put the documents of each split into a folder"
        )
    if files:
        return {split: files[split] for split in SPLITS if split in files}
    if any(path.rglob("*.ann")):
        return {"all": path}
    raise InputError(f"{path}: no file with train, dev or test in its name, and no .ann files")


def _parse_all(files: Mapping[str, Path], format: str | None, name: str) -> dict[str, Parsed]:
    for path in files.values():
        if path.is_dir() and format not in (None, *BRAT):
            raise InputError(f"{path}: a folder is read as {' or '.join(BRAT)}, not as {format}")
    if "all" in files:
        documents = split_documents(read_documents(files["all"]))
        cut = partial(sentences_of, whole=format == "brat-whole")
        return {s: cut(part, f"{name}/{s}") for s, part in documents.items() if part}
    parsed = {}
    for split, path in files.items():
        format_here = (format or "brat") if path.is_dir() else format
        parsed[split] = read_file(path, format_here, prefix=f"{name}/{split}")
        if not parsed[split].sentences:
            raise InputError(f"{path}: no sentences in the file")
    return parsed


def _dataset(name: str, parsed: Mapping[str, Parsed], files: Mapping[str, Path]) -> Dataset:
    dropped: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    for part in parsed.values():
        dropped.update(part.dropped)
        noted.update(part.noted)
    every = (e.label for part in parsed.values() for s in part.sentences for e in s.entities)
    return Dataset(
        name,
        LabelSet.of(every),
        {split: parsed[split].sentences for split in SPLITS if split in parsed},
        sum(part.repairs for part in parsed.values()),
        dict(dropped),
        dict(noted),
        {path.name: sha256_of(path, *BRAT_FILES) for path in files.values()},
        tuple(files.values()),
    )


def _relabel(parsed: Parsed, label: Callable[[str], str | None]) -> Parsed:
    if label is as_it_is:
        return parsed

    def relabelled(sentence: Sentence) -> Sentence:
        pairs = ((entity, label(entity.label)) for entity in sentence.entities)
        kept = tuple(replace(entity, label=new) for entity, new in pairs if new is not None)
        return replace(sentence, entities=kept)

    return replace(parsed, sentences=tuple(relabelled(s) for s in parsed.sentences))


def _hold_out(parsed: Mapping[str, Parsed], part: float) -> dict[str, Parsed]:
    """Move a part of train to dev by a hash of the text, so duplicates fall on the same side."""
    train = parsed["train"]
    chosen = [is_held_out(sentence.text, part) for sentence in train.sentences]
    pairs = list(zip(train.sentences, chosen, strict=True))
    kept = replace(train, sentences=tuple(s for s, held_out in pairs if not held_out))
    return {**parsed, "train": kept, "dev": Parsed(tuple(s for s, held_out in pairs if held_out))}


def with_less_training(dataset: Dataset, count: int) -> Dataset:
    """The data set with only so many training sentences, the same ones every time.

    Raises:
        InputError: it has fewer.
    """
    train = dataset.split("train")
    if not 1 <= count <= len(train):
        raise InputError(
            f"train_sentences={count}: data set {dataset.name!r} has 1 to {len(train)} of them"
        )
    order = sorted(range(len(train)), key=lambda i: text_digest(train[i].id + train[i].text))
    kept = tuple(train[i] for i in sorted(order[:count]))
    return replace(dataset, splits={**dataset.splits, "train": kept})
