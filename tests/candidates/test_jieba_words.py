import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings

from decoupled_ner.candidates import jieba_words as module
from decoupled_ner.candidates.jieba_words import jieba_words
from decoupled_ner.types import Region

from .strategies import han

SENTENCES = [
    "篮协成立于1956年6月，李宁在北京大学参加了会议。",
    "么宋茜汗，杨素晗旻和曺圭贤去了宁波海曙苗芳清颜美容工作室！",
    "教你易经风水术官网 http://t.cn/RP3UDoo @曾丶四小姐:3.14 ABC",
    "龘靐齉齾爩麤灪龖厵𪚥的㐂",
]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """jieba's own tagger, silenced and with its cache file out of the way."""
    module.jieba.setLogLevel("ERROR")
    tokenizer = module.jieba.Tokenizer()
    tokenizer.tmp_dir = str(tmp_path_factory.mktemp("jieba"))
    return module.posseg.POSTokenizer(tokenizer)


def ours(text):
    return [(text[start:end], tag) for start, end, tag in jieba_words()._segment([text])[0]]


def theirs(tagger, text):
    return [(pair.word, pair.flag) for pair in tagger.cut(text)]


@pytest.mark.parametrize("text", SENTENCES)
def test_equals_jieba(original, text):
    assert ours(text) == theirs(original, text)


@settings(max_examples=200, deadline=None)
@given(text=han)
def test_equals_jieba_on_unknown_words(original, text):
    """Random characters are hardly ever words, so all goes through the hidden Markov model."""
    assert ours(text) == theirs(original, text)


def test_dictionary_words_overlap():
    text = "泰国政府的教育部长"
    found = {text[r.start : r.end]: tag for r, tag in jieba_words().dictionary_words(text)}
    assert found["泰国"] == "ns"
    assert found["泰国政府"] == "nt"
    assert {"教育部", "教育", "部长"} <= found.keys()
    assert "府的" not in found
    assert (Region(0, 2), "ns") in list(jieba_words().dictionary_words(text))


def test_threads_agree():
    texts = SENTENCES * 20
    alone = [jieba_words()._segment([text]) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: jieba_words()._segment([text]), texts)) == alone


def test_silent_and_light_and_leaves_no_file(tmp_path):
    code = (
        "import sys; from decoupled_ner.candidates import JiebaNouns, LacEntities\n"
        "print(JiebaNouns().propose('我爱北京'), LacEntities().propose('我爱北京'))\n"
        "assert not {'torch', 'ltp', 'paddle'} & sys.modules.keys()"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("Region(start=2, end=4)") == 2
    assert list(tmp_path.iterdir()) == []
