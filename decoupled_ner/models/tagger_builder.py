"""A new tagger from a recipe: which parts it has, and where their first weights come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from decoupled_ner.labels import LabelSet
from decoupled_ner.models.embeddings import (
    LEXICON_FILE,
    VECTOR_FILES,
    Vectors,
    Vocabulary,
    load_vectors,
)
from decoupled_ner.models.encoder import encoder_settings, load_encoder, load_tokenizer
from decoupled_ner.models.lexicon import Lexicon, is_lexicon_word
from decoupled_ner.models.pieces import bigrams
from decoupled_ner.models.recurrent import RecurrentKind
from decoupled_ner.models.tagger import TaggerConfig, TaggerModel
from decoupled_ner.models.tagger_inputs import TaggerInputs
from decoupled_ner.models.tags import TaggerScheme
from decoupled_ner.models.units import UnitKind, split_units
from decoupled_ner.types import InputError

#: Units, bigrams and characters that training has less often share the vector of the unknown,
#: which would otherwise never be trained.
_MIN_COUNT = 2

Input = Literal["encoder", "units", "bigrams", "characters", "lexicon"]


@dataclass(frozen=True)
class TaggerRecipe:
    """The parts of a tagger, as they stand in YAML. An input is there when its encoder, its
    vectors or its ``dim`` is given.

    Attributes:
        encoder: hub id, directory or bundled name.
        encoder_dropout: inside the encoder; None keeps the encoder's own setting.
        frozen: inputs that training leaves as they are; ``encoder`` for feature extraction.
        units: ``word``, ``character`` or ``whitespace`` (`units.UnitKind`).
        scheme: ``BIOES`` or ``BIO``.
        embeddings: a folder that ``decoupled-ner embeddings train`` wrote: its files are
            ``unit_vectors``, ``bigram_vectors``, ``lexicon_vectors`` and ``lexicon`` where these
            are not given.
        unit_vectors, unit_dim: a file of vectors of units (characters in Chinese, words in
            English), or the size of random ones.
        bigram_vectors, bigram_dim: the same for each unit with the one behind it.
        max_vectors: read only so many units' and bigrams' vectors, the first of the file.
        character_dim, character_filters, character_width, character_types: the character CNN.
        lexicon: a file of ``word`` or ``word TAB frequency`` lines for SoftLexicon. By default the
            words of ``lexicon_vectors``. Counts on the training texts are added to the frequencies.
        lexicon_vectors, lexicon_dim: a file of word vectors, or the size of random ones.
        recurrent, recurrent_size, recurrent_layers, head, sum_directions, dropout, max_tokens: as
            in `TaggerConfig`.
    """

    encoder: str | None = None
    encoder_dropout: float | None = None
    frozen: Sequence[Input] = ()
    units: UnitKind = "word"
    scheme: TaggerScheme = "BIOES"
    embeddings: str | None = None
    unit_vectors: str | None = None
    unit_dim: int = 0
    bigram_vectors: str | None = None
    bigram_dim: int = 0
    max_vectors: int | None = None
    character_dim: int = 0
    character_filters: int = 50
    character_width: int = 3
    character_types: bool = False
    lexicon: str | None = None
    lexicon_vectors: str | None = None
    lexicon_dim: int = 0
    recurrent: RecurrentKind | Literal["none"] = "none"
    recurrent_size: int = 128
    recurrent_layers: int = 1
    head: Literal["fc", "crf"] = "fc"
    sum_directions: bool = False
    dropout: float = 0.1
    max_tokens: int = 256


@dataclass(frozen=True)
class _Table:
    """An embedding's size, and vectors for some of its items."""

    dim: int
    vectors: Vectors | None

    @classmethod
    def of(cls, path: str | None, dim: int, limit: int | None) -> _Table:
        if path is None:
            return cls(dim, None)
        vectors = load_vectors(path, limit)
        found = vectors.matrix.shape[1]
        if dim not in (0, found):
            raise InputError(f"{path}: vectors of {found} values, not {dim}; leave out the size")
        return cls(found, vectors)

    def vocabulary(self, items: Sequence[str]) -> Vocabulary:
        known = self.vectors.words if self.vectors else ()
        return Vocabulary([*Vocabulary.of(items, _MIN_COUNT).items, *known])

    def fill(self, module: nn.Module | None, items: Sequence[str], seed: int) -> None:
        """Put the vectors into the table's last rows, one an item."""
        if self.vectors is None or module is None:
            return
        rows = torch.from_numpy(self.vectors.rows_for(items, np.random.default_rng(seed)))
        assert isinstance(module.weight, nn.Parameter)
        with torch.no_grad():
            module.weight[-len(items) :] = rows


