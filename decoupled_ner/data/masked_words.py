"""Which words of a sentence are masked, and the sentence with other words in their place."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from decoupled_ner.candidates.words import Word
from decoupled_ner.data.surfaces import Surfaces
from decoupled_ner.types import Sentence, entity_at

Spans = Sequence[tuple[int, int]]


@dataclass(slots=True)
class Draft:
    """A sentence's token ids, in which ``words`` (places of tokens) are masked until filled.

    ``before`` are the ids as they were, ``spans`` the tokens' characters, ``draws`` a number in
    [0, 1) for each masked token.
    """

    before: list[int]
    ids: list[int]
    spans: Spans
    words: list[list[int]]
    draws: dict[int, float]


def mask_words(
    ids: list[int], spans: Spans, words: list[list[int]], share: float, mask: int, seed: str
) -> Draft:
    """Mask as many of ``words`` as go into the share of all tokens, and one in any case."""
    rng = random.Random(seed)
    rng.shuffle(words)
    left = round(share * len(ids))
    chosen: list[list[int]] = []
    for word in words:
        if len(word) <= left:
            chosen.append(word)
            left -= len(word)
    chosen = sorted(chosen or words[:1])
    masked = list(ids)
    for token in (token for word in chosen for token in word):
        masked[token] = mask
    draws = {token: rng.random() for word in chosen for token in word}
    return Draft(ids, masked, spans, chosen, draws)


def free_words(
    sentence: Sentence, ids: Sequence[int], spans: Spans, words: Sequence[Word], surfaces: Surfaces
) -> list[list[int]]:
    """The tokens of each word that may be masked: it touches no entity, its borders cut no token,
    and each of its tokens can be replaced."""
    owner = {at: number for number, w in enumerate(words) for at in range(w.start, w.end)}
    barred = {owner[at] for e in sentence.entities for at in range(e.start, e.end)}
    found: dict[int, list[int]] = {}
    for token, (start, end) in enumerate(spans):
        if start == end:
            continue
        if owner[start] != owner[end - 1] or not surfaces.fits(ids[token], end - start):
            barred |= {owner[start], owner[end - 1]}
        found.setdefault(owner[start], []).append(token)
    return [
        tokens
        for number, tokens in found.items()
        if number not in barred
        and any(c.isalnum() for c in sentence.text[words[number].start : words[number].end])
    ]


def rewritten(sentence: Sentence, draft: Draft, surfaces: Surfaces, id: str) -> Sentence | None:
    """The sentence with what the draft has in its masked places; None where nothing differs."""
    text, at = sentence.text, 0
    parts: list[str] = []
    longer: dict[int, int] = {}  # by where a token ends: how many characters it has gained
    for token in sorted(token for word in draft.words for token in word):
        (start, end), surface = draft.spans[token], surfaces.texts[draft.ids[token]]
        if draft.ids[token] != draft.before[token]:
            assert surface is not None
            parts += [text[at:start], surface]
            longer[end] = len(surface) - (end - start)
            at = end
    if not parts:
        return None
    new = "".join([*parts, text[at:]])
    entities = []
    for e in sentence.entities:
        shift = sum(by for end, by in longer.items() if end <= e.start)
        entities.append(entity_at(new, e.start + shift, e.end + shift, e.label, e.score))
    return Sentence(new, tuple(entities), id)
