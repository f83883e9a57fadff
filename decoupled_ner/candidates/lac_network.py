"""The LAC network that jieba carries (``jieba/lac_small``), read and run with numpy alone.

A character embedding, two bidirectional GRU layers, a linear layer and a CRF tag each character
with a part of speech or an entity type and its place in the word (``n-B``, ``PER-I``…). jieba
itself needs PaddlePaddle 1.x to run it. Architecture: ``jieba/lac_small/nets.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

# OpenBLAS leaves products of up to 2^18 multiplications to one thread. Larger ones it shares out,
# which for the many small ones here is a hundred times as slow where the cores are busy; so all
# products are done in blocks of that size, which costs next to nothing.
_ONE_THREAD = 2**18
_COLUMNS = 128
_GROUP = 16  # texts whose states are computed together: 16 × 128 by 128 × 128


def read_paddle_tensor(path: Path) -> Floats:
    """A float32 tensor as ``paddle.fluid.io.save_vars`` writes it.

    Layout, little endian: u32 version, u64 number of LoD levels (none here), u32 version, i32 size
    of a protobuf ``TensorDesc`` (field 1: data type, field 2: dimensions), the values.

    Raises:
        ValueError: the file is anything else.
    """
    data = path.read_bytes()
    size = int.from_bytes(data[16:20], "little")
    fields = list(_varints(data[20 : 20 + size]))
    if data[4:12] != bytes(8) or fields[:2] != [8, 5]:  # no LoD; field 1 holds 5: float32
        raise ValueError(f"{path} is not a plain float32 tensor of PaddlePaddle")
    return np.frombuffer(data, dtype="<f4", offset=20 + size).reshape(fields[3::2])


def _varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


class _Linear:
    """``x W + b`` in blocks."""

    def __init__(self, weight: Floats, bias: Floats) -> None:
        self._bias = bias
        self._blocks = [
            (first, np.ascontiguousarray(weight[:, first : first + _COLUMNS]))
            for first in range(0, weight.shape[1], _COLUMNS)
        ]

    def __call__(self, inputs: Floats) -> Floats:
        """… × input to … × output."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        result = np.empty((len(rows), len(self._bias)), dtype=np.float32)
        step = _ONE_THREAD // (rows.shape[1] * _COLUMNS)
        # A last block of one row would be a matrix by a vector, which is shared out: take two.
        starts = (max(min(first, len(rows) - 2), 0) for first in range(0, len(rows), step))
        for first in starts:
            block = rows[first : first + step]
            for column, weight in self._blocks:
                result[first : first + step, column : column + _COLUMNS] = block @ weight
        result += self._bias
        return result.reshape(*inputs.shape[:-1], -1)


class _Gru:
    """One direction of a GRU layer: paddle's ``fc`` and ``dynamic_gru``.

    With input x and state h: update u and reset r are σ(x_ur + h W_ur), the candidate c is
    tanh(x_c + (r h) W_c) and the new state (1 - u) h + u c. torch's GRU multiplies by r after W_c.
    """

    def __init__(self, weights: dict[str, Floats], number: int) -> None:
        recurrent = weights[f"gru_{number}.w_0"]  # hidden × 3 hidden, but see below
        self.hidden = hidden = recurrent.shape[0]
        bias = weights[f"fc_{number}.b_0"] + weights[f"gru_{number}.b_0"][0]
        # What inputs, … × input, contribute to gates and candidate, … × 3 hidden.
        self.project = _Linear(weights[f"fc_{number}.w_0"], bias)
        # In memory the gates' matrix comes first, the candidate's after it.
        gates, candidate = np.split(recurrent.ravel(), [2 * hidden * hidden])
        update, reset = np.split(gates.reshape(hidden, 2 * hidden), 2, axis=1)
        self._update_weight = np.ascontiguousarray(update)
        self._reset_weight = np.ascontiguousarray(reset)
        self._candidate_weight = candidate.reshape(hidden, hidden)

    def states(self, projected: Floats, mask: Floats, backwards: bool) -> Floats:
        """States, time × batch × hidden, of projected inputs, time × batch × 3 hidden.

        The mask, time × batch × 1, is 0 at padding, which comes after a text's end: going
        backwards, the state stays zero up to there.
        """
        batch = projected.shape[1]
        groups = [
            self._group_states(projected[:, first:after], mask[:, first:after], backwards)
            for first, after in pairwise([*range(0, batch, _GROUP), batch])
        ]
        return np.concatenate(groups, axis=1)

    def _group_states(self, projected: Floats, mask: Floats, backwards: bool) -> Floats:
        steps, batch, _ = projected.shape
        h = self.hidden
        states = np.empty((steps, batch, h), dtype=np.float32)
        state = np.zeros((batch, h), dtype=np.float32)
        for step in range(steps - 1, -1, -1) if backwards else range(steps):
            x = projected[step]
            update = _sigmoid(x[:, :h] + state @ self._update_weight)
            reset = _sigmoid(x[:, h : 2 * h] + state @ self._reset_weight)
            candidate = np.tanh(x[:, 2 * h :] + (reset * state) @ self._candidate_weight)
            state = (state + update * (candidate - state)) * mask[step]
            states[step] = state
        return states


