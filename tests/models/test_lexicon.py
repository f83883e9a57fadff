"""SoftLexicon against sets and weights worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from decoupled_ner.models.lexicon import NONE, Lexicon, SoftLexiconEmbedding
from decoupled_ner.models.units import split_units
from decoupled_ner.types import InputError

# The example of figure 2 of the paper: c1 … c4 = 中国语言, with five words.
WORDS = ("中国", "国语", "语言", "中国语言", "语", "言")
FREQUENCIES = (10, 2, 6, 1, 4, 3)
TEXT = "中国语言"


def sets_of(lexicon: Lexicon, text: str) -> list[list[dict[str, float]]]:
    """For each unit its B, M, E and S as word → weight."""
    found = lexicon.sets(text, split_units(text, "word"))
    names = ["-none-", *lexicon.words]
    rows, at = [], 0
    for sizes in found.sizes.tolist():
        row = []
        for size in sizes:
            ids, weights = found.words[at : at + size], found.weights[at : at + size]
            row.append({names[i]: float(w) for i, w in zip(ids, weights, strict=True)})
            at += size
        rows.append(row)
    assert at == len(found.words) == len(found.weights)
    return rows


def test_sets_and_weights_of_the_papers_kind_of_example() -> None:
    first, second, third, fourth = sets_of(Lexicon(WORDS, FREQUENCIES), TEXT)
    z = 10 + 1 + 3  # 中国, 中国语言, and one NONE in each of M, E and S
    assert first == [
        pytest.approx({"中国": 40 / z, "中国语言": 4 / z}),
        *[pytest.approx({"-none-": 4 / z})] * 3,
    ]
    z = 2 + 1 + 10 + 1  # B 国语, M 中国语言, E 中国, S nothing
    assert second == [
        pytest.approx({"国语": 8 / z}),
        pytest.approx({"中国语言": 4 / z}),
        pytest.approx({"中国": 40 / z}),
        pytest.approx({"-none-": 4 / z}),
    ]
    z = 6 + 1 + 2 + 4  # B 语言, M 中国语言, E 国语, S 语
    assert third == [
        pytest.approx({"语言": 24 / z}),
        pytest.approx({"中国语言": 4 / z}),
        pytest.approx({"国语": 8 / z}),
        pytest.approx({"语": 16 / z}),
    ]
    z = 1 + 1 + 6 + 1 + 3  # B and M nothing, E 语言 and 中国语言, S 言
    assert fourth == [
        pytest.approx({"-none-": 4 / z}),
        pytest.approx({"-none-": 4 / z}),
        pytest.approx({"语言": 24 / z, "中国语言": 4 / z}),
        pytest.approx({"言": 12 / z}),
    ]


def test_a_word_that_never_occurs_counts_once() -> None:
    (first, _) = sets_of(Lexicon(("中国",)), "中国")
    assert first[0] == pytest.approx({"中国": 1.0})


def test_words_count_only_on_borders_of_units() -> None:
    lexicon = Lexicon(("iphone", "phone", "看i"))
    see, iphone = sets_of(lexicon, "看iphone")
    assert [set(found) for found in iphone] == [{"-none-"}] * 3 + [{"iphone"}]
    assert [set(found) for found in see] == [{"-none-"}] * 4


def test_frequencies_leave_out_words_inside_longer_ones() -> None:
    lexicon = Lexicon(WORDS, FREQUENCIES)
    counted = lexicon.counted(["中国语言", "中国语", "中国"])
    assert lexicon.frequencies.tolist() == list(FREQUENCIES)
    # 中国语言 hides all others in it; of 中国语 both crossing words count and 语 does not.
    assert counted.frequencies.tolist() == [10 + 2, 2 + 1, 6, 1 + 1, 4, 3]


def test_saves_and_loads(tmp_path: Path) -> None:
    lexicon = Lexicon(WORDS, FREQUENCIES)
    lexicon.save(tmp_path / "lexicon.tsv")
    loaded = Lexicon.load(tmp_path / "lexicon.tsv")
    assert loaded.words == lexicon.words and len(loaded) == 7
    assert loaded.frequencies.tolist() == lexicon.frequencies.tolist()
    (tmp_path / "words.txt").write_text("中国\n国语\t2\n国语\t3\n", encoding="utf-8")
    assert Lexicon.load(tmp_path / "words.txt").frequencies.tolist() == [0, 5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "needs words"),
        (("中", "中"), "each once"),
        (("",), "can't be"),
        (("a\tb",), "can't be"),
    ],
)
def test_words_that_make_no_lexicon_are_told(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Lexicon(words)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable lexicon"):
        Lexicon.load(tmp_path / "nothing")
    (tmp_path / "words.tsv").write_bytes("中国".encode("gb18030"))
    with pytest.raises(InputError, match="no readable lexicon"):
        Lexicon.load(tmp_path / "words.tsv")
    for many in ("many", "9" * 30):
        (tmp_path / "words.tsv").write_text(f"中国\t3\n国语\t{many}\n", encoding="utf-8")
        with pytest.raises(InputError, match=rf"words\.tsv:2: '{many}' is no frequency"):
            Lexicon.load(tmp_path / "words.tsv")


def test_the_embedding_is_the_weighted_sum_of_each_set() -> None:
    lexicon = Lexicon(WORDS, FREQUENCIES)
    torch.manual_seed(0)
    embedding = SoftLexiconEmbedding(len(lexicon), 3)
    table = dict(zip(["-none-", *WORDS], embedding.bags.weight.detach(), strict=True))
    found = lexicon.sets(TEXT, split_units(TEXT, "word"))
    sizes = torch.nn.functional.pad(torch.from_numpy(found.sizes), (0, 0, 0, 2))  # two of padding
    vectors = embedding(
        torch.from_numpy(found.words), torch.from_numpy(found.weights), sizes.unsqueeze(0)
    )
    assert vectors.shape == (1, 6, 12)
    for unit, row in enumerate(sets_of(lexicon, TEXT)):
        expected = torch.cat([sum(w * table[word] for word, w in s.items()) for s in row])
        torch.testing.assert_close(vectors[0, unit], expected)
    assert not vectors[0, 4:].any()
    assert NONE == 0
