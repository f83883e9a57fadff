"""Static embeddings: what is counted, files that load, runs that go on, taggers that read them."""

from __future__ import annotations

import gzip
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decoupled_ner.data.distant.engines import run
from decoupled_ner.data.distant.texts import text_files
from decoupled_ner.data.embeddings import EmbeddingSettings, train_embeddings
from decoupled_ner.data.embeddings.corpus import (
    Cut,
    blocks_of,
    read_vocabulary,
    write_corpora,
)
from decoupled_ner.data.embeddings.word2vec import _model, train_vectors
from decoupled_ner.labels import LabelSet
from decoupled_ner.models.embeddings import load_vectors
from decoupled_ner.models.lexicon import Lexicon
from decoupled_ner.models.tagger_builder import TaggerRecipe, build_tagger
from decoupled_ner.types import InputError

LINES = ["我们去北京看长城 👍", "他们去上海看大海", "北京和上海都是 New York 那样的城市", ""] * 30
SETTINGS = EmbeddingSettings(dim=8, epochs=3, min_count=2, sample=0)


@pytest.fixture(autouse=True)
def _gensim() -> None:
    pytest.importorskip("gensim", reason="gensim comes with the extra `embeddings`")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode()))
    return path


def test_what_is_counted(tmp_path: Path) -> None:
    lines = [*LINES[:3], "a" * 4_097]  # more than a word of a file of vectors may have
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    [file] = text_files([tmp_path / "text.txt"])
    cut = [Cut(share=1.0)(block) for block in blocks_of(file)]
    write_corpora(cut, tmp_path, EmbeddingSettings(min_count=1), lambda done: None)
    characters, pairs, words = (
        read_vocabulary(tmp_path / f"{kind}.tsv") for kind in ("characters", "bigrams", "words")
    )
    assert characters["去"] == 2 and characters["New"] == 1 and characters["👍"] == 1
    assert pairs["北京"] == 2 and pairs["城👍"] == 1 and pairs["NewYork"] == 1
    assert words["北京"] == 2 and words["大海"] == 1
    assert not [token for token in [*characters, *pairs, *words] if len(token) > 4_096]
    first = (tmp_path / "characters.txt").read_text(encoding="utf-8").splitlines()[0]
    assert first == "我 们 去 北 京 看 长 城 👍"
    few = EmbeddingSettings(min_count=2, max_vocabulary=3)
    write_corpora(cut, tmp_path, few, lambda done: None)
    assert len(read_vocabulary(tmp_path / "characters.tsv")) == 3


def test_a_run_and_a_tagger_on_it(text: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None, str]] = []
    folder = tmp_path / "vectors"
    manifest = train_embeddings([text], folder, SETTINGS, progress=lambda *what: told.append(what))
    assert sorted(path.name for path in folder.iterdir()) == [
        "bigrams.bin", "characters.bin", "embeddings.json", "lexicon.tsv", "words.bin",
    ]  # fmt: skip
    assert {what for _, _, what in told} == {
        "segmenting", "characters", "bigrams", "words", "counting",
    }  # fmt: skip
    assert all(total and 0 <= done <= total for done, total, _ in told)
    vectors = load_vectors(folder / "words.bin")
    assert vectors.matrix.shape == (manifest["vectors"]["words"], 8)
    lexicon = Lexicon.load(folder / "lexicon.tsv")
    counts = dict(zip(lexicon.words, lexicon.frequencies.tolist(), strict=True))
    assert counts["北京"] == 60 and "👍" not in counts
    model, inputs = build_tagger(
        TaggerRecipe(embeddings=str(folder)), LabelSet(("GPE",)), ["他去北京"]
    )
    assert inputs.lexicon is not None
    index = inputs.lexicon.words.index("北京")
    assert inputs.lexicon.frequencies[index] == 61  # the training text's one is added
    for kind, item, table, row in (
        ("characters", "北", model.units, inputs.vocabularies["units"].id("北")),
        ("bigrams", "北京", model.bigrams, inputs.vocabularies["bigrams"].id("北京")),
        ("words", "北京", model.lexicon.bags, index + 1),
    ):
        words, matrix = load_vectors(folder / f"{kind}.bin")
        np.testing.assert_allclose(
            table.weight[row].detach().numpy(),
            matrix[words.index(item)] / np.linalg.norm(matrix, axis=1).mean(),
            rtol=1e-5,
        )
    assert (model.config.unit_dim, model.config.bigram_dim, model.config.lexicon_dim) == (8, 8, 8)


