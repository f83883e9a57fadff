"""jieba's segmentation with part-of-speech tags: the same words and tags, five times as fast.

Nine tenths of ``jieba.posseg``'s time go into the Viterbi search of its hidden Markov model, which
tags the words that its dictionary does not hold; here that search is done with numpy.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.candidates.words import Segmenter, Words, tile
from decoupled_ner.types import Region

with warnings.catch_warnings():  # invalid escapes in its source; pkg_resources, where it exists
    warnings.simplefilter("ignore")
    import jieba
    from jieba import posseg

State = tuple[str, str]  # position in the word (B, M, E or S), part-of-speech tag
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_IMPOSSIBLE = -3.14e100  # jieba's own log probability of a character that a state never emits


class _Dictionary(jieba.Tokenizer):  # type: ignore[misc]
    """jieba's dictionary, read without log lines and without the cache file: that lies in the
    temporary directory, where anyone can change it, and saves a tenth of a second."""

    initialized: bool

    def initialize(self, dictionary: str | None = None) -> None:
        with self.lock:
            if not self.initialized:
                self.FREQ, self.total = self.gen_pfdict(self.get_dict_file())
                self.initialized = True


class _Tagger(posseg.POSTokenizer):  # type: ignore[misc]
    """jieba's tagger with its Viterbi search replaced."""

    def __init__(self) -> None:
        super().__init__(_Dictionary())
        self.tokenizer.initialize()
        # The same few short runs of characters come again and again.
        self._path = lru_cache(maxsize=16_384)(_HiddenMarkovModel().best_path)

    def _POSTokenizer__cut(self, run: str) -> Iterator[Any]:
        """The words of a run of characters that is no word of the dictionary.

        Unlike jieba's, which drops the characters before an unexpected word start, it always
        returns all of them.
        """
        start = 0
        states = self._path(run)
        for index, (position, tag) in enumerate(states):
            if position in "ES":
                yield posseg.pair(run[start : index + 1], tag)
                start = index + 1
        if start < len(run):
            yield posseg.pair(run[start:], states[start][1])


class _HiddenMarkovModel:
    """``jieba.posseg.viterbi`` on arrays.

    States are in descending order, so that the first of equal maxima is the one that jieba takes:
    it compares (probability, state) pairs.
    """

    def __init__(self) -> None:
        self.states: list[State] = sorted(posseg.trans_P, reverse=True)
        self._index = {state: index for index, state in enumerate(self.states)}
        self._all = np.arange(len(self.states))
        self._start = np.array([float(posseg.start_P[state]) for state in self.states])
        self._transition = np.full((len(self.states),) * 2, -np.inf)  # from × to
        for state, following in posseg.trans_P.items():
            for after, probability in following.items():
                self._transition[self._index[state], self._index[after]] = probability
        self._follows = np.isfinite(self._transition)
        self._leads_on = self._follows.any(axis=1)
        self._known: dict[str, tuple[Ints, Floats]] = {}

    def best_path(self, run: str) -> list[State]:
        """The most probable state of each character."""
        states, emission = self._emitters(run[0])
        score = self._start[states] + emission
        lattice = [(states, states)]
        for character in run[1:]:
            live = np.flatnonzero(self._leads_on[states])
            before = states[live]
            states, emission = self._successors(before, character)
            paths = score[live, None] + self._transition[np.ix_(before, states)] + emission
            best = paths.argmax(axis=0)
            score = paths[best, np.arange(len(states))]
            lattice.append((states, live[best]))
        return self._backtrack(lattice, int(score.argmax()))

    def _backtrack(self, lattice: list[tuple[Ints, Ints]], last: int) -> list[State]:
        path = []
        for states, origins in reversed(lattice):
            path.append(self.states[states[last]])
            last = int(origins[last])
        return path[::-1]

    def _successors(self, before: Ints, character: str) -> tuple[Ints, Floats]:
        """The states that can follow ``before`` and emit the character, else all that can follow,
        with the log probability that they emit it."""
        reachable = self._follows[before].any(axis=0)
        states, emission = self._emitters(character)
        allowed = reachable[states]
        if allowed.any():
            return states[allowed], emission[allowed]
        states = np.flatnonzero(reachable) if reachable.any() else self._all
        return states, self._emission(character, states)

    def _emitters(self, character: str) -> tuple[Ints, Floats]:
        """The states that emit a character, all where jieba doesn't know it."""
        names = posseg.char_state_tab_P.get(character)
        if not names:
            return self._all, self._emission(character, self._all)
        if character not in self._known:
            states = np.array(sorted(self._index[name] for name in names))
            self._known[character] = (states, self._emission(character, states))
        return self._known[character]

    def _emission(self, character: str, states: Ints) -> Floats:
        tables = (posseg.emit_P[self.states[state]] for state in states)
        return np.array([table.get(character, _IMPOSSIBLE) for table in tables])


class JiebaWords(Segmenter):
    """Words and tags as ``jieba.posseg.cut`` gives them."""

    def __init__(self) -> None:
        super().__init__()
        self._tagger = _Tagger()

    def _segment(self, texts: Sequence[str]) -> list[Words]:
        return [tile((pair.word, pair.flag) for pair in self._tagger.cut(text)) for text in texts]

    def dictionary_words(self, text: str) -> Iterator[tuple[Region, str]]:
        """Every word of jieba's dictionary that stands in the text, overlapping ones too, with
        the tag that the dictionary gives it."""
        tags = self._tagger.word_tag_tab
        for start, ends in self._tagger.tokenizer.get_DAG(text).items():
            for last in ends:
                if tag := tags.get(text[start : last + 1]):
                    yield Region(start, last + 1), tag


_building = threading.Lock()


@cache
def _build() -> JiebaWords:
    return JiebaWords()


def jieba_words() -> JiebaWords:
    """The process's one jieba segmenter, built on first use (a second, 150 MB)."""
    with _building:
        return _build()
