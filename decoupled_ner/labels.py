"""Label sets, and tag sequences turned into labelled spans and back.

A span here is ``(start, end, label)`` over the *tokens* of a tag sequence, half-open. Readers turn
it into characters.

Four schemes, all with ``O`` outside. BIO begins every entity with ``B-``. IOB1 begins with ``I-``
and writes ``B-`` only where an entity of the same type ends just before (CoNLL-2003). BIOES and
BMES mark ends (``E-``) and single tokens (``S-``) too; inner tags are ``I-`` and ``M-``.

One rule repairs what a scheme does not allow: **an inside or end tag that continues no open entity
of its own type begins a new entity, and an entity that is never closed ends before the next tag
that does not continue it.** Nothing annotated is lost. The number of repairs is the number of tags
that differ from the scheme's own writing of the repaired entities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, get_args

from decoupled_ner.types import InputError

OUTSIDE = "O"

Scheme = Literal["BIO", "IOB1", "BIOES", "BMES"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

Span = tuple[int, int, str]

#: Types of Chinese NER in the order that tables show them; others follow by name.
_USUAL_ORDER = {"PER": 0, "ORG": 1, "GPE": 2, "LOC": 3}


def checked_type(label: str) -> str:
    """``label`` if it can be an entity type.

    Raises:
        InputError: it is empty or ``O``.
    """
    if label in ("", OUTSIDE):
        raise InputError(f"an entity can't have the label {label!r}")
    return label


@dataclass(frozen=True)
class LabelSet:
    """The entity types of a data set or a model, in a fixed order; ``O`` always has id 0.

    Raises:
        InputError: a type is empty, is ``O`` or stands twice.
    """

    types: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))
        for label in self.types:
            checked_type(label)
        if len(set(self.types)) != len(self.types):
            raise InputError(f"an entity type stands twice in {self.types}")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: id for id, name in enumerate(self.names)}

    @classmethod
    def of(cls, labels: Iterable[str]) -> LabelSet:
        """The set of ``labels`` in one fixed order: PER, ORG, GPE, LOC (with what follows a dot,
        as in ``PER.NAM``), then the others by name.

        Raises:
            InputError: a type is empty or is ``O``.
        """

        def rank(label: str) -> tuple[int, str]:
            return _USUAL_ORDER.get(label.partition(".")[0], len(_USUAL_ORDER)), label

        return cls(tuple(sorted(set(labels), key=rank)))

    @property
    def names(self) -> tuple[str, ...]:
        """All labels by id, ``O`` first."""
        return (OUTSIDE, *self.types)

    def id(self, label: str) -> int:
        """The id of a label.

        Raises:
            InputError: there is no such label.
        """
        if label not in self._ids:
            raise InputError(f"no label {label!r}; there are {', '.join(self.names)}")
        return self._ids[label]

    def label(self, id: int) -> str:
        """The label with this id.

        Raises:
            InputError: there is no such id.
        """
        if not 0 <= id < len(self):
            raise InputError(f"no label has id {id}; there are {len(self)}")
        return self.names[id]

    def __len__(self) -> int:
        return 1 + len(self.types)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, label: object) -> bool:
        return label in self._ids


#: What a prefix does: begins an entity, continues one, continues and closes one, is one.
_ACTIONS: dict[Scheme, dict[str, str]] = {
    "BIO": {"B": "begin", "I": "inside"},
    "IOB1": {"B": "begin", "I": "inside"},
    "BIOES": {"B": "begin", "I": "inside", "E": "end", "S": "single"},
    "BMES": {"B": "begin", "M": "inside", "E": "end", "S": "single"},
}


@lru_cache(maxsize=4096)
def _parse(tag: str, scheme: Scheme) -> tuple[str, str]:
    """A tag's action and entity type, e.g. ``("begin", "PER")``; ``("outside", "")`` for ``O``."""
    if tag == OUTSIDE:
        return "outside", ""
    prefix, dash, label = tag.partition("-")
    action = _ACTIONS[scheme].get(prefix)
    if action is None or not dash or not label:
        allowed = ", ".join(f"{p}-TYPE" for p in _ACTIONS[scheme])
        raise InputError(f"{tag!r} is no tag of {scheme}, which has {OUTSIDE}, {allowed}")
    return action, checked_type(label)


def decode_tags(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The entities of a tag sequence, in order; illegal sequences are repaired (see the module).

    Raises:
        InputError: a tag that the scheme does not have.
    """
    spans: list[Span] = []
    start, open_label = 0, ""
    for position, tag in enumerate(tags):
        action, label = _parse(tag, scheme)
        continues = action in ("inside", "end") and label == open_label
        if not continues:
            if open_label:
                spans.append((start, position, open_label))
            start, open_label = position, label
        if action in ("end", "single"):
            spans.append((start, position + 1, label))
            open_label = ""
    if open_label:
        spans.append((start, len(tags), open_label))
    return spans


def encode_tags(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """Tags for ``length`` tokens. The inverse of `decode_tags` for any order of the spans.

    Raises:
        InputError: a span is empty, lies outside or overlaps another, which tags can't express.
    """
    tags = [OUTSIDE] * length
    end_of_last, last_label = 0, ""
    for start, end, label in sorted(spans):
        if not 0 <= start < end <= length:
            raise InputError(f"{label} [{start}, {end}) does not lie in {length} tokens")
        if start < end_of_last:
            raise InputError(
                f"{label} [{start}, {end}) overlaps another entity: tags can't say so, JSONL can"
            )
        tags[start:end] = _entity_tags(end - start, label, scheme)
        if scheme == "IOB1" and start == end_of_last and label == last_label:
            tags[start] = f"B-{label}"
        end_of_last, last_label = end, label
    return tags


def _entity_tags(length: int, label: str, scheme: Scheme) -> list[str]:
    if scheme == "IOB1":
        return [f"I-{label}"] * length
    if scheme == "BIO":
        return [f"B-{label}"] + [f"I-{label}"] * (length - 1)
    if length == 1:
        return [f"S-{label}"]
    inside = "M" if scheme == "BMES" else "I"
    return [f"B-{label}", *[f"{inside}-{label}"] * (length - 2), f"E-{label}"]


def repair_tags(tags: Sequence[str], scheme: Scheme) -> tuple[list[str], int]:
    """The tags as the scheme writes them, and how many had to change.

    Raises:
        InputError: a tag that the scheme does not have.
    """
    repaired = encode_tags(decode_tags(tags, scheme), len(tags), scheme)
    return repaired, sum(a != b for a, b in zip(tags, repaired, strict=True))


def guess_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme of tag sequences: BMES or BIOES by their prefixes, else the one of BIO and IOB1
    that repairs less (BIO when both fit).

    Raises:
        InputError: prefixes that no scheme has together.
    """
    sequences = list(sequences)
    prefixes = {tag.partition("-")[0] for tags in sequences for tag in tags} - {OUTSIDE}
    fitting = [scheme for scheme in SCHEMES if prefixes <= set(_ACTIONS[scheme])]
    if not fitting:
        raise InputError(
            f"tags with {', '.join(sorted(prefixes))} fit no scheme of {', '.join(SCHEMES)}"
        )
    if fitting[0] != "BIO":
        return fitting[0]
    counts = {s: sum(repair_tags(tags, s)[1] for tags in sequences) for s in ("BIO", "IOB1")}
    return "IOB1" if counts["IOB1"] < counts["BIO"] else "BIO"
