"""Gazetteers: mentions with their types and who says so, and finding them in text."""

from decoupled_ner.gazetteer.columns import Columns
from decoupled_ner.gazetteer.entries import UNTYPED, Entry
from decoupled_ner.gazetteer.files import load_columns, load_gazetteer
from decoupled_ner.gazetteer.gazetteer import Gazetteer
from decoupled_ner.gazetteer.known import KnownTypes
from decoupled_ner.gazetteer.matcher import Match, Matcher, MatchMode
from decoupled_ner.gazetteer.reload import ReloadingGazetteer

__all__ = [
    "UNTYPED",
    "Columns",
    "Entry",
    "Gazetteer",
    "KnownTypes",
    "Match",
    "MatchMode",
    "Matcher",
    "ReloadingGazetteer",
    "load_columns",
    "load_gazetteer",
]
