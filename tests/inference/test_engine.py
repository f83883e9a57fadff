"""The engine equals the plain loop, whatever stands beside a text in a batch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from decoupled_ner import DecoupledNER, Entity, InputError
from decoupled_ner.candidates import GazetteerMatches, NGrams, Union
from decoupled_ner.gazetteer import Gazetteer, KnownTypes
from decoupled_ner.inference.reference import predict_plainly, score_plainly
from decoupled_ner.inference.scoring import RegionScorer
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.types import Region

TEXTS = [
    "篮协成立于1956年6月",
    "王小明昨天从北京去了上海，他说[MASK]很好",
    "",
    " \u3000\r\n",
    "iPhone15在ＡＢＣ公司发布👨\u200d👩\u200d👧",
    "九江" * 100,
    "\ue000东盟\ud800",
]


def recognizer(encoder: str, **settings: object) -> DecoupledNER:
    torch.manual_seed(3)
    config = DecoupledConfig(
        encoder=load_encoder_config(encoder).to_dict(),
        labels=["O", "PER", "ORG", "GPE"],
        max_context_tokens=40,
        **settings,
    )
    model = DecoupledModel.from_encoders(config, load_encoder(encoder), None)
    torch.nn.init.normal_(model.global_classifier.weight)  # so that labels differ
    generator = Union([NGrams(max_length=3), GazetteerMatches.from_mentions({"九江": ["GPE"]})])
    return DecoupledNER(model, load_tokenizer(encoder), generator, device="cpu")


@pytest.fixture(scope="module")
def ner(tiny_encoder: str) -> DecoupledNER:
    return recognizer(tiny_encoder)


def close(a: list[Entity], b: list[Entity]) -> bool:
    return [(e.start, e.end, e.text, e.label) for e in a] == [
        (e.start, e.end, e.text, e.label) for e in b
    ] and all(abs(x.score - y.score) < 1e-4 for x, y in zip(a, b, strict=True))


def test_engine_equals_the_plain_loop(ner: DecoupledNER):
    together = ner.predict_batch(TEXTS)
    assert len(together) == len(TEXTS) and any(together)
    for text, entities in zip(TEXTS, together, strict=True):
        assert close(predict_plainly(ner.model, ner.tokenizer, ner.generator, text), entities)


def test_logits_equal_the_plain_loop_at_any_batch_size(ner: DecoupledNER):
    regions = [[c.region for c in found] for found in ner.generator.candidates_batch(TEXTS)]
    for budget in (1, 64, 100_000):
        scorer = RegionScorer(ner.model, ner.tokenizer, tokens_per_batch=budget)
        for text, wanted, logits in zip(TEXTS, regions, scorer.score(TEXTS, regions), strict=True):
            assert logits.shape == (len(wanted), 3, 4)
            for region, three in list(zip(wanted, logits, strict=True))[:20]:
                plain = score_plainly(ner.model, ner.tokenizer, text, region)
                torch.testing.assert_close(three, plain, rtol=1e-4, atol=1e-4)


def test_a_gazetteer_is_read_as_the_plain_loop_reads_it(
    ner: DecoupledNER, tiny_encoder: str, tmp_path: Path
) -> None:
    gazetteer = Gazetteer.from_mentions({"九江": ["GPE", "PER"], "东盟": ["ORG"], "成立": ["O"]})
    reading = recognizer(tiny_encoder)
    with pytest.raises(InputError, match="this model reads a gazetteer: give it one"):
        reading.model.read_gazetteer(gazetteer.labels)
        DecoupledNER(reading.model, reading.tokenizer, reading.generator, device="cpu")
    given = (reading.model, reading.tokenizer, reading.generator, gazetteer)
    regions = [[c.region for c in found] for found in ner.generator.candidates_batch(TEXTS)]
    without = RegionScorer(ner.model, ner.tokenizer).score(TEXTS, regions)
    fresh = DecoupledNER(*given, device="cpu")._scorer.score(TEXTS, regions)
    for a, b in zip(without, fresh, strict=True):  # it has no weight yet
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)

    torch.nn.init.normal_(reading.model.gazetteer_classifier.weight)
    reading = DecoupledNER(*given, device="cpu")
    known = KnownTypes(gazetteer)
    moved = 0
    scored = reading._scorer.score(TEXTS, regions)
    for text, wanted, logits, old in zip(TEXTS, regions, scored, without, strict=True):
        for region, three, before in list(zip(wanted, logits, old, strict=True))[:30]:
            plain = score_plainly(reading.model, reading.tokenizer, text, region, known)
            torch.testing.assert_close(three, plain, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(three[1:], before[1:], rtol=1e-4, atol=1e-4)
            differs = not torch.allclose(three[0], before[0], atol=1e-3)
            assert differs == (text[region.start : region.end] in {"九江", "东盟", "成立"})
            moved += differs
    assert moved > 5

    loaded = DecoupledNER.from_pretrained(reading.save_pretrained(tmp_path / "m"), device="cpu")
    for text, entities in zip(TEXTS, reading.predict_batch(TEXTS), strict=True):
        assert close(loaded.predict_regions(text), entities)
    Gazetteer.from_mentions({"投资": ["ORG"]}).save(tmp_path / "newer")
    newer = DecoupledNER.from_pretrained(tmp_path / "m", device="cpu", gazetteer=tmp_path / "newer")
    assert newer.gazetteer is not None and newer.gazetteer.mentions == ["投资"]
    for text, changes in (("九江", True), ("投资", True), ("江投", False)):
        start = "九江投资".index(text)
        region = [[Region(start, start + 2)]]
        [old], [new] = (m._scorer.score(["九江投资"], region) for m in (loaded, newer))
        assert torch.allclose(old, new, atol=1e-4) != changes
    (tmp_path / "names.txt").write_text("九江\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"this model reads .*GPE.* of a gazetteer, and this one"):
        DecoupledNER.from_pretrained(tmp_path / "m", gazetteer=tmp_path / "names.txt")
    ner.save_pretrained(tmp_path / "plain")
    with pytest.raises(InputError, match="plain: this model was trained without a gazetteer"):
        DecoupledNER.from_pretrained(tmp_path / "plain", gazetteer=tmp_path / "newer")


def test_mention_cache_changes_nothing(ner: DecoupledNER):
    regions = [[Region(0, 2), Region(1, 3)]] * 2
    texts = ["九江投资环境", "九江市区"]
    fresh = RegionScorer(ner.model, ner.tokenizer, mention_cache_size=0)
    warm = RegionScorer(ner.model, ner.tokenizer, mention_cache_size=2)
    expected = fresh.score(texts, regions)
    for _ in range(3):
        for a, b in zip(warm.score(texts, regions), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def contexts_read(ner: DecoupledNER) -> tuple[list[list[Entity]], int]:
    """The entities of TEXTS, and how many contexts were read for them."""
    rows = []
    network = ner.model.context_encoder or ner.model.mention_encoder
    hook = network.embeddings.register_forward_hook(lambda *seen: rows.append(len(seen[2])))
    ner._scorer._mention_states({tuple(p.mention) for p in ner._scorer._pairs(TEXTS, regions(ner))})
    mentions = sum(rows)  # read once and kept
    found = ner.predict_batch(TEXTS)
    hook.remove()
    return found, sum(rows) - mentions


def regions(ner: DecoupledNER) -> list[list[Region]]:
    return [[c.region for c in found] for found in ner.generator.candidates_batch(TEXTS)]


def test_contexts_that_cannot_matter_are_not_read(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ner = recognizer(tiny_encoder, outside_bias=2.0)
    with torch.no_grad():  # mentions decide more than contexts
        ner.model.global_classifier.weight[:, ner.model.mention_encoder.config.hidden_size :] /= 16
    candidates = sum(map(len, regions(ner)))
    before, read = contexts_read(ner)
    assert any(before) and read == candidates

    ner.calibrate(TEXTS)
    assert ner.config.context_reach == []  # from too few
    monkeypatch.setattr("decoupled_ner.inference.model.CALIBRATION_REGIONS", candidates)
    ner.calibrate(TEXTS)
    reach = ner.config.context_reach
    assert len(reach) == 4 and reach[0] == 0 and max(reach) > 0
    after, read = contexts_read(ner)
    assert all(close(a, b) for a, b in zip(after, before, strict=True))
    assert 0 < read < candidates / 2
    assert len(ner.explain(TEXTS[0])) == len(ner.generator.candidates(TEXTS[0]))
    assert all(abs(sum(c.context.values()) - 1) < 1e-4 for c in ner.explain(TEXTS[0]))

    saved = ner.save_pretrained(tmp_path / "model")
    loaded = DecoupledNER.from_pretrained(saved, device="cpu")
    assert loaded.config.context_reach == reach and contexts_read(loaded)[1] == read
    loaded.config.outside_bias = -100.0  # then every mention may be one
    assert contexts_read(loaded)[1] == candidates
    thorough = DecoupledNER.from_pretrained(saved, device="cpu", prune=False)
    found, read = contexts_read(thorough)
    assert read == candidates
    assert all(close(a, b) for a, b in zip(found, before, strict=True))

    ner.config.context_reach = [0.0, -50.0, -50.0, -50.0]  # it is this that decides
    assert contexts_read(ner) == ([[] for _ in TEXTS], 0)


def test_the_reach_has_a_number_for_each_label(tiny_encoder: str) -> None:
    with pytest.raises(InputError, match="a number for each of 2 labels"):
        DecoupledModel(
            DecoupledConfig(
                encoder=load_encoder_config(tiny_encoder).to_dict(),
                labels=["O", "PER"],
                context_reach=[0.0],
            )
        )


def test_batch_neighbours_change_nothing(ner: DecoupledNER):
    alone = [ner.predict_regions(text) for text in TEXTS]
    assert all(
        close(a, b) for a, b in zip(alone, ner.predict_batch(TEXTS[::-1])[::-1], strict=True)
    )
    streamed = list(ner.predict_stream(iter(TEXTS), batch_size=2))
    assert all(close(a, b) for a, b in zip(alone, streamed, strict=True))


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_offsets_of_any_text(ner: DecoupledNER, text: str):
    entities = ner.predict_regions(text)
    assert all(text[e.start : e.end] == e.text and 0 <= e.score <= 1 for e in entities)
    ends = [0, *(e.end for e in entities)]
    assert all(e.start >= end for e, end in zip(entities, ends, strict=False))


def test_a_very_long_sentence(tiny_encoder: str):
    ner = recognizer(tiny_encoder)
    ner.generator = Union([GazetteerMatches.from_mentions({"九江": ["GPE"]})])
    text = ("长" * 998 + "九江") * 100
    assert len(text) == 100_000
    [(found, candidates)] = [ner.recognize([text])]
    assert len(candidates[0]) == 100
    assert all(text[e.start : e.end] == "九江" for e in found[0])


def test_threads_get_the_same_answers(ner: DecoupledNER):
    expected = ner.predict_batch(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(ner.predict_batch, [TEXTS] * 16):
            assert all(close(a, b) for a, b in zip(answers, expected, strict=True))


def test_explain_shows_every_candidate(ner: DecoupledNER):
    text = "九江投资"
    explained = ner.explain(text)
    assert [(c.start, c.end) for c in explained] == [
        (c.start, c.end) for c in ner.generator.candidates(text)
    ]
    assert any(c.sources == ("gazetteer", "ngrams") for c in explained)
    for candidate in explained:
        for view in (candidate.global_, candidate.mention, candidate.context):
            assert list(view) == ["O", "PER", "ORG", "GPE"]
            assert sum(view.values()) == pytest.approx(1, abs=1e-5)
        assert candidate.label == max(candidate.global_, key=candidate.global_.__getitem__)


def test_outside_bias_shifts_the_global_classifier_alone(tiny_encoder: str):
    plain, biased = recognizer(tiny_encoder), recognizer(tiny_encoder, outside_bias=100.0)
    text = TEXTS[0]
    assert plain.predict_regions(text) and not biased.predict_regions(text)
    for a, b in zip(plain.explain(text), biased.explain(text), strict=True):
        assert a.context == pytest.approx(b.context, abs=1e-5)
        assert b.global_["O"] == pytest.approx(1)


def test_save_load_same_answer(ner: DecoupledNER, tmp_path: Path):
    directory = ner.save_pretrained(tmp_path / "model")
    loaded = DecoupledNER.from_pretrained(directory)
    for a, b in zip(loaded.predict_batch(TEXTS), ner.predict_batch(TEXTS), strict=True):
        assert close(a, b)
    # A saved model moves with all it needs, and saving over it replaces it as a whole.
    moved = directory.rename(tmp_path / "elsewhere")
    (moved / "stale").touch()
    DecoupledNER.from_pretrained(moved).save_pretrained(moved)
    assert not (moved / "stale").exists()
    assert close(
        DecoupledNER.from_pretrained(moved).predict_regions("去九江"), ner.predict_regions("去九江")
    )
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_bfloat16_is_near(ner: DecoupledNER):
    fast = DecoupledNER(ner.model, ner.tokenizer, ner.generator, device="cpu", dtype="bfloat16")
    for a, b in zip(ner.explain(TEXTS[0]), fast.explain(TEXTS[0]), strict=True):
        assert a.context == pytest.approx(b.context, abs=0.1)


def test_bad_input_is_one_line(ner: DecoupledNER, tmp_path: Path):
    with pytest.raises(InputError, match="takes a list of strings"):
        ner.predict_batch("篮协")
    with pytest.raises(InputError, match="takes a list of strings"):
        ner.predict_batch([b"bytes"])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"no config\.json"):
        DecoupledNER.from_pretrained(tmp_path)
    assert ner.predict_batch([]) == []
    with pytest.raises(InputError, match="predict_stream takes strings"):
        ner.predict_stream("篮协")
    with pytest.raises(InputError, match="batch_size=0 must be at least 1"):
        ner.predict_stream(["篮协"], batch_size=0)


def test_texts_may_come_one_by_one(ner: DecoupledNER):
    expected = ner.predict_batch(TEXTS)
    assert ner.predict_batch(text for text in TEXTS) == expected
    streamed = list(ner.predict_stream((text for text in TEXTS), batch_size=2))
    assert all(close(a, b) for a, b in zip(streamed, expected, strict=True))


def test_what_came_before_an_error_is_answered(ner: DecoupledNER):
    def texts() -> Iterator[str]:
        yield from TEXTS
        raise OSError("the line is dead")

    found = []
    with pytest.raises(OSError, match="the line is dead"):
        for entities in ner.predict_stream(texts()):
            found.append(entities)
    assert len(found) == len(TEXTS)


def test_a_hub_id_is_read_from_the_hub_layout(ner: DecoupledNER, tmp_path: Path):
    snapshot = tmp_path / "models--someone--weibo-ner" / "snapshots" / "0123456789abcdef"
    ner.save_pretrained(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(snapshot.name)
    code = (
        "from decoupled_ner import DecoupledNER;"
        "ner = DecoupledNER.from_pretrained('someone/weibo-ner', device='cpu');"
        "print([(e.start, e.end, e.label) for e in ner.predict_regions('去九江')])"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    found = ner.predict_regions("去九江")
    assert done.stdout.strip() == str([(e.start, e.end, e.label) for e in found])


def test_saving_never_replaces_what_is_no_model(ner: DecoupledNER, tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(InputError, match="something else than a model"):
        ner.save_pretrained(tmp_path)
    assert (tmp_path / "thesis.txt").is_file()


def test_missing_or_damaged_weights_are_no_random_ones(ner: DecoupledNER, tmp_path: Path):
    directory = ner.save_pretrained(tmp_path / "model")
    weights = load_file(directory / "model.safetensors")
    del weights["global_classifier.weight"]
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"missing or misshapen, e\.g\. global_classifier"):
        DecoupledNER.from_pretrained(directory)
    (directory / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(InputError, match="can't be loaded"):
        DecoupledNER.from_pretrained(directory)


def test_windows_that_the_encoder_cannot_read_are_refused(tiny_encoder: str):
    encoder = load_encoder_config(tiny_encoder).to_dict()
    with pytest.raises(InputError, match="reads 160 tokens at most, not 200"):
        DecoupledModel(DecoupledConfig(encoder=encoder, labels=["O"], max_context_tokens=200))
