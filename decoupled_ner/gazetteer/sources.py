"""``sources.yaml``: which dictionaries a gazetteer is built of, and how each is read."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from decoupled_ner.disk import read_yaml, sha256_of
from decoupled_ner.gazetteer.entries import LEAST_WEIGHT
from decoupled_ner.gazetteer.normalise import Rules, Script
from decoupled_ner.gazetteer.readers import FORMATS
from decoupled_ner.types import InputError, one_line

#: A source of this type is a list of all kinds of places: each is typed by its name's ending.
PLACE = "place"


@dataclass(frozen=True, slots=True)
class Source:
    """One dictionary.

    Exactly one of ``path`` and ``url`` names it. ``path`` is relative to the sources file, may
    hold ``$VARIABLES``, and lies in an installed Python package where ``package`` names one. A
    ``url`` needs ``sha256``, and any source may have one, in lower case.

    ``type`` is the type of every entry: an entity type, ``O`` for common words, or ``place`` for a
    list to be split by suffix. ``tags`` instead maps the file's own tags to types, and entries
    with other tags are left out. With neither, the file's tags are the types.

    ``skip_rows`` lines at the beginning (rows, in formats that have no lines) are no entries and
    are not looked at. Lines that cannot be read end the build unless the source is ``lenient``;
    then they are counted.

    ``weight`` is the belief in one entry of this source, against those of other sources that give
    the same mention another type. ``short_forms`` are endings without which a name is an entry
    too, at half the weight: with ``[市]``, 九江市 brings 九江. ``default_type`` is for places whose
    ending no rule knows.
    """

    name: str
    format: str
    licence: str
    path: str | None = None
    url: str | None = None
    package: str | None = None
    sha256: str | None = None
    type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0
    min_count: float = 0.0
    skip_rows: int = 0
    lenient: bool = False
    short_forms: tuple[str, ...] = ()
    default_type: str | None = None

    @property
    def splits(self) -> bool:
        """Whether places among its entries are typed by their endings."""
        return PLACE in (self.type, *self.tags.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked sources file: what to read and what to do to every mention."""

    folder: Path
    sources: tuple[Source, ...]
    rules: Rules


def load_sources(path: str | Path) -> Plan:
    """Read and check a sources file.

    Raises:
        InputError: one line that names the source, its key and what is wrong.
    """
    path = Path(path)
    data = read_yaml(path, "cannot read the sources")
    if not isinstance(data, dict) or not isinstance(data.get("sources"), list):
        raise InputError(f"{path}: expected 'sources:' with a list under it")
    if unknown := set(data) - {"sources", "rules"}:
        raise InputError(
            f"{path}: unknown key {min(unknown, key=str)!r}: only 'sources' and 'rules'"
        )
    sources = tuple(_source(item, i, path) for i, item in enumerate(data["sources"], 1))
    names = [source.name for source in sources]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{path}: two sources are called {min(repeated)!r}: rename one")
    rules = _rules(data.get("rules") or {}, path)
    if rules.place_suffixes is None and any(source.splits for source in sources):
        raise InputError(f"{path}: type 'place' needs 'place_suffixes' under 'rules'")
    return Plan(path.parent, sources, rules)


def locate(source: Source, folder: Path) -> Path:
    """The file of a source, downloaded first where it has a URL; its checksum is verified.

    Raises:
        InputError: the file is missing, cannot be downloaded or has another checksum.
    """
    path = _download(source) if source.url else _local(source, folder)
    if not path.is_file():
        raise InputError(f"source {source.name!r}: {path} does not exist")
    if source.sha256 and sha256_of(path) != source.sha256:
        raise InputError(
            f"source {source.name!r}: {path} has another sha256 than the sources file says: "
            "get that version, or change its 'sha256'"
        )
    return path


def _local(source: Source, folder: Path) -> Path:
    text = os.path.expandvars(source.path or "")
    if missing := re.search(r"\$\{?(\w+)", text):
        raise InputError(f"source {source.name!r}: set ${missing[1]}, its path needs it")
    if source.package is None:
        return folder / text
    try:
        found = importlib.util.find_spec(source.package)  # imports its parent at most
        places = found.submodule_search_locations if found else None
    except (ImportError, ValueError):  # no such parent; a name such as '.x' or ''
        places = None
    if not places:
        raise InputError(f"source {source.name!r}: package {source.package!r} is not installed")
    return Path(places[0]) / text


