"""The CRF against brute-force enumeration of every path."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from decoupled_ner.labels import LabelSet, repair_tags
from decoupled_ner.models.crf import LinearChainCRF
from decoupled_ner.models.tags import TagSet
from decoupled_ner.types import InputError

LENGTHS = [4, 1, 3, 2]


def make_crf(scheme: str = "BIOES", types: tuple[str, ...] = ("PER",)) -> LinearChainCRF:
    tags = TagSet(LabelSet(types), scheme)  # type: ignore[arg-type]
    crf = LinearChainCRF(*tags.constraints())
    for scores in (crf.start, crf.transition, crf.end):
        torch.nn.init.normal_(scores)
    return crf


def random_batch(crf: LinearChainCRF, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    emissions = torch.randn(len(LENGTHS), max(LENGTHS), len(crf.start), generator=generator) * 2
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS).unsqueeze(1)
    return emissions, mask


@torch.no_grad()
def legal_paths(
    crf: LinearChainCRF, emissions: Tensor, length: int
) -> dict[tuple[int, ...], float]:
    """Every legal path of one row with its score, summed one term at a time."""
    scores = {}
    for path in itertools.product(range(len(crf.start)), repeat=length):
        legal = crf.starts_allowed[path[0]] and crf.ends_allowed[path[-1]]
        legal = legal and all(crf.transitions_allowed[a, b] for a, b in itertools.pairwise(path))
        if legal:
            score = crf.start[path[0]] + crf.end[path[-1]]
            score = score + sum(emissions[t, tag] for t, tag in enumerate(path))
            score = score + sum(crf.transition[a, b] for a, b in itertools.pairwise(path))
            scores[path] = float(score)
    return scores


@pytest.fixture(params=[("BIO", ("PER",)), ("BIOES", ("PER",)), ("BIO", ("PER", "LOC"))])
def crf(request: pytest.FixtureRequest) -> LinearChainCRF:
    torch.manual_seed(1)
    return make_crf(*request.param)


def test_log_partition_is_the_sum_over_all_legal_paths(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    found = crf.log_partition(emissions, mask)
    for row, length in enumerate(LENGTHS):
        scores = torch.tensor(list(legal_paths(crf, emissions[row], length).values()))
        assert found[row].item() == pytest.approx(torch.logsumexp(scores, 0).item(), abs=1e-4)


def test_log_likelihood_of_every_path_sums_to_one(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    for row, length in enumerate(LENGTHS):
        total = 0.0
        for path, score in legal_paths(crf, emissions[row], length).items():
            tags = torch.tensor([list(path) + [-100] * (max(LENGTHS) - length)])
            one_row = emissions[row : row + 1], tags, mask[row : row + 1]
            assert crf.path_score(*one_row).item() == pytest.approx(score, abs=1e-4)
            total += crf.log_likelihood(*one_row).exp().item()
        assert total == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("scale", [20, 60])
def test_sums_stay_exact_where_scores_are_far_apart(scale: float) -> None:
    crf = make_crf(types=("PER", "LOC"))
    emissions, mask = random_batch(crf)  # twice the standard normal
    emissions = (emissions * scale).requires_grad_()
    best = crf.best_paths(emissions.detach(), mask)
    for row, length in enumerate(LENGTHS):
        scores = torch.tensor(list(legal_paths(crf, emissions[row], length).values()))
        found = crf.log_partition(emissions, mask)[row].item()
        assert found == pytest.approx(torch.logsumexp(scores, 0).item(), rel=1e-6)
    likely = crf.log_likelihood(emissions, best.tags[:, 0], mask)
    assert (likely.detach() <= 1e-3).all()
    least = crf.best_paths(-emissions.detach(), mask).tags[:, 0]
    crf.log_likelihood(emissions, least, mask).sum().backward()
    marginals = crf.marginals(emissions.detach(), mask)
    worst = torch.nn.functional.one_hot(least, len(crf.start)) * mask.unsqueeze(2)
    assert emissions.grad is not None
    torch.testing.assert_close(emissions.grad, worst - marginals, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_best_paths_are_the_k_best(crf: LinearChainCRF, k: int) -> None:
    emissions, mask = random_batch(crf)
    found = crf.best_paths(emissions, mask, k)
    for row, length in enumerate(LENGTHS):
        paths = legal_paths(crf, emissions[row], length)
        expected = sorted(paths, key=lambda path: -paths[path])[:k]
        for rank, path in enumerate(expected):
            assert found.tags[row, rank, :length].tolist() == list(path)
            assert found.tags[row, rank, length:].tolist() == [0] * (max(LENGTHS) - length)
            assert found.scores[row, rank].item() == pytest.approx(paths[path], abs=1e-4)
        assert torch.isneginf(found.scores[row, len(expected) :]).all()


def test_marginals_are_sums_over_paths(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    marginals = crf.marginals(emissions, mask)
    for row, length in enumerate(LENGTHS):
        paths = legal_paths(crf, emissions[row], length)
        log_z = torch.logsumexp(torch.tensor(list(paths.values())), 0)
        expected = torch.zeros(max(LENGTHS), len(crf.start))
        for path, score in paths.items():
            expected[range(length), path] += (score - log_z).exp()
        torch.testing.assert_close(marginals[row], expected, atol=1e-4, rtol=1e-4)


def test_marginals_are_the_gradient_of_the_log_partition(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    emissions.requires_grad_()
    (gradient,) = torch.autograd.grad(crf.log_partition(emissions, mask).sum(), emissions)
    torch.testing.assert_close(crf.marginals(emissions, mask), gradient, atol=1e-4, rtol=1e-4)


def test_segment_terms_give_the_probability_of_every_segment(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    best = crf.best_paths(emissions, mask).tags[:, 0]
    opening, closing = crf.segment_terms(emissions, best, mask)
    for row, length in enumerate(LENGTHS):
        paths = legal_paths(crf, emissions[row], length)
        log_z = torch.logsumexp(torch.tensor(list(paths.values())), 0)
        for i, j in itertools.combinations_with_replacement(range(length), 2):
            wanted = best[row, i : j + 1].tolist()
            expected = sum(
                (score - log_z).exp().item()
                for path, score in paths.items()
                if list(path[i : j + 1]) == wanted
            )
            found = (opening[row, i] + closing[row, j]).exp().item()
            assert found == pytest.approx(expected, abs=1e-4)


def test_partial_labels_sum_over_the_allowed_paths(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    allowed = torch.rand(emissions.shape, generator=torch.Generator().manual_seed(3)) < 0.5
    allowed[:, :, 0] = True  # all outside is always legal, so at least one path remains
    found = crf.partial_log_likelihood(emissions, allowed, mask)
    for row, length in enumerate(LENGTHS):
        paths = legal_paths(crf, emissions[row], length)
        log_z = torch.logsumexp(torch.tensor(list(paths.values())), 0)
        expected = sum(
            (score - log_z).exp().item()
            for path, score in paths.items()
            if all(allowed[row, t, tag] for t, tag in enumerate(path))
        )
        assert found[row].exp().item() == pytest.approx(expected, abs=1e-4)


def test_partial_labels_with_one_tag_each_are_full_labels(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    tags = crf.best_paths(emissions, mask, k=2).tags[:, 1]
    allowed = torch.nn.functional.one_hot(tags, len(crf.start)).bool()
    torch.testing.assert_close(
        crf.partial_log_likelihood(emissions, allowed, mask),
        crf.log_likelihood(emissions, tags, mask),
    )


def test_partial_loss_has_finite_gradients_where_whole_units_are_restricted() -> None:
    crf = make_crf()
    emissions = torch.randn(1, 3, 5, requires_grad=True)
    allowed = torch.zeros(1, 3, 5, dtype=torch.bool)
    allowed[0, torch.arange(3), torch.tensor([1, 2, 3])] = True  # B I E and nothing else
    crf.partial_log_likelihood(emissions, allowed, torch.ones(1, 3, dtype=torch.bool)).backward()
    assert emissions.grad is not None and torch.isfinite(emissions.grad).all()


def test_partial_labels_of_single_units_give_every_score_a_gradient() -> None:
    crf = make_crf()  # another rank may have longer rows, and DDP waits for all gradients of each
    everything = torch.ones(2, 1, len(crf.start), dtype=torch.bool)
    emissions, mask = torch.randn(everything.shape), torch.ones(2, 1, dtype=torch.bool)
    crf.partial_log_likelihood(emissions, everything, mask).sum().backward()
    for name, scores in crf.named_parameters():
        assert scores.grad is not None and not scores.grad.any(), name


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_constraints_allow_exactly_what_needs_no_repair(scheme: str) -> None:
    tags = TagSet(LabelSet(("PER", "LOC")), scheme)  # type: ignore[arg-type]
    starts, transitions, ends = tags.constraints()
    for length in (1, 2, 3):
        for path in itertools.product(range(len(tags)), repeat=length):
            legal = bool(starts[path[0]] and ends[path[-1]])
            legal = legal and all(transitions[a, b] for a, b in itertools.pairwise(path))
            repaired, changes = repair_tags([tags.names[tag] for tag in path], tags.scheme)
            assert legal == (changes == 0), (path, repaired)


def test_forbidden_paths_are_never_decoded_whatever_the_emissions() -> None:
    tags = TagSet(LabelSet(("PER", "LOC")))
    crf = LinearChainCRF(*tags.constraints(), learned=False)
    mask = torch.ones(200, 6, dtype=torch.bool)
    emissions = torch.randn(200, 6, len(tags)) * 100
    paths = crf.best_paths(emissions, mask, k=5)
    assert torch.isfinite(paths.scores).all()
    for path in paths.tags.flatten(0, 1).tolist():
        assert repair_tags([tags.names[tag] for tag in path], "BIOES")[1] == 0


def test_padding_and_batch_neighbours_change_nothing(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    together = crf.log_partition(emissions, mask)
    decoded = crf.best_paths(emissions, mask, k=3)
    for row, length in enumerate(LENGTHS):
        alone, ones = emissions[row : row + 1, :length], torch.ones(1, length, dtype=torch.bool)
        torch.testing.assert_close(crf.log_partition(alone, ones)[0], together[row])
        tags, scores = crf.best_paths(alone, ones, k=3)
        torch.testing.assert_close(scores[0], decoded.scores[row])
        found = torch.isfinite(scores[0])
        assert tags[0][found].tolist() == decoded.tags[row, :, :length][found].tolist()


def test_computes_in_float32_inside_autocast(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    outside = crf.log_partition(emissions.bfloat16(), mask)
    with torch.autocast("cpu", torch.bfloat16):
        inside = crf.log_partition(emissions.bfloat16(), mask)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, outside)


def test_without_learned_transitions_nothing_has_a_gradient() -> None:
    tags = TagSet(LabelSet(("PER",)))
    crf = LinearChainCRF(*tags.constraints(), learned=False)
    crf.reset_parameters()
    assert not any(parameter.requires_grad for parameter in crf.parameters())
    assert not any(parameter.any() for parameter in crf.parameters())


def test_a_tagger_has_no_iob1() -> None:
    with pytest.raises(InputError, match="use one of BIO, BIOES"):
        TagSet(LabelSet(("PER",)), "IOB1")  # type: ignore[arg-type]


def test_tags_encode_and_decode_spans() -> None:
    tags = TagSet(LabelSet(("PER", "LOC")))
    spans = [(0, 1, "LOC"), (2, 5, "PER")]
    assert tags.decode(tags.encode(spans, 6)) == spans
    with pytest.raises(InputError, match="no label 'ORG'"):
        tags.encode([(0, 1, "ORG")], 2)


def test_stays_in_float64_where_emissions_are(crf: LinearChainCRF) -> None:
    emissions, mask = random_batch(crf)
    tags = crf.best_paths(emissions, mask).tags[:, 0]
    wide = emissions.double()
    assert crf.best_paths(wide, mask).scores.dtype == torch.float64
    assert crf.marginals(wide, mask).dtype == torch.float64
    for term, narrow in zip(
        crf.segment_terms(wide, tags, mask), crf.segment_terms(emissions, tags, mask), strict=True
    ):
        assert term.dtype == torch.float64
        torch.testing.assert_close(term.float()[mask], narrow[mask], atol=1e-4, rtol=1e-4)