def _sigmoid(x: Floats) -> Floats:
    """σ by way of tanh, which can't overflow."""
    half = np.float32(0.5)
    y: Floats = np.tanh(x * half) * half + half
    return y


class LacNetwork:
    """Tags the characters of texts.

    Args:
        directory: ``word.dic``, ``tag.dic`` and ``model_baseline``, as in ``jieba/lac_small``.
    """

    def __init__(self, directory: Path) -> None:
        self.tags = [tag for _, tag in _rows(directory / "tag.dic")]
        self._ids = {character: int(number) for number, character in _rows(directory / "word.dic")}
        files = (directory / "model_baseline").iterdir()
        weights = {path.name: read_paddle_tensor(path) for path in files}
        self._embedding = weights["word_emb"]
        self._layers = [(_Gru(weights, 0), _Gru(weights, 1)), (_Gru(weights, 2), _Gru(weights, 3))]
        self._output = _Linear(weights["fc_4.w_0"], weights["fc_4.b_0"])
        # crfw's rows: from the start, to the end, then from each tag.
        self._first, self._last, transition = np.split(weights["crfw"], [1, 2])
        self._to_from = np.ascontiguousarray(transition.T)

    def tag(self, texts: Sequence[str]) -> list[list[str]]:
        """The tag of each character; the texts are not empty and padded to the longest."""
        ids, lengths = self._encode(texts)
        mask = (np.arange(len(ids))[:, None] < lengths).astype(np.float32)[:, :, None]
        distinct, places = np.unique(ids, return_inverse=True)  # a batch repeats its characters
        characters = self._embedding[distinct]
        first = [gru.project(characters)[places.reshape(ids.shape)] for gru in self._layers[0]]
        hidden = self._both_directions(0, first, mask)
        second = [gru.project(hidden) for gru in self._layers[1]]
        hidden = self._both_directions(1, second, mask)
        paths = self._viterbi(self._output(hidden), lengths)
        return [
            [self.tags[tag] for tag in paths[:length, column]]
            for column, length in enumerate(lengths)
        ]

    def _both_directions(self, layer: int, projected: Sequence[Floats], mask: Floats) -> Floats:
        """States of a layer's two GRUs side by side, time × batch × 2 hidden."""
        forwards, backwards = self._layers[layer]
        both = (
            forwards.states(projected[0], mask, backwards=False),
            backwards.states(projected[1], mask, backwards=True),
        )
        return np.concatenate(both, axis=2)

    def _encode(self, texts: Sequence[str]) -> tuple[Ints, Ints]:
        unknown = self._ids["OOV"]
        lengths = np.array([len(text) for text in texts])
        ids = np.full((lengths.max(), len(texts)), unknown)
        for column, text in enumerate(texts):
            ids[: len(text), column] = [self._ids.get(c, unknown) for c in text]
        return ids, lengths

    def _viterbi(self, emissions: Floats, lengths: Ints) -> Ints:
        """The best tags, time × batch, of emissions, time × batch × tags; any at padding."""
        scores = np.empty_like(emissions)  # of the best path up to a step and tag
        scores[0] = self._first + emissions[0]
        for step in range(1, len(emissions)):
            paths = scores[step - 1][:, None, :] + self._to_from  # batch × to × from
            scores[step] = paths.max(axis=2) + emissions[step]
        best = (scores[lengths - 1, np.arange(len(lengths))] + self._last).argmax(axis=1)
        path = np.empty(scores.shape[:2], dtype=np.intp)
        for step in range(len(scores) - 1, -1, -1):
            if step + 1 < len(scores):
                before = (scores[step] + self._to_from[path[step + 1]]).argmax(axis=1)
                path[step] = np.where(lengths == step + 1, best, before)
            else:
                path[step] = best
        return path


def _rows(path: Path) -> list[list[str]]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")]
    return [row for row in rows if len(row) == 2]
