"""Training vectors with gensim, one epoch at a time, so that a run that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from decoupled_ner.data.embeddings.settings import EmbeddingSettings
from decoupled_ner.disk import beside
from decoupled_ner.types import InputError


def train_vectors(
    corpus: Path,
    counts: Mapping[str, int],
    output: Path,
    settings: EmbeddingSettings,
    *,
    workers: int,
    progress: Callable[[int], None],
) -> None:
    """Write the vectors of ``counts`` in word2vec's binary format. The state after each epoch lies
    beside the corpus; with one worker a resumed run gives the vectors of an uninterrupted one.

    Args:
        corpus: tokens with spaces between them.
        progress: told how many epochs are done.
    """
    model = _model(counts, settings, workers)
    state = corpus.with_suffix(".npz")
    words = _tokens_in(corpus)
    for epoch in range(_resume(model, state), settings.epochs):
        progress(epoch)
        # What is random in an epoch does not depend on the epochs before it.
        model.random = np.random.RandomState((settings.seed * 10_007 + epoch) % 2**32)
        start, end = (_rate(settings, done) for done in (epoch, epoch + 1))
        model.min_alpha_yet_reached = start
        model.train(
            corpus_file=str(corpus), total_words=words, epochs=1, start_alpha=start, end_alpha=end
        )
        _save(model, epoch + 1, state)
    with beside(output) as fresh:
        model.wv.save_word2vec_format(str(fresh), binary=True)
    progress(settings.epochs)


def _tokens_in(corpus: Path) -> int:
    """All tokens, rare ones too: gensim reads a file until it has seen so many, of whatever kind,
    and what it is not told of it leaves unread at the end."""
    with corpus.open("rb") as lines:
        return sum(len(line.split()) for line in lines)


def require_gensim() -> None:
    """Check that gensim is there.

    Raises:
        InputError: it is not installed.
    """
    try:
        import gensim  # noqa: F401
    except ImportError as error:
        raise InputError(
            "static embeddings need gensim: pip install 'decoupled-ner[embeddings]'"
        ) from error


def _model(counts: Mapping[str, int], settings: EmbeddingSettings, workers: int) -> Any:
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=settings.dim,
        window=settings.window,
        min_count=1,  # the counts have been cut already
        sample=settings.sample,
        negative=settings.negative,
        sg=1,
        seed=settings.seed,
        workers=workers,
    )
    model.build_vocab_from_freq(dict(counts))
    return model


def _rate(settings: EmbeddingSettings, done: int) -> float:
    lowest = settings.lr / 250  # word2vec's own end
    return settings.lr - (settings.lr - lowest) * done / settings.epochs


def _save(model: Any, epoch: int, path: Path) -> None:
    with beside(path) as fresh, fresh.open("wb") as file:
        np.savez(file, epoch=epoch, vectors=model.wv.vectors, contexts=model.syn1neg)


def _resume(model: Any, path: Path) -> int:
    """The epochs that are done; their weights are put into the model."""
    if not path.is_file():
        return 0
    with np.load(path, allow_pickle=False) as state:
        model.wv.vectors[:] = state["vectors"]
        model.syn1neg[:] = state["contexts"]
        return int(state["epoch"])