def build_tagger(
    recipe: TaggerRecipe, labels: LabelSet, texts: Sequence[str], seed: int = 1
) -> tuple[TaggerModel, TaggerInputs]:
    """An untrained tagger in eval mode.

    Args:
        recipe: its parts.
        labels: the entity types.
        texts: the training texts, never dev or test: vocabularies and frequencies come from them.
        seed: of the random weights; the global generators are left alone.

    Raises:
        InputError: an encoder or a file can't be read, or the parts don't go together.
    """
    recipe = _with_embeddings(recipe)
    if recipe.max_vectors is not None and not (recipe.unit_vectors or recipe.bigram_vectors):
        raise InputError(f"max_vectors={recipe.max_vectors}, and there are no files of vectors")
    unit = _Table.of(recipe.unit_vectors, recipe.unit_dim, recipe.max_vectors)
    bigram = _Table.of(recipe.bigram_vectors, recipe.bigram_dim, recipe.max_vectors)
    word = _Table.of(recipe.lexicon_vectors, recipe.lexicon_dim, None)
    vocabularies = _vocabularies(recipe, unit, bigram, texts)
    lexicon = _lexicon(recipe, word, texts)
    config = _config(recipe, labels, vocabularies, lexicon)
    config.unit_dim, config.bigram_dim, config.lexicon_dim = unit.dim, bigram.dim, word.dim
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if recipe.encoder:
            model = TaggerModel.from_encoder(config, load_encoder(recipe.encoder))
        else:
            model = TaggerModel(config)
    for name, table in (("units", unit), ("bigrams", bigram)):
        if name in vocabularies:
            table.fill(getattr(model, name), vocabularies[name].items, seed)
    if lexicon:
        assert model.lexicon is not None
        word.fill(model.lexicon.bags, lexicon.words, seed)
    tokenizer = load_tokenizer(recipe.encoder) if recipe.encoder else None
    return model.train(False), TaggerInputs(config, tokenizer, vocabularies, lexicon)


def _with_embeddings(recipe: TaggerRecipe) -> TaggerRecipe:
    """The recipe with the files of its folder of embeddings."""
    if recipe.embeddings is None:
        return recipe
    folder = Path(recipe.embeddings)
    if not (folder / LEXICON_FILE).is_file():
        raise InputError(
            f"{folder}: no static embeddings there; train them with `decoupled-ner embeddings"
            f" train --output {folder}`, or name their folder with --model.parts.embeddings"
        )
    files = {kind: str(folder / name) for kind, name in VECTOR_FILES.items()}
    return replace(
        recipe,
        unit_vectors=recipe.unit_vectors or files["characters"],
        bigram_vectors=recipe.bigram_vectors or files["bigrams"],
        lexicon_vectors=recipe.lexicon_vectors or files["words"],
        lexicon=recipe.lexicon or str(folder / LEXICON_FILE),
    )


def _vocabularies(
    recipe: TaggerRecipe, unit: _Table, bigram: _Table, texts: Sequence[str]
) -> dict[str, Vocabulary]:
    found = {}
    words = [[text[a:b] for a, b in split_units(text, recipe.units).tolist()] for text in texts]
    if unit.dim:
        found["units"] = unit.vocabulary([word for row in words for word in row])
    if bigram.dim:
        found["bigrams"] = bigram.vocabulary([pair for row in words for pair in bigrams(row)])
    if recipe.character_dim:
        every = (character for row in words for word in row for character in word)
        found["characters"] = Vocabulary.of(every, _MIN_COUNT)
    return found


def _lexicon(recipe: TaggerRecipe, word: _Table, texts: Sequence[str]) -> Lexicon | None:
    if not word.dim:
        if recipe.lexicon:
            raise InputError("a lexicon needs vectors: give lexicon_vectors or lexicon_dim")
        return None
    if recipe.lexicon:
        return Lexicon.load(Path(recipe.lexicon)).counted(texts)
    if word.vectors is None:
        raise InputError("SoftLexicon needs words: give lexicon or lexicon_vectors")
    return Lexicon([w for w in word.vectors.words if is_lexicon_word(w)]).counted(texts)


def _config(
    recipe: TaggerRecipe,
    labels: LabelSet,
    vocabularies: dict[str, Vocabulary],
    lexicon: Lexicon | None,
) -> TaggerConfig:
    sizes = {name: len(vocabulary) for name, vocabulary in vocabularies.items()}
    copied = (
        "units scheme character_dim character_filters character_width character_types recurrent"
        " recurrent_size recurrent_layers head sum_directions dropout max_tokens"
    )
    return TaggerConfig(
        labels=list(labels.names),
        encoder=_encoder_config(recipe),
        frozen=list(recipe.frozen),
        unit_vocabulary=sizes.get("units", 0),
        bigram_vocabulary=sizes.get("bigrams", 0),
        character_vocabulary=sizes.get("characters", 0),
        lexicon_words=len(lexicon) if lexicon else 0,
        **{name: getattr(recipe, name) for name in copied.split()},
    )


def _encoder_config(recipe: TaggerRecipe) -> dict[str, Any] | None:
    if recipe.encoder is None:
        if recipe.encoder_dropout is not None:
            raise InputError(f"encoder_dropout={recipe.encoder_dropout}, and there is no encoder")
        return None
    return encoder_settings(recipe.encoder, recipe.encoder_dropout)
