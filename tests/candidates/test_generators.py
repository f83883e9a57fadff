"""What each generator proposes."""

import pytest

from decoupled_ner.candidates import (
    DictionaryNames,
    JiebaNouns,
    LacEntities,
    MergedNeighbours,
    NameVariants,
    NGrams,
    WordNGrams,
    word_based,
)
from decoupled_ner.candidates.words import Word
from decoupled_ner.types import InputError


def mentions(generator, text):
    return [region.text_of(text) for region in generator.propose(text)]


@pytest.fixture
def words(monkeypatch):
    """Lets a test say which words the segmenter finds: ``text/tag`` parted by spaces."""

    def give(tagged):
        pairs = [pair.rsplit("/", 1) for pair in tagged.split()]
        text, found = "", []
        for word, tag in pairs:
            found.append(Word(len(text), len(text) + len(word), tag))
            text += word

        class Given:
            def words_batch(self, texts):
                return [tuple(found) for _ in texts]

        monkeypatch.setattr(word_based, "segmenter_named", lambda name, model: Given())
        return text

    return give


def test_nouns():
    assert mentions(JiebaNouns(), "我爱北京天安门") == ["北京", "天安门"]
    assert mentions(JiebaNouns(["r"]), "我爱北京天安门") == ["我"]


def test_lac_entities():
    text = "李宁去北京大学开会,1998年离开"
    assert mentions(LacEntities(["PER", "LOC", "ORG"]), text) == ["李宁", "北京大学"]
    assert "1998年" in mentions(LacEntities(["TIME"]), text)


def test_merged_neighbours_are_runs_of_fitting_words(words):
    text = words("宁波/ns 海曙/nr 美容/n 去/v 工作室/n 上海/ns")
    assert mentions(MergedNeighbours(), text) == [
        "宁波海曙",
        "宁波海曙美容",
        "海曙美容",
        "工作室上海",
    ]
    assert mentions(MergedNeighbours(max_words=2), text) == ["宁波海曙", "海曙美容", "工作室上海"]
    assert mentions(MergedNeighbours(max_length=4), text) == ["宁波海曙", "海曙美容"]
    assert mentions(MergedNeighbours(tags=["n", "ns"]), text) == ["工作室上海"]


def test_variants_differ_by_one_character(words):
    text = words("见/v 杨素/nr 晗/g ，/x 中美/ns")
    assert mentions(NameVariants(), text) == ["见杨素", "杨", "杨素晗", "素", "中", "美"]
    assert mentions(NameVariants(max_length=1), text) == []


def test_dictionary_names():
    text = "泰国政府的马克思主义"
    assert {"泰国", "泰国政府", "泰", "马克思"} <= set(mentions(DictionaryNames(), text))
    assert mentions(DictionaryNames(["ns", "nt"], min_length=2), text) == ["泰国", "泰国政府"]


def test_ngrams_of_characters_and_words():
    assert mentions(NGrams(2), "中国，New York") == ["中", "中国", "国", "New", "New York", "York"]
    assert "侯赛因·奥" in mentions(NGrams(4), "侯赛因·奥")
    assert mentions(NGrams(3, max_length=2), "a bc") == ["a", "bc"]


def test_combining_marks_belong_to_their_letters():
    jose = "Jose\u0301"
    assert mentions(WordNGrams(), f"President {jose} spoke") == [
        "President", f"President {jose}", jose,
    ]  # fmt: skip
    assert mentions(NGrams(1), f"{jose}s भारतीय 字\u0301字") == [
        f"{jose}s", "भारतीय", "字\u0301", "字",
    ]  # fmt: skip
    assert mentions(NGrams(1), "ที่ไทย") == ["ที่", "ไ", "ท", "ย"]


def test_names_stand_before_a_genitive():
    assert mentions(WordNGrams(), "in Peter's house") == ["Peter", "Peter's"]
    assert mentions(WordNGrams(), "Ann Smith’s") == [
        "Ann", "Ann Smith", "Ann Smith’s", "Smith", "Smith’s",
    ]  # fmt: skip
    assert mentions(WordNGrams(), "X's") == ["X", "X's"]


def test_word_ngrams_are_runs_of_capitalised_words():
    text = "The Bank of China Ltd. opened in 1996 ."
    found = mentions(WordNGrams(), text)
    assert {"Bank of China", "Bank of China Ltd.", "Bank of China Ltd", "China", "1996"} <= set(
        found
    )
    assert not any(m.startswith("of") or m.endswith("of") or "opened" in m for m in found)
    assert mentions(WordNGrams(max_words=2), "A B (C)") == ["A", "A B", "B", "B (C", "C"]
    assert mentions(WordNGrams(connectors=[]), "Bank of China") == ["Bank", "China"]
    assert mentions(WordNGrams(max_length=4), "Bank Of U.S. rules") == ["Bank", "Of", "U.S", "U.S."]


@pytest.mark.parametrize(
    "build",
    [
        lambda: MergedNeighbours(max_words=1),
        lambda: MergedNeighbours(segmenter="ltp"),
        lambda: NameVariants(max_length=0),
        lambda: NGrams(0),
        lambda: WordNGrams(max_words=0),
        lambda: DictionaryNames(min_length=0),
        lambda: JiebaNouns(tags=[]),
    ],
)
def test_mistakes(build):
    with pytest.raises(InputError):
        build()
