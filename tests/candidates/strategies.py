"""Texts that generators must survive, and entities that overlap."""

from hypothesis import strategies as st

NASTY = (
    "",
    " ",
    "\u3000",
    "\r\n",
    " \t\u3000\r\n ",
    "👨\u200d👩\u200d👧‍👦去了北京🏳️\u200d🌈！",
    "北京\u3000上海\r\n广州 深圳",
    "ＡＢＣ集团１９９８年成立",
    "[MASK]在[CLS]清华大学[SEP]",
    "\ud800北京\x00大学\ue000",
    "e\u0301cole 한국의 단오 ที่ไทย",
    "哈" * 600,
    "a" * 600 + " " * 600 + "b.",
)

FRAGMENTS = st.one_of(
    st.sampled_from("北大李宁中国的在，。Ａ１é한·-㐂\u3000\x00\ufe0f "),
    st.sampled_from(
        ["北京", "大学", "\r\n", "👨\u200d👩\u200d👧", "U.S.", "York", "IBM", "of", "’s"]
    ),
)

texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=30),
    st.lists(st.one_of(FRAGMENTS, st.characters()), max_size=25).map("".join),
)

han = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FD5), min_size=1, max_size=12)
