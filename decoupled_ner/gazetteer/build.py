"""Building a gazetteer from the dictionaries of a sources file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from decoupled_ner.disk import sha256_of, write_json
from decoupled_ner.gazetteer.entries import Entry
from decoupled_ner.gazetteer.gazetteer import Gazetteer
from decoupled_ner.gazetteer.normalise import Normaliser
from decoupled_ner.gazetteer.parquet import PARQUET, write_parquet
from decoupled_ner.gazetteer.places import PlaceSuffixes
from decoupled_ner.gazetteer.readers import Row, fail, read_rows
from decoupled_ner.gazetteer.sources import PLACE, Plan, Source, load_sources, locate
from decoupled_ner.locations import locked
from decoupled_ner.progress import Progress, no_progress
from decoupled_ner.types import InputError

MANIFEST = "build.json"


@dataclass(slots=True)
class SourceCount:
    """What became of one source's rows: entries ``kept`` by type, those of short forms too, and
    rows ``dropped`` by reason."""

    name: str
    licence: str
    sha256: str
    rows: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    first_malformed: str | None = None

    def malformed(self, error: InputError) -> None:
        """Count a line that could not be read, and remember the first."""
        self.dropped["malformed"] += 1
        self.first_malformed = self.first_malformed or str(error)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; `dataclasses.asdict` garbles counters."""
        return {
            "name": self.name,
            "licence": self.licence,
            "sha256": self.sha256,
            "rows": self.rows,
            "kept": dict(self.kept),
            "dropped": dict(self.dropped),
            "first_malformed": self.first_malformed,
        }


class _Typing:
    """Turns the rows of one source into entries, and counts what it drops."""

    def __init__(
        self,
        source: Source,
        count: SourceCount,
        normaliser: Normaliser,
        places: PlaceSuffixes | None,
    ) -> None:
        self._source, self._count = source, count
        self._normaliser, self._places = normaliser, places
        self._endings = normaliser.endings(source.short_forms)

    def entries(self, row: Row) -> Iterator[Entry]:
        """The entry of a row and that of its short form, where they are kept."""
        self._count.rows += 1
        if row.count is not None and row.count < self._source.min_count:
            self._count.dropped["too rare"] += 1
            return
        mention = self._normaliser.form(row.mention)
        fault = self._normaliser.fault(mention)
        label = None if fault else self._type(mention, row.tag)
        if label is None:
            self._count.dropped[fault or "no type"] += 1
            return
        self._count.kept[label] += 1
        yield Entry(mention, label, self._source.name, self._source.weight)
        short = self._short_form(mention)
        if short is not None and self._normaliser.fault(short) is None:
            self._count.kept[label] += 1
            yield Entry(short, label, self._source.name, self._source.weight / 2)

    def _type(self, mention: str, tag: str | None) -> str | None:
        source = self._source
        label = source.type or (source.tags.get(tag or "") if source.tags else tag)
        if label != PLACE or not source.splits:
            return label
        return (self._places and self._places.type_of(mention)) or source.default_type

    def _short_form(self, mention: str) -> str | None:
        endings = [ending for ending in self._endings if mention.endswith(ending)]
        return mention.removesuffix(max(endings, key=len)) if endings else None


def build_entries(
    plan: Plan, counts: list[SourceCount], progress: Progress = no_progress
) -> Iterator[Entry]:
    """The entries of every source in turn, as a stream; ``counts`` grows by one a source.

    A mention that a source gives one type more than once is given once, with the greatest weight:
    where a short form stands in the list too, its row counts, whichever comes first.

    Raises:
        InputError: a source is missing, has another checksum or is malformed.
    """
    normaliser = Normaliser(plan.rules)
    suffixes = plan.rules.place_suffixes
    places = PlaceSuffixes.load(suffixes, normaliser.endings) if suffixes else None
    for number, source in enumerate(plan.sources):
        progress(number, len(plan.sources), f"reading {source.name}")
        path = locate(source, plan.folder)
        count = SourceCount(source.name, source.licence, sha256_of(path))
        counts.append(count)
        typing = _Typing(source, count, normaliser, places)
        weights: dict[tuple[str, str], float] = {}
        on_error = count.malformed if source.lenient else fail
        for row in read_rows(path, source.format, on_error, source.skip_rows):
            for entry in typing.entries(row):
                claim = entry.mention, entry.label
                weights[claim] = max(entry.weight, weights.get(claim, 0.0))
        for (mention, label), weight in weights.items():
            yield Entry(mention, label, source.name, weight)
    progress(len(plan.sources), len(plan.sources), "compiling")


def build_gazetteer(
    sources: str | Path, directory: str | Path, progress: Progress = no_progress
) -> dict[str, Any]:
    """Build ``directory`` from a sources file: gazetteer, Parquet and manifest.

    Returns the manifest: the rules, what became of each source's rows, the checksums, and the
    number of mentions by most probable type. The gazetteer itself is written last, so a reader
    that finds it finds the others too.

    Raises:
        InputError: the sources file or a source is wrong, or no entity came of it.
    """
    plan = load_sources(sources)
    counts: list[SourceCount] = []
    gazetteer = Gazetteer.from_entries(build_entries(plan, counts, progress))
    if not len(gazetteer):
        bad = next((count.first_malformed for count in counts if count.first_malformed), None)
        raise InputError(
            f"{sources}: no entity came of these sources: look at their types"
            + (f", and at what can't be read: {bad}" if bad else "")
        )
    manifest: dict[str, Any] = {
        "sources_file": Path(sources).name,
        "sources_sha256": sha256_of(Path(sources)),
        "rules": {
            key: value.name if isinstance(value, Path) else value
            for key, value in asdict(plan.rules).items()
        },
        "sources": [count.as_dict() for count in counts],
        **_content(gazetteer),
        "versions": {name: version(name) for name in ("decoupled-ner", "daachorse")},
    }
    directory = Path(directory)
    with changing(directory):
        _write(gazetteer, directory, manifest)
    return manifest


def rewrite_gazetteer(gazetteer: Gazetteer, directory: Path) -> None:
    """Put another gazetteer into a folder. A manifest that lies there then tells its content.

    Raises:
        InputError: the manifest can't be read.
    """
    manifest = stored_manifest(directory)
    _write(gazetteer, directory, None if manifest is None else {**manifest, **_content(gazetteer)})


def stored_manifest(directory: Path) -> dict[str, Any] | None:
    """What a build wrote of itself into a folder; None where the gazetteer came from no build.

    Raises:
        InputError: the manifest can't be read.
    """
    path = directory / MANIFEST
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error}); build the gazetteer again") from error


@contextmanager
def changing(directory: Path) -> Iterator[None]:
    """Keeps others from changing the gazetteer of a folder meanwhile; readers need not wait.

    Raises:
        InputError: the folder can't be made or written, now or by what is done meanwhile.
    """
    with locked(directory, directory / ".lock"):
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{directory}: can't be written ({error.strerror or error})"
            ) from error


def _content(gazetteer: Gazetteer) -> dict[str, Any]:
    """What a manifest tells of the mentions."""
    return {
        "types": dict(Counter(gazetteer.best_labels)),
        "mentions": len(gazetteer),
        "words": len(gazetteer.words),
        "digest": gazetteer.digest,
    }


def _write(gazetteer: Gazetteer, directory: Path, manifest: dict[str, Any] | None) -> None:
    """Write the Parquet, the manifest where there is one, and last the gazetteer itself."""
    write_parquet(gazetteer.table, directory / PARQUET)
    if manifest is not None:
        write_json(directory / MANIFEST, manifest)
    gazetteer.save(directory)
