"""Recurrent layers and the character CNN against plain computations without padding."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from decoupled_ner.models.characters import CharacterCNN, character_type
from decoupled_ner.models.recurrent import RecurrentKind, RecurrentLayers, SummedDirections
from decoupled_ner.types import InputError

LENGTHS = [5, 2, 1]


@pytest.mark.parametrize("kind", get_args(RecurrentKind))
@pytest.mark.parametrize("layers", [1, 2])
def test_padding_is_never_read(kind: RecurrentKind, layers: int) -> None:
    torch.manual_seed(0)
    module = RecurrentLayers(kind, 3, 4, layers)
    vectors = torch.randn(3, 7, 3)
    mask = torch.arange(7) < torch.tensor(LENGTHS).unsqueeze(1)
    found = module(vectors, mask)
    assert found.shape == (3, 7, module.output_size)
    for row, length in enumerate(LENGTHS):
        plain, _ = module.layers(vectors[row : row + 1, :length])
        torch.testing.assert_close(found[row, :length], plain[0])
        assert not found[row, length:].any()


@pytest.mark.parametrize("kind", get_args(RecurrentKind))
@pytest.mark.parametrize("lengths", [[4], [4, 4], [4, 2]])
def test_float32_under_autocast(kind: RecurrentKind, lengths: list[int]) -> None:
    torch.manual_seed(0)
    module = RecurrentLayers(kind, 3, 4)
    vectors = torch.randn(len(lengths), 4, 3).bfloat16()
    mask = torch.arange(4) < torch.tensor(lengths).unsqueeze(1)
    with torch.autocast("cpu", torch.bfloat16):
        found = module(vectors, mask)
    torch.testing.assert_close(found, module(vectors.float(), mask))


def test_output_sizes_and_kinds() -> None:
    assert RecurrentLayers("gru", 3, 4).output_size == 4
    assert RecurrentLayers("bigru", 3, 4).output_size == 8
    with pytest.raises(InputError, match="use one of lstm, bilstm, gru, bigru"):
        RecurrentLayers("rnn", 3, 4)  # type: ignore[arg-type]


def test_summed_directions_score_each_direction_by_itself() -> None:
    torch.manual_seed(0)
    scorer = SummedDirections(6, 5)
    hidden = torch.randn(2, 4, 6)
    found = scorer(hidden)
    forwards = scorer.forwards(hidden[..., :3]).log_softmax(-1)
    backwards = scorer.backwards(hidden[..., 3:]).log_softmax(-1)
    torch.testing.assert_close(found, forwards + backwards)


def test_the_halves_of_a_bidirectional_layer_are_its_directions() -> None:
    """What `SummedDirections` relies on: the first half has not seen what follows."""
    torch.manual_seed(0)
    module = RecurrentLayers("bilstm", 3, 4)
    vectors, mask = torch.randn(1, 5, 3), torch.ones(1, 5, dtype=torch.bool)
    changed = vectors.clone()
    changed[0, 3:] += 1
    before, after = module(vectors, mask)[0], module(changed, mask)[0]
    torch.testing.assert_close(before[:3, :4], after[:3, :4])
    assert not torch.allclose(before[:3, 4:], after[:3, 4:])


def test_the_character_cnn_is_the_maximum_over_the_units_own_characters() -> None:
    torch.manual_seed(0)
    cnn = CharacterCNN(vocabulary=9, dim=3, filters=4, width=3, types=True)
    characters = torch.tensor([[[2, 3, 4, 0, 0, 0], [5, 0, 0, 0, 0, 0]]])
    types = torch.tensor([[[1, 2, 2, 0, 0, 0], [4, 0, 0, 0, 0, 0]]])
    found = cnn(characters, types)
    assert found.shape == (1, 2, 4)
    assert cnn.types is not None
    for unit, length in enumerate([3, 1]):
        own = slice(None, length)
        vectors = torch.cat(
            [cnn.characters(characters[0, unit, own]), cnn.types(types[0, unit, own])], -1
        )
        wanted = cnn.convolution(vectors.T.unsqueeze(0)).amax(2)[0]
        torch.testing.assert_close(found[0, unit], wanted)


def test_character_types() -> None:
    assert [character_type(c) for c in "Aa1中，😀"] == [1, 2, 4, 4, 3, 3]
