"""The annotation formats by name, and which one a file is in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from decoupled_ner.data.brat import read_brat
from decoupled_ner.data.conll import read_conll
from decoupled_ner.data.files import Parsed, ending
from decoupled_ner.data.jsonl import read_cluener, read_jsonl
from decoupled_ner.labels import SCHEMES
from decoupled_ner.types import InputError


class Reader(Protocol):
    """Reads one file; sentences without an id get ``prefix/index``."""

    def __call__(self, path: Path, /, *, prefix: str) -> Parsed: ...


#: ``conll`` and ``words`` find the tag scheme by themselves; a scheme's name fixes it. ``words``
#: is for text with spaces (English): tokens are joined by one. ``brat-whole`` leaves
#: documents uncut.
FORMATS: Mapping[str, Reader] = {
    "jsonl": read_jsonl,
    "cluener": read_cluener,
    "brat": read_brat,
    "brat-whole": partial(read_brat, whole=True),
    "weibo": partial(read_conll, scheme="BIO", segment_index=True),
    "conll": read_conll,
    "words": partial(read_conll, joiner=" "),
    **{scheme.lower(): partial(read_conll, scheme=scheme) for scheme in SCHEMES},
    **{f"words-{s.lower()}": partial(read_conll, scheme=s, joiner=" ") for s in SCHEMES},
}

#: The formats of documents, which may lie in a folder.
BRAT = ("brat", "brat-whole")

_EXTENSIONS = {
    **dict.fromkeys((".jsonl", ".json"), "jsonl"),
    **dict.fromkeys(
        (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bmes", ".txt", ".tsv"), "conll"
    ),
    **dict.fromkeys((".tar", ".tgz", ".ann"), "brat"),
}

SPLITS = ("train", "dev", "test")

_SPLIT_NAMES = {
    "train": "train",
    **dict.fromkeys(("dev", "valid", "validation", "val", "testa"), "dev"),
    **dict.fromkeys(("test", "testb"), "test"),
}


def format_of(path: Path) -> str:
    """A file's format by its extension, ``.xz`` and ``.gz`` aside.

    Raises:
        InputError: the extension says nothing.
    """
    name = _EXTENSIONS.get(ending(path))
    if name is None:
        raise InputError(
            f"{path}: the extension doesn't tell the format; add ?format=NAME to the path, with one"
            f" of {', '.join(FORMATS)}"
        )
    return name


def split_of(path: Path) -> str | None:
    """``train``, ``dev`` or ``test`` where a part of the file's name says so, as in
    ``eng.testa`` or ``msra_train_bio.txt``."""
    parts = re.split(r"[._\-]", path.name.lower())
    return next((_SPLIT_NAMES[part] for part in parts if part in _SPLIT_NAMES), None)


def reader_of(name: str) -> Reader:
    """The reader of a format.

    Raises:
        InputError: there is no such format.
    """
    if name not in FORMATS:
        raise InputError(f"no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def path_and_format(given: str) -> tuple[str, str | None]:
    """Of ``path?format=NAME`` both; of a path alone None for the format."""
    path, _, format = given.partition("?format=")
    return path, format or None


def read_file(path: str | Path, format: str | None = None, *, prefix: str = "") -> Parsed:
    """Read one file in a named format, or in the one that its extension tells.

    Raises:
        InputError: the format is unknown or the file malformed (names file, line and reason).
    """
    path = Path(path)
    return reader_of(format or format_of(path))(path, prefix=prefix)
