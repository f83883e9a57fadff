"""The data sets of the catalog, one row each: their files and how those are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from decoupled_ner.data.formats import SPLITS


def as_it_is(label: str) -> str | None:
    """Keeps a label."""
    return label


def _kind(kind: str) -> Callable[[str], str | None]:
    """Keeps Weibo's labels of one kind, NAM (names) or NOM (nominal mentions), without the kind."""
    return lambda label: label.removesuffix(kind) if label.endswith(kind) else None


@dataclass(frozen=True, slots=True)
class Row:
    """A data set of the catalog.

    Attributes:
        name: what people call it.
        files: the file's name for each split; one named ``all`` holds documents to be split.
        format: how they are written, a name in `FORMATS`.
        source: where people get it.
        remote: URL and SHA-256 by file name, if it may be downloaded.
        folder: the folder its files lie in; by default its name.
        label: what a label of the file becomes here; None drops it, by design and uncounted.
        held_out: the part of train that becomes dev where there is no dev file.
    """

    name: str
    files: Mapping[str, str]
    format: str
    source: str
    remote: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    folder: str = ""
    label: Callable[[str], str | None] = as_it_is
    held_out: float = 0.0


def _files(pattern: str, splits: Iterable[str] = SPLITS) -> dict[str, str]:
    return {split: pattern.format(split) for split in splits}


def _remote(base: str, checksums: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (f"{base}/{name}", sha256) for name, sha256 in checksums.items()}


_CORPUS = "https://raw.githubusercontent.com/OYE93/Chinese-NLP-Corpus/master/NER"
_LATTICE = "https://raw.githubusercontent.com/jiesutd/LatticeLSTM/master/ResumeNER"

# Weibo NER, second version (He and Sun 2017; annotations CC BY-SA 3.0). Paper results are on NAM.
_WEIBO = Row(
    "weibo",
    _files("weiboNER_2nd_conll.{}"),
    "weibo",
    "https://github.com/hltcoe/golden-horse",
    _remote(
        f"{_CORPUS}/Weibo",
        {
            "weiboNER_2nd_conll.train": (
                "4e8954c54ab33b0afc9a8abb85715c47422645cc6d1b49fdb24540f4a427e997"
            ),
            "weiboNER_2nd_conll.dev": (
                "e72730d83aac680505280b6301c879b3ba470d29ac308979d48cdc58ee4907cc"
            ),
            "weiboNER_2nd_conll.test": (
                "faaf6c0ebde5348b935cfd5c89f0f22c9e0779d60667d8b5efbc647b6707d50e"
            ),
        },
    ),
    label=_kind(".NAM"),
)

_ROWS = (
    _WEIBO,
    replace(_WEIBO, name="weibo:nom", folder="weibo", label=_kind(".NOM")),
    replace(_WEIBO, name="weibo:all", folder="weibo", label=as_it_is),
    # SIGHAN 2006, research use: officially 46,364 and 4,365 sentences. The copy that can be
    # downloaded has other sentence borders, 45,001 and 3,443 of them.
    Row(
        "msra",
        {"train": "train.bio", "test": "test.bio"},
        "bio",
        "https://github.com/OYE93/Chinese-NLP-Corpus",
        {
            "train.bio": (
                f"{_CORPUS}/MSRA/msra_train_bio.txt",
                "b403d1318c5289917ad2ca4136279592521684748327e93f1bf49a3845a40ac7",
            ),
            "test.bio": (
                f"{_CORPUS}/MSRA/msra_test_bio.txt",
                "2be8e580bcb22e9086e4403d82a7ec0f6e18019ebef35b0fd52941724bdf89a3",
            ),
        },
        held_out=0.1,
    ),
    Row(  # Zhang and Yang 2018
        "resume",
        _files("{}.char.bmes"),
        "bmes",
        "https://github.com/jiesutd/LatticeLSTM",
        _remote(
            _LATTICE,
            {
                "train.char.bmes": (
                    "93b9bb0be5dd4730121587f9dc1378de3fbbe55cba1c575edec271f822c27be7"
                ),
                "dev.char.bmes": "1b0d67153e6e8543e9444936ed1b107bd843078c282533898085e1a9aa293952",
                "test.char.bmes": (
                    "c4a9f42622819a4b59f66e184d446ebfa89b2f1dbba06e11d70675e59fe7e79b"
                ),
            },
        ),
    ),
    Row(  # Xu et al. 2020; the public test file has no labels, so it is no split
        "cluener",
        _files("{}.json", ("train", "dev")),
        "cluener",
        "https://github.com/CLUEbenchmark/CLUENER2020",
    ),
    Row(
        "conll2003",
        {"train": "eng.train", "dev": "eng.testa", "test": "eng.testb"},
        "words-iob1",
        "https://www.clips.uantwerpen.be/conll2003/ner",
    ),
    Row(  # licensed by the LDC; the character files that papers make of it (Che et al. 2013 split)
        "ontonotes4",
        _files("{}.char.bmes"),
        "conll",
        "https://catalog.ldc.upenn.edu/LDC2011T03",
    ),
    Row(  # Ruijin hospital's diabetes literature, round 1
        "diabetes",
        {"all": "ruijin_round1_train.tar.xz"},
        "brat",
        "https://tianchi.aliyun.com/competition/entrance/231687",
    ),
)

CATALOG: Mapping[str, Row] = {row.name: row for row in _ROWS}