def _download(source: Source) -> Path:
    import pooch

    folder = pooch.os_cache("decoupled-ner") / "gazetteers"
    try:
        return Path(pooch.retrieve(source.url, known_hash=f"sha256:{source.sha256}", path=folder))
    except (OSError, ValueError) as error:
        what = one_line(error)
        raise InputError(
            f"source {source.name!r}: cannot download {source.url} ({what}): "
            "fetch it yourself and give its 'path'"
        ) from error


def _source(item: Any, number: int, path: Path) -> Source:
    where = f"{path}: source {number}"
    if not isinstance(item, dict):
        raise InputError(f"{where}: expected 'name:', 'path:' and so on")
    if isinstance(item.get("name"), str):
        where = f"{path}: source {item['name']!r}"
    _check_keys(item, Source, where)
    if missing := [key for key in ("name", "format", "licence") if key not in item]:
        raise InputError(f"{where}: {missing[0]!r} is missing")
    item = {**item, "short_forms": tuple(_strings(item.get("short_forms", []), where))}
    if "sha256" in item:
        item["sha256"] = item["sha256"].lower()
    source = Source(**item)
    _check_source(source, where)
    return source


def _check_source(source: Source, where: str) -> None:
    if source.format not in FORMATS:
        raise InputError(f"{where}: no format {source.format!r}: one of {', '.join(FORMATS)}")
    if (source.path is None) == (source.url is None):
        raise InputError(f"{where}: give either 'path' or 'url'")
    if source.url and source.package is not None:
        raise InputError(f"{where}: a 'package' needs a 'path' in it, not a 'url'")
    if source.url and not source.sha256:
        raise InputError(f"{where}: a 'url' needs its 'sha256'")
    if source.type and source.tags:
        raise InputError(f"{where}: give either 'type' or 'tags'")
    for label in (source.type, source.default_type, *source.tags.values()):
        if label is not None and (not label or label.strip() != label):
            raise InputError(f"{where}: the type {label!r} is empty or has spaces around it")
    if not 2 * LEAST_WEIGHT <= source.weight <= sys.float_info.max:  # short forms have half of it
        least = f"{2 * LEAST_WEIGHT:f}"
        raise InputError(
            f"{where}: 'weight' must be {least} or more, and finite, got {source.weight}"
        )
    if source.skip_rows < 0:
        raise InputError(f"{where}: 'skip_rows' must be 0 or more, got {source.skip_rows}")
    if source.default_type and not source.splits:
        raise InputError(f"{where}: 'default_type' is for type 'place' only")


#: What a key's value must be, by the first word of its dataclass field's annotation.
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("text", (str,)),
    "bool": ("true or false", (bool,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "Mapping": ("'tag: type' pairs", (dict,)),
    "tuple": ("a list", (list,)),
    "Path": ("a file name", (str,)),
    "Script": ("text", (str,)),
}


def _check_keys(item: Mapping[str, Any], schema: type, where: str) -> None:
    """Every key is a field of ``schema`` and its value is of the field's type."""
    kinds = {f.name: _KINDS[str(f.type).split("[")[0].split()[0]] for f in fields(schema)}
    for key, value in item.items():
        if key not in kinds:
            raise InputError(f"{where}: unknown key {key!r}: one of {', '.join(kinds)}")
        name, allowed = kinds[key]
        truth = isinstance(value, bool) and bool not in allowed  # to Python, true is a number
        if truth or not isinstance(value, allowed):
            raise InputError(f"{where}: {key!r} must be {name}, got {value!r}")
        if isinstance(value, dict):
            _strings([*value, *value.values()], where)


def _strings(values: Any, where: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"{where}: expected text, got {values!r}: quote numbers and yes/no")
    return values


def _rules(item: Any, path: Path) -> Rules:
    where = f"{path}: rules"
    if not isinstance(item, dict):
        raise InputError(f"{where}: expected 'nfkc:', 'min_length:' and so on")
    _check_keys(item, Rules, where)
    if "script" in item and item["script"] not in get_args(Script):
        raise InputError(f"{where}: 'script' must be simplified or traditional")
    files = {
        key: path.parent / item[key] for key in ("stop_words", "place_suffixes") if key in item
    }
    return Rules(**{**item, **files})
