"""Candidate generators: each proposes regions that may be entities; a `Union` joins them.

The names below are imported when they are first used, so that none costs what it doesn't need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decoupled_ner.candidates.base import CandidateGenerator
    from decoupled_ner.candidates.dictionary import DictionaryNames
    from decoupled_ner.candidates.gazetteer import GazetteerMatches
    from decoupled_ner.candidates.merged import MergedNeighbours
    from decoupled_ner.candidates.ngrams import NGrams, WordNGrams
    from decoupled_ner.candidates.nouns import JiebaNouns, LacEntities, LtpNouns
    from decoupled_ner.candidates.overlap import resolve
    from decoupled_ner.candidates.registry import (
        generator_from_config,
        register_generator,
        to_config,
    )
    from decoupled_ner.candidates.report import candidate_report
    from decoupled_ner.candidates.union import Union
    from decoupled_ner.candidates.variants import NameVariants

_MODULES = {
    "CandidateGenerator": "base",
    "DictionaryNames": "dictionary",
    "GazetteerMatches": "gazetteer",
    "JiebaNouns": "nouns",
    "LacEntities": "nouns",
    "LtpNouns": "nouns",
    "MergedNeighbours": "merged",
    "NGrams": "ngrams",
    "NameVariants": "variants",
    "Union": "union",
    "WordNGrams": "ngrams",
    "candidate_report": "report",
    "generator_from_config": "registry",
    "register_generator": "registry",
    "resolve": "overlap",
    "to_config": "registry",
}

__all__ = [
    "CandidateGenerator",
    "DictionaryNames",
    "GazetteerMatches",
    "JiebaNouns",
    "LacEntities",
    "LtpNouns",
    "MergedNeighbours",
    "NGrams",
    "NameVariants",
    "Union",
    "WordNGrams",
    "candidate_report",
    "generator_from_config",
    "register_generator",
    "resolve",
    "to_config",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
