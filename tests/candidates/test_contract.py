"""What holds for every generator, on texts that are meant to break them."""

import copy
import pickle

import pytest
from hypothesis import given, settings

from decoupled_ner.candidates import (
    CandidateGenerator,
    DictionaryNames,
    GazetteerMatches,
    JiebaNouns,
    LacEntities,
    MergedNeighbours,
    NameVariants,
    NGrams,
    Union,
    WordNGrams,
    generator_from_config,
    to_config,
)
from decoupled_ner.types import Region

from .strategies import NASTY, texts

GENERATORS = [
    JiebaNouns(),
    LacEntities(tags=["PER", "LOC", "ORG"]),
    MergedNeighbours(max_words=3),
    MergedNeighbours("lac", max_length=8),
    DictionaryNames(min_length=2),
    NameVariants(),
    NameVariants("lac", max_length=3),
    NGrams(max_units=3),
    WordNGrams(max_words=4),
    GazetteerMatches(mentions={"北京": ["GPE"], "北京大学": ["ORG"]}),
    Union([JiebaNouns(), Union([NGrams(2)], max_length=2)], max_length=9),
]
SENTENCE = "李宁 在\u3000北京大学Ａ楼见了 Bank of China 的曾若彤璐，广东经济形势。"


def ids(generator):
    return generator.name


@pytest.mark.parametrize("generator", GENERATORS, ids=ids)
@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_regions_lie_in_the_text_sorted_and_without_repeats(generator, text):
    regions = generator.propose(text)
    assert regions == sorted(set(regions))
    assert all(region.end <= len(text) for region in regions)
    for region in regions:
        mention = region.text_of(text)
        assert mention == mention.strip()


@pytest.mark.parametrize("generator", GENERATORS, ids=ids)
def test_a_batch_is_its_texts(generator):
    batch = [*NASTY, SENTENCE, SENTENCE]
    assert generator.propose_batch(batch) == [generator.propose(text) for text in batch]
    assert generator.propose_batch([]) == []
    assert generator.propose(SENTENCE)
    assert generator.propose("") == []


@pytest.mark.parametrize("generator", GENERATORS, ids=ids)
def test_configuration_and_copies_are_equal(generator, tmp_path):
    for config, directory in (
        (to_config(generator), None),
        (to_config(generator, tmp_path), tmp_path),
    ):
        again = generator_from_config(config, directory)
        assert type(again) is type(generator)
        assert again.name == generator.name
        assert again.propose(SENTENCE) == generator.propose(SENTENCE)
    assert to_config(generator_from_config(to_config(generator))) == to_config(generator)
    for again in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):
        assert again.propose(SENTENCE) == generator.propose(SENTENCE)


def test_every_generator_of_the_registry_is_here():
    from decoupled_ner.candidates import registry

    elsewhere = {"LtpNouns", "ProposerCandidates", "TaggerCandidates"}  # they need a trained model
    covered = {type(generator).__name__ for generator in GENERATORS} | elsewhere
    assert covered == set(registry._OWN)
    assert all(isinstance(generator, CandidateGenerator) for generator in GENERATORS)
    assert Region(0, 2) in GENERATORS[0].propose(SENTENCE)
