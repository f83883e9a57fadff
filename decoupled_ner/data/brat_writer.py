"""Annotated sentences as BRAT documents, one a sentence (see `decoupled_ner.data.brat`)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from decoupled_ner.data.brat import BYTE_ORDER_MARK
from decoupled_ner.data.files import of_sentence
from decoupled_ner.disk import told_of_writing
from decoupled_ner.labels import checked_type
from decoupled_ner.types import InputError, Sentence


def write_brat(sentences: Iterable[Sentence], folder: str | Path) -> None:
    """Write ``00000000.txt`` with ``00000000.ann`` beside it, and so on, into a new folder.

    ``read_brat(folder, whole=True)`` gives the same texts and entities back, overlapping ones too,
    in the same order; without ``whole`` it cuts the texts at sentence marks. Scores and sentence
    ids are left out. Line breaks part an entity into fragments, as BRAT wants it. The folder is
    filled under another name beside it, then renamed.

    Raises:
        InputError: a sentence that BRAT can't hold, named by its id: a text that begins with a
            byte order mark, an entity that begins or ends with a line break, a label with white
            space in it. Or the folder can't be written or is there and not empty.
    """
    folder = Path(folder)
    place = folder.resolve()
    with told_of_writing(folder):
        if place.exists() and any(place.iterdir()):
            raise InputError(f"{folder}: is not empty; BRAT documents need a folder of their own")
        beside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        try:
            beside.mkdir()
            for index, sentence in enumerate(sentences):
                with of_sentence(sentence, index):
                    lines = list(_annotations(sentence))
                for suffix, content in ((".txt", sentence.text), (".ann", "".join(lines))):
                    (beside / f"{index:08}{suffix}").write_bytes(content.encode())
            beside.replace(place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _annotations(sentence: Sentence) -> Iterator[str]:
    """The ``T`` lines."""
    if sentence.text.startswith(BYTE_ORDER_MARK):
        raise InputError("BRAT can't hold a text that begins with a byte order mark; leave it out")
    for number, entity in enumerate(sentence.entities, start=1):
        if re.search(r"\s", checked_type(entity.label)):
            raise InputError(f"BRAT can't hold the label {entity.label!r}: white space in it")
        if entity.text.strip("\r\n") != entity.text:
            raise InputError(f"entity {entity.text!r} begins or ends with a line break")
        fragments = list(re.finditer(r"[^\r\n]+", entity.text))
        places = (f"{entity.start + f.start()} {entity.start + f.end()}" for f in fragments)
        stated = " ".join(fragment[0] for fragment in fragments)
        yield f"T{number}\t{entity.label} {';'.join(places)}\t{stated}\n"
