"""LTP with models that are made here: a perceptron that is trained, a network that is random."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from decoupled_ner.candidates import (
    LtpNouns,
    MergedNeighbours,
    Union,
    generator_from_config,
    to_config,
)
from decoupled_ner.candidates.ltp_models import load_pipeline, save_model
from decoupled_ner.candidates.ltp_words import LtpWords, align, ltp_words
from decoupled_ner.types import InputError

from .strategies import texts

pytest.importorskip("ltp", reason="needs the extra ltp")

SENTENCES = [
    ["我/r", "爱/v", "北京/ns", "。/w"],
    ["李宁/nr", "在/p", "上海/ns", "大学/n", "。/w"],
    ["他/r", "去/v", "广州/ns", "的/u", "公司/n", "。/w"],
    ["北京/ns", "的/u", "大学/n", "，/w", "上海/ns", "的/u", "公司/n", "。/w"],
    ["ABC/nx", "公司/n", "在/p", "1998/m", "年/q", "成立/v", "。/w"],
]


@pytest.fixture(scope="module")
def perceptron(tmp_path_factory):
    """A folder with an LTP perceptron that knows five sentences by heart."""
    from ltp_extension.perceptron import CWSTrainer, POSTrainer

    folder = tmp_path_factory.mktemp("perceptron")
    pairs = [[word.split("/") for word in sentence] for sentence in SENTENCES]
    (folder / "cws.txt").write_text("".join(" ".join(w for w, _ in s) + "\n" for s in pairs) * 20)
    tagged = "".join(" ".join(f"{w}/{t}" for w, t in s) + "\n" for s in pairs)
    (folder / "pos.txt").write_text(tagged * 20)
    labels = sorted({tag for sentence in pairs for _, tag in sentence})
    for name, trainer in (("cws", CWSTrainer()), ("pos", POSTrainer(labels))):
        trainer.epoch, trainer.shuffle = 20, False
        trainer.load_train_data(str(folder / f"{name}.txt"))
        trainer.train().save(str(folder / f"{name}.bin"))
    config = {"nerual": False, "tasks": {"cws": "cws.bin", "pos": "pos.bin"}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def neural(tmp_path_factory):
    """A folder in the layout of LTP's neural models, with random weights."""
    import torch
    from ltp.nerual import LTP

    folder = tmp_path_factory.mktemp("neural")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"我爱北京上海大学的，。abc", "##b"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    part = "ltp_core.models."
    head = {"_ltp_target_": f"{part}components.token.MLPTokenClassifier", "input_size": 16}
    backbone = {"model_type": "electra", "vocab_size": len(vocabulary), "num_hidden_layers": 1}
    backbone |= {"hidden_size": 16, "embedding_size": 16, "num_attention_heads": 2}
    model = {
        "_ltp_target_": f"{part}ltp_model.LTPModule",
        "backbone": {
            "_ltp_target_": f"{part}utils.transformer.load_transformers",
            "config": backbone,
        },
        "processor": {
            "cws": {"_ltp_target_": f"{part}processor.TokenOnly"},
            "pos": {"_ltp_target_": f"{part}processor.WordsOnly"},
        },
        "heads": {"cws": head | {"num_labels": 2}, "pos": head | {"num_labels": 3}},
    }
    vocabs = {"cws": ["I-W", "B-W"], "pos": ["n", "v", "ns"]}
    config = {"nerual": True, "model": model, "vocabs": vocabs}
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    torch.save(LTP(config).model.state_dict(), folder / "pytorch_model.bin")
    return folder


@pytest.fixture(params=["perceptron", "neural"])
def model(request):
    return str(request.getfixturevalue(request.param))


def pieces(segmenter, text):
    return [(text[start:end], tag) for start, end, tag in segmenter.words(text)]


def test_perceptron_nouns(perceptron):
    generator = LtpNouns(str(perceptron))
    text = "李宁在上海大学。"
    assert [region.text_of(text) for region in generator.propose(text)] == ["李宁", "上海", "大学"]
    merged = MergedNeighbours("ltp", model=str(perceptron))
    assert [region.text_of(text) for region in merged.propose(text)] == ["上海大学"]


def test_full_width_letters_and_digits_are_read_as_ascii(perceptron):
    segmenter = ltp_words(str(perceptron))
    half, full = "ABC公司在1998年成立。", "ＡＢＣ公司在１９９８年成立。"
    assert segmenter.words(full) == segmenter.words(half)
    assert pieces(segmenter, full)[0] == ("ＡＢＣ", "nx")


def test_spaces_in_chinese_part_words(perceptron):
    segmenter = ltp_words(str(perceptron))
    words = [piece for piece, _ in pieces(segmenter, "我爱上海 大学\n公司")]
    assert words[-3:] == ["上海 ", "大学\n", "公司"]


