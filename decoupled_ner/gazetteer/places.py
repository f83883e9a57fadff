"""Splitting lists of all kinds of places into types, by how their names end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

from decoupled_ner.disk import read_yaml
from decoupled_ner.types import InputError


class PlaceSuffixes:
    """Type of a place by the longest suffix of its name that a rule knows.

    The rules are data: YAML of ``type: [suffix, ...]``. A name that is a suffix and nothing more
    (*大街*) names no place.
    """

    def __init__(
        self, rules: dict[str, list[str]], forms: Callable[[Iterable[str]], Iterable[str]] = iter
    ) -> None:
        self._type_of: dict[str, str] = {}
        for label, suffixes in rules.items():
            self._type_of |= dict.fromkeys(suffixes, label)
        for label, suffixes in rules.items():
            for form in forms(suffixes):
                self._type_of.setdefault(form, label)
        self._lengths = sorted({len(suffix) for suffix in self._type_of}, reverse=True)

    @classmethod
    def load(
        cls, path: Path, forms: Callable[[Iterable[str]], Iterable[str]] = iter
    ) -> PlaceSuffixes:
        """Read the rules.

        Args:
            forms: the forms that some suffixes have in names; a rule's own come first.

        Raises:
            InputError: the file is missing, is not such YAML, has one suffix under two types, or
                has a type or a suffix that is empty or no text.
        """
        rules = read_yaml(path, "cannot read place suffixes")
        expected = f"{path}: expected 'TYPE: [suffix, ...]' lines"
        if not isinstance(rules, dict) or not all(isinstance(v, list) for v in rules.values()):
            raise InputError(expected)
        for name in chain(rules, *rules.values()):
            if not isinstance(name, str) or not name.strip():  # to YAML, NO is false
                raise InputError(f"{expected} of text, got {name!r}: quote numbers and yes/no")
        seen: set[str] = set()
        for suffix in (suffix for suffixes in rules.values() for suffix in suffixes):
            if suffix in seen:
                raise InputError(f"{path}: suffix {suffix!r} stands twice: keep it under one type")
            seen.add(suffix)
        return cls(rules, forms)

    def type_of(self, name: str) -> str | None:
        """The type of ``name``, None when no rule knows its ending."""
        for length in self._lengths:
            if length < len(name) and (label := self._type_of.get(name[-length:])):
                return label
        return None
