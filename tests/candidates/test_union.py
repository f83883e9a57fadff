import pytest

from decoupled_ner.candidates import NGrams, Union, generator_from_config, to_config
from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.types import Candidate, InputError, Region


class Fixed(CandidateGenerator):
    """Proposes the same ranges of every text."""

    def __init__(self, name, *ranges):
        self.name = name
        self.regions = [Region(*pair) for pair in ranges]
        self.batches = []

    def propose(self, text):
        return [region for region in self.regions if region.end <= len(text)]

    def propose_batch(self, texts):
        self.batches.append(len(texts))
        return [self.propose(text) for text in texts]

    def init_args(self):
        return {}


def test_regions_once_with_all_sources():
    union = Union([Fixed("b", (0, 1), (2, 4)), Fixed("a", (2, 4))])
    expected = [Candidate(0, 1, ("b",)), Candidate(2, 4, ("a", "b"))]
    assert union.candidates("abcd") == expected
    assert union.candidates_batch(["abcd", "", "a"]) == [expected, [], [expected[0]]]
    assert union.propose("abcd") == [Region(0, 1), Region(2, 4)]


def test_length_limit():
    assert Union([Fixed("a", (0, 1), (0, 3))], max_length=2).propose("abcd") == [Region(0, 1)]


def test_a_union_of_unions_keeps_the_sources():
    inner = Union([Fixed("a", (0, 1), (0, 3)), Fixed("b", (0, 1))], max_length=2)
    found = Union([inner, Fixed("c", (0, 1), (0, 3))]).candidates("abcd")
    assert found == [Candidate(0, 1, ("a", "b", "c")), Candidate(0, 3, ("c",))]


def test_texts_come_in_chunks_that_segmenters_remember():
    one = Fixed("a", (0, 1))
    texts = ["x" * 60_000] * 3 + ["y" * 150_000, "z"]
    assert len(Union([one]).candidates_batch(texts)) == 5
    assert one.batches == [1, 1, 1, 1, 1]
    one.batches.clear()
    Union([one]).candidates_batch(["x" * 10] * 1000)
    assert one.batches == [1000]


@pytest.mark.parametrize("generators", [[], [NGrams(), NGrams(2)]])
def test_generators_need_different_names(generators):
    with pytest.raises(InputError, match="different names"):
        Union(generators)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class_path": "os.system", "init_args": {}}, "no candidate generator"),
        ({"class_path": "decoupled_ner.candidates.registry", "init_args": {}}, "choose one of"),
        ({"class_path": "decoupled_ner.candidates.NGrams", "init_args": {"n": 3}}, "NGrams"),
        (
            {"class_path": "decoupled_ner.candidates.Union", "init_args": {"generators": [3]}},
            "got 3",
        ),
        ({"init_args": {}}, "class_path"),
        ("jieba", "class_path"),
    ],
)
def test_only_known_generators_are_built(config, message):
    with pytest.raises(InputError, match=message):
        generator_from_config(config)


def test_foreign_generators_have_no_configuration():
    with pytest.raises(InputError, match="Fixed"):
        to_config(Fixed("a"))


def test_unknown_names_of_the_package():
    from decoupled_ner import candidates

    with pytest.raises(AttributeError, match="Nouns"):
        _ = candidates.Nouns
    assert set(candidates.__all__) <= set(dir(candidates))
    assert all(getattr(candidates, name).__name__ == name for name in candidates.__all__)