@pytest.mark.parametrize("kind", ["perceptron", "neural"])
def test_words_tile_any_text(kind, request):
    segmenter = ltp_words(str(request.getfixturevalue(kind)))

    @settings(max_examples=100, deadline=None)
    @given(text=texts)
    def tiles(text):
        assert "".join(piece for piece, _ in pieces(segmenter, text)) == text

    tiles()


def test_long_texts_and_batches(model):
    """Nothing is cut off, and neither batches nor padding change an answer."""
    segmenter = ltp_words(model)
    long = "我爱北京，上海的大学。" * 80
    batch = [long, "", "👨", "我爱北京", "上海 的大学"]
    words = segmenter.words_batch(batch)
    assert max(word.end for word in words[0] if word.tag) > len(long) - 5
    segmenter.forget()
    assert [segmenter.words(text) for text in batch] == words


def test_neural_words_are_those_of_ltp(neural):
    """The words of LTP's own pipeline, at their places in the text."""
    text = "我爱北京，上海的大学。"
    output = load_pipeline(str(neural)).pipeline([text], tasks=["cws", "pos"])
    expected = list(zip(output.cws[0], output.pos[0], strict=True))
    assert pieces(ltp_words(str(neural)), text) == expected
    assert len(expected) > 1


def test_align_fills_gaps_and_passes_over_strangers():
    words = [("北京", "ns"), ("火星", "ns"), ("大学", "n")]
    assert list(align(" 北京\t大学。", words)) == [
        (" ", ""), ("北京", "ns"), ("\t", ""), ("大学", "n"), ("。", ""),
    ]  # fmt: skip


def test_a_process_may_go_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "home" / "models" / "pos").mkdir(parents=True)
    (tmp_path / "home" / "models" / "pos" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "home")
    given = LtpNouns("models/pos")
    config = {"class_path": "decoupled_ner.candidates.LtpNouns", "init_args": {"model": "pos"}}
    loaded = generator_from_config(config, Path("models"))
    monkeypatch.chdir("/")
    assert given.init_args()["model"] == "models/pos"
    for generator in (given, loaded):
        name = generator.save(tmp_path / "out")["model"]
        assert name.startswith("ltp-") and (tmp_path / "out" / name / "config.json").is_file()


def test_saved_model_travels(model, tmp_path, monkeypatch):
    union = Union([LtpNouns(model), MergedNeighbours("ltp", model=model)])
    config = json.loads(json.dumps(to_config(union, tmp_path)))
    folders = [part["init_args"]["model"] for part in config["init_args"]["generators"]]
    assert folders[0] == folders[1] == next(tmp_path.iterdir()).name
    again = generator_from_config(config, tmp_path)
    assert again.generators[0].model == str(tmp_path / folders[0])
    assert again.candidates("我爱上海大学。") == union.candidates("我爱上海大学。")
    monkeypatch.chdir(tmp_path)  # where no such folder is
    assert save_model("LTP/small", tmp_path) == "LTP/small"


def test_hub_id_is_looked_up_in_the_cache(perceptron, tmp_path, monkeypatch):
    """The hub's layout of downloaded models, without a network."""
    from huggingface_hub import constants

    repository = tmp_path / "models--LTP--five"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc123").symlink_to(perceptron)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert LtpWords(load_pipeline("LTP/five")).words("我爱北京。")[2].tag == "ns"
    with pytest.raises(
        InputError, match="'LTP/six' is neither a folder nor an LTP model on the hub"
    ):
        load_pipeline("LTP/six")


def test_missing_ltp_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ltp.legacy", None)
    with pytest.raises(InputError, match=r"pip install 'decoupled-ner\[ltp\]'"):
        LtpNouns("LTP/none").propose("北京")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no readable config.json"),
        ("{", "no readable config.json"),
        ("[]", "not that of an LTP model"),
        ('{"nerual": false, "tasks": {"cws": "cws.bin"}}', "no LTP model with cws and pos"),
        ('{"nerual": true, "model": {"_ltp_target_": "os.system"}}', "no part of LTP"),
        (
            '{"nerual": true, "model": {"a": {"_ltp_target_":'
            ' "ltp_core.models.components.token.nn.functional.os.system"}}}',
            "no part of LTP",
        ),
    ],
)
def test_bad_models(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=message):
        load_pipeline(str(tmp_path))


def test_pickled_code_in_weights_is_refused(neural, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    for path in neural.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Evil()}))
    with pytest.raises(InputError, match="no LTP model"):
        load_pipeline(str(tmp_path))
