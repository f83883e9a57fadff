"""A whole run: text → sequences → vectors → lexicon, which goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from decoupled_ner.data.distant.engines import run
from decoupled_ner.data.distant.texts import TextFile, text_files
from decoupled_ner.data.embeddings.corpus import (
    BLOCK_BYTES,
    KINDS,
    Cut,
    blocks_of,
    lines_of,
    read_vocabulary,
    write_corpora,
)
from decoupled_ner.data.embeddings.settings import EmbeddingSettings
from decoupled_ner.data.embeddings.word2vec import require_gensim, train_vectors
from decoupled_ner.disk import beside, sha256_of, told_of_writing, write_json
from decoupled_ner.locations import locked
from decoupled_ner.models.embeddings import LEXICON_FILE, VECTOR_FILES, load_vectors
from decoupled_ner.models.lexicon import Lexicon, is_lexicon_word
from decoupled_ner.progress import Progress, no_progress
from decoupled_ner.types import InputError

_MANIFEST = "embeddings.json"
#: Raised when the same texts and settings give other vectors.
_VERSION = 2


def train_embeddings(
    texts: Sequence[str | Path],
    output: str | Path,
    settings: EmbeddingSettings | None = None,
    *,
    workers: int = 1,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Train vectors of characters, bigrams and words, and compile the lexicon of the words, with
    their frequencies in the text.

    Args:
        texts: raw text files, plain, .xz or .gz, or JSON lines with a ``text``.
        output: the folder that a tagger's recipe names as ``embeddings``.
        workers: processes that cut the text, then threads that train; with more than one, no two
            runs give the same vectors.

    Returns:
        The manifest, which lies in the folder too: settings, texts, vectors of each kind.

    Raises:
        InputError: a text can't be read, gensim is missing, ``workers`` is below 1, no token is
            frequent enough, or the folder holds another run or can't be written.
    """
    settings = settings or EmbeddingSettings()
    if workers < 1:
        raise InputError(f"workers={workers} must be at least 1")
    require_gensim()
    folder, files = Path(output), text_files(texts)
    checksums = {file.name: sha256_of(file.path) for file in files}
    identity = {"version": _VERSION, "settings": asdict(settings), "texts": checksums}
    lock = folder.absolute().with_name(f".{folder.absolute().name}.lock")
    with locked(folder, lock), told_of_writing(folder):
        return _trained(files, folder, identity, settings, workers, progress)


def _trained(
    files: Sequence[TextFile],
    folder: Path,
    identity: dict[str, Any],
    settings: EmbeddingSettings,
    workers: int,
    progress: Progress,
) -> dict[str, Any]:
    """The manifest, once all that it tells of is there."""
    manifest = _begin(folder, identity)
    names = [*VECTOR_FILES.values(), LEXICON_FILE]
    work = folder / "work"
    if manifest["complete"] and all((folder / name).is_file() for name in names):
        shutil.rmtree(work, ignore_errors=True)  # of a run that was killed at its very end
        return manifest
    _prepare(files, work, settings, workers, progress)
    vocabularies = {kind: read_vocabulary(work / f"{kind}.tsv") for kind in KINDS}
    if not all(vocabularies.values()):
        shutil.rmtree(work)  # so that the same folder takes the next try
        (folder / _MANIFEST).unlink()
        raise InputError(
            f"no token stands {settings.min_count} times in the text: give more of it, or a lower"
            " min_count"
        )
    for kind in KINDS:
        if not (folder / VECTOR_FILES[kind]).is_file():
            train_vectors(
                work / f"{kind}.txt",
                vocabularies[kind],
                folder / VECTOR_FILES[kind],
                settings,
                workers=workers,
                progress=lambda done, kind=kind: progress(done, settings.epochs, kind),  # type: ignore[misc]
            )
    counts = {kind: len(vocabulary) for kind, vocabulary in vocabularies.items()}
    words = _write_lexicon(files, folder, settings, progress)
    manifest = {**identity, "complete": True, "vectors": counts, "lexicon": words}
    write_json(folder / _MANIFEST, manifest)
    shutil.rmtree(work)
    return manifest


def _prepare(
    files: Sequence[TextFile],
    work: Path,
    settings: EmbeddingSettings,
    workers: int,
    progress: Progress,
) -> None:
    """Segment the text once; a folder that has its name is whole."""
    if work.is_dir():
        return
    fresh = work.with_name(".work.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    total = sum(file.path.stat().st_size for file in files)
    processes = min(workers, -(-total // BLOCK_BYTES) or 1)
    blocks = run(files, blocks_of, Cut(settings.share), processes=processes)
    write_corpora(blocks, fresh, settings, lambda done: progress(done, total, "segmenting"))
    fresh.rename(work)


def _write_lexicon(
    files: Sequence[TextFile], folder: Path, settings: EmbeddingSettings, progress: Progress
) -> int:
    """Count the words that have a vector; how many there are."""
    total = sum(file.path.stat().st_size for file in files)
    words = load_vectors(folder / VECTOR_FILES["words"]).words
    kept = [w for w in words if is_lexicon_word(w) and any(c.isalnum() for c in w)]

    def lines() -> Iterator[str]:
        for block in (block for file in files for block in blocks_of(file)):
            yield from lines_of(block, settings.share)
            progress(block.position, total, "counting")

    with beside(folder / LEXICON_FILE) as fresh:
        Lexicon(kept).counted(lines()).save(fresh)
    return len(kept)


def _begin(folder: Path, identity: dict[str, Any]) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: holds other files; choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _MANIFEST, begun := {**identity, "complete": False})
        return begun
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        before = {"version": 1, **manifest}
        same = {key: before[key] for key in identity} == identity
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error}): delete the folder") from error
    if not same:
        raise InputError(
            f"{folder}: holds a run on other texts or settings, or of an earlier version: choose"
            " another folder, or delete it"
        )
    return manifest
