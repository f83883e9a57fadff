"""The network against a plain reimplementation on a tiny random model, and on real sentences."""

from itertools import pairwise, product

import numpy as np
import pytest

from decoupled_ner.candidates.lac_network import LacNetwork, read_paddle_tensor
from decoupled_ner.candidates.lac_words import LacWords, lac_words

HIDDEN, EMBEDDING, TAGS = 3, 4, ["n-B", "n-I", "O"]


def varint(number):
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def paddle_bytes(array):
    header = b"\x08\x05" + b"".join(b"\x10" + varint(size) for size in array.shape)
    lengths = bytes(4) + bytes(8) + bytes(4) + len(header).to_bytes(4, "little")
    return lengths + header + array.astype("<f4").tobytes()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder like ``jieba/lac_small`` and the weights in it."""
    folder = tmp_path_factory.mktemp("lac")
    vocabulary = [*"北京大学", "OOV"]
    (folder / "word.dic").write_text("".join(f"{i}\t{c}\n" for i, c in enumerate(vocabulary)))
    (folder / "tag.dic").write_text("".join(f"{i}\t{tag}\n" for i, tag in enumerate(TAGS)))
    random = np.random.default_rng(7)
    shapes = {
        "word_emb": (len(vocabulary), EMBEDDING),
        "crfw": (len(TAGS) + 2, len(TAGS)),
        "fc_4.w_0": (2 * HIDDEN, len(TAGS)),
        "fc_4.b_0": (len(TAGS),),
    }
    for number in range(4):
        inputs = EMBEDDING if number < 2 else 2 * HIDDEN
        shapes |= {
            f"fc_{number}.w_0": (inputs, 3 * HIDDEN),
            f"fc_{number}.b_0": (3 * HIDDEN,),
            f"gru_{number}.w_0": (HIDDEN, 3 * HIDDEN),
            f"gru_{number}.b_0": (1, 3 * HIDDEN),
        }
    weights = {name: random.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    (folder / "model_baseline").mkdir()
    for name, array in weights.items():
        (folder / "model_baseline" / name).write_bytes(paddle_bytes(array))
    return folder, weights, vocabulary


def gru(weights, number, inputs):
    """One direction, one text, as the formulas have it; memory: gates first, then candidate."""
    flat = weights[f"gru_{number}.w_0"].ravel()
    gate_weight = flat[: 2 * HIDDEN**2].reshape(HIDDEN, 2 * HIDDEN)
    candidate_weight = flat[2 * HIDDEN**2 :].reshape(HIDDEN, HIDDEN)
    bias = weights[f"fc_{number}.b_0"] + weights[f"gru_{number}.b_0"][0]
    state, states = np.zeros(HIDDEN), []
    for vector in inputs:
        x = vector @ weights[f"fc_{number}.w_0"] + bias
        gates = 1 / (1 + np.exp(-(x[: 2 * HIDDEN] + state @ gate_weight)))
        update, reset = gates[:HIDDEN], gates[HIDDEN:]
        candidate = np.tanh(x[2 * HIDDEN :] + (reset * state) @ candidate_weight)
        state = (1 - update) * state + update * candidate
        states.append(state)
    return np.array(states)


def best_tags(weights, vocabulary, text):
    """By trying every sequence of tags."""
    ids = [vocabulary.index(c) if c in vocabulary else vocabulary.index("OOV") for c in text]
    hidden = weights["word_emb"][ids]
    for first in (0, 2):
        backwards = gru(weights, first + 1, hidden[::-1])[::-1]
        hidden = np.concatenate([gru(weights, first, hidden), backwards], axis=1)
    emissions = hidden @ weights["fc_4.w_0"] + weights["fc_4.b_0"]
    start, end, *transitions = weights["crfw"]

    def score(path):
        total = start[path[0]] + end[path[-1]]
        total += sum(emissions[step, tag] for step, tag in enumerate(path))
        return total + sum(transitions[a][b] for a, b in pairwise(path))

    best = max(product(range(len(TAGS)), repeat=len(text)), key=score)
    return [TAGS[tag] for tag in best]


def test_network_equals_the_plain_formulas(tiny):
    folder, weights, vocabulary = tiny
    texts = ["北京大学", "学", "大北x", "京京京京京京", "学大"]
    assert LacNetwork(folder).tag(texts) == [best_tags(weights, vocabulary, t) for t in texts]


def test_paddle_tensor(tmp_path):
    array = np.arange(600, dtype="f4").reshape(200, 3)
    (tmp_path / "tensor").write_bytes(paddle_bytes(array))
    np.testing.assert_array_equal(read_paddle_tensor(tmp_path / "tensor"), array)


@pytest.mark.parametrize(("at", "value"), [(4, 1), (21, 6)])  # a LoD level; float64
def test_other_paddle_tensors_are_refused(tmp_path, at, value):
    data = bytearray(paddle_bytes(np.zeros((2, 2))))
    data[at] = value
    (tmp_path / "tensor").write_bytes(data)
    with pytest.raises(ValueError, match="plain float32 tensor"):
        read_paddle_tensor(tmp_path / "tensor")


def tagged(text):
    return [(text[start:end], tag) for start, end, tag in lac_words().words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱北京天安门", [("我", "r"), ("爱", "v"), ("北京", "LOC"), ("天安门", "LOC")]),
        ("习近平访问美国", [("习近平", "PER"), ("访问", "v"), ("美国", "LOC")]),
    ],
)
def test_sentences(text, expected):
    assert tagged(text) == expected


@pytest.mark.parametrize("comma", [",", "，", "、"])
def test_full_width_is_read_as_half_width(comma):
    words = tagged(f"李宁{comma}ＡＢＣ公司")
    assert words == [("李宁", "PER"), (comma, "w"), ("ＡＢＣ公司", "ORG")]


def test_long_texts_are_tagged_as_short_ones_are():
    """Windows end in the middle of words, and no answer shows it."""
    sentence = "李宁在北京大学参加了会议。"
    names = [text for text, tag in tagged(sentence * 60) if tag in {"PER", "LOC", "ORG"}]
    assert names == ["李宁", "北京大学"] * 60


def test_windows_join_where_both_have_seen_what_is_around():
    class Knowing:
        """Tags a character by how near the window's edges are."""

        def tag(self, texts):
            return [[f"n{min(i, len(text) - 1 - i)}-B" for i in range(len(text))] for text in texts]

    for length in (256, 257, 300, 449, 1000):
        words = LacWords(Knowing()).words("字" * length)
        assert len(words) == length
        inner = words[32 : length - 32]
        assert min(int(word.tag[1:]) for word in inner) >= 31


def test_words_end_where_the_kind_changes():
    class Fixed:
        def tag(self, texts):
            return [["PER-I", "PER-I", "LOC-I", "O", "O", "LOC-B", "LOC-B"] for _ in texts]

    words = LacWords(Fixed()).words("一二三四五六七")
    assert [(w.end - w.start, w.tag) for w in words] == [
        (2, "PER"), (1, "LOC"), (1, "O"), (1, "O"), (1, "LOC"), (1, "LOC"),
    ]  # fmt: skip
