"""Segment probabilities against sums over all tag sequences."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
import torch

from decoupled_ner.labels import LabelSet
from decoupled_ner.models.crf import LinearChainCRF
from decoupled_ner.models.segments import segment_probabilities
from decoupled_ner.models.tags import TaggerScheme, TagSet

LENGTHS = [4, 1, 3]


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize("max_length", [2, 9])
@torch.no_grad()
def test_every_segment_has_the_sum_of_the_paths_that_tag_it(
    scheme: TaggerScheme, max_length: int
) -> None:
    torch.manual_seed(0)
    tags = TagSet(LabelSet(("PER", "LOC") if scheme == "BIO" else ("PER",)), scheme)
    crf = LinearChainCRF(*tags.constraints())
    for scores in (crf.start, crf.transition, crf.end):
        torch.nn.init.normal_(scores)
    emissions = torch.randn(len(LENGTHS), max(LENGTHS), len(tags), dtype=torch.float64)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS).unsqueeze(1)
    found = segment_probabilities(crf, tags, emissions, mask, max_length)
    assert found.shape == (3, 4, min(max_length, 4), len(tags.labels.types))
    for row, length in enumerate(LENGTHS):
        expected: dict[tuple[int, int, str], float] = defaultdict(float)
        one = mask[row : row + 1, :length]
        for path in itertools.product(range(len(tags)), repeat=length):
            log_p = crf.log_likelihood(emissions[row : row + 1, :length], torch.tensor([path]), one)
            for span in tags.decode(path):
                expected[span] += log_p.exp().item()
        for i, more, x in itertools.product(*map(range, found.shape[1:])):
            span = (i, i + more + 1, tags.labels.types[x])
            wanted = expected[span] if span[1] <= length else 0.0
            assert found[row, i, more, x].item() == pytest.approx(wanted, abs=1e-6), span