def test_what_stands_behind_rare_tokens_is_read(tmp_path: Path) -> None:
    rare = (f"r{number}" for number in itertools.count())
    lines = [f"{next(rare)} a b {next(rare)} {next(rare)} a" for _ in range(300)]
    lines += ["y z y z y z"] * 30
    corpus = tmp_path / "words.txt"
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    counts = {"a": 600, "b": 300, "y": 90, "z": 90}
    settings = replace(SETTINGS, epochs=1)
    start = _model(counts, settings, 1).wv
    before = {word: start[word].copy() for word in counts}
    train_vectors(
        corpus, counts, tmp_path / "words.bin", settings, workers=1, progress=lambda done: None
    )
    words, after = load_vectors(tmp_path / "words.bin")
    for word, vector in zip(words, after, strict=True):
        assert not np.array_equal(vector, before[word]), word


def test_a_run_that_was_stopped_gives_the_same(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train_embeddings([text], whole, SETTINGS)

    def stop(done: int, total: int | None, what: str) -> None:
        if (what, done) == ("bigrams", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_embeddings([text], stopped, SETTINGS, progress=stop)
    assert not json.loads((stopped / "embeddings.json").read_text())["complete"]
    seen: list[tuple[str, int]] = []
    train_embeddings([text], stopped, SETTINGS, progress=lambda d, t, w: seen.append((w, d)))
    assert "segmenting" not in {what for what, _ in seen}
    assert [done for what, done in seen if what == "bigrams"] == [2, 3]
    for name in ("characters.bin", "bigrams.bin", "words.bin", "lexicon.tsv"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes(), name
    finished: list[str] = []
    train_embeddings([text], stopped, SETTINGS, progress=lambda d, t, w: finished.append(w))
    assert not finished
    (stopped / "words.bin").unlink()
    train_embeddings([text], stopped, SETTINGS)
    assert (whole / "words.bin").read_bytes() == (stopped / "words.bin").read_bytes()


def test_two_runs_in_one_folder_wait_for_each_other(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_embeddings([text], tmp_path / "alone", SETTINGS)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(train_embeddings, [text], out, SETTINGS) for _ in range(4)]
    assert all(run.result() == runs[0].result() for run in runs)
    for name in ("characters.bin", "lexicon.tsv"):
        assert (tmp_path / "alone" / name).read_bytes() == (out / name).read_bytes(), name


def test_two_processes_cut_as_one(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decoupled_ner.data.embeddings.corpus.BLOCK_BYTES", 256)
    [file] = text_files([text])
    for processes in (1, 2):
        (folder := tmp_path / str(processes)).mkdir()
        blocks = run([file], blocks_of, Cut(share=0.9), processes=processes)
        write_corpora(blocks, folder, SETTINGS, lambda done: None)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in "12")
    assert one == two and len(one) == 6


def test_neighbours_in_text_are_neighbours_in_space(tmp_path: Path) -> None:
    rows = ["a b c d", "a c b d", "x y z w", "x z y w"] * 300
    (tmp_path / "corpus.txt").write_text("\n".join(rows) + "\n")
    counts = dict.fromkeys("abcdxyzw", 600)
    settings = EmbeddingSettings(dim=8, epochs=8, sample=0)
    train_vectors(
        tmp_path / "corpus.txt", counts, tmp_path / "out.bin", settings,
        workers=1, progress=lambda done: None,
    )  # fmt: skip
    words, matrix = load_vectors(tmp_path / "out.bin")
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    near = dict(zip(words, unit @ unit[words.index("b")], strict=True))
    assert min(near[other] for other in "acd") > max(near[other] for other in "xyzw") + 0.05


def test_mistakes_are_told(text: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such text file"):
        train_embeddings([tmp_path / "none.txt"], tmp_path / "out", SETTINGS)
    with pytest.raises(InputError, match="holds other files"):
        train_embeddings([text], tmp_path, SETTINGS)
    with pytest.raises(InputError, match="a lower min_count"):
        train_embeddings([text], tmp_path / "rare", EmbeddingSettings(min_count=10_000))
    with pytest.raises(InputError, match="workers=0 must be at least 1"):
        train_embeddings([text], tmp_path / "none", SETTINGS, workers=0)
    train_embeddings([text], tmp_path / "out", SETTINGS)
    with pytest.raises(InputError, match="other texts or settings"):
        train_embeddings([text], tmp_path / "out", EmbeddingSettings(dim=9))
    with pytest.raises(InputError, match="no static embeddings there; train them with"):
        build_tagger(TaggerRecipe(embeddings=str(tmp_path / "rare")), LabelSet(("GPE",)), ["他"])
    train_embeddings([text], tmp_path / "rare", SETTINGS)  # the remedy works in the same folder
    text.write_bytes(gzip.compress("\n".join(LINES).replace("大", "小").encode()))
    with pytest.raises(InputError, match="other texts or settings"):
        train_embeddings([text], tmp_path / "out", SETTINGS)
    with pytest.raises(InputError, match="share=0"):
        EmbeddingSettings(share=0)
    with pytest.raises(InputError, match="seed=-1 must be from 0"):
        EmbeddingSettings(seed=-1)
    train_embeddings([text], tmp_path / "seed", replace(SETTINGS, epochs=1, seed=20240101))
