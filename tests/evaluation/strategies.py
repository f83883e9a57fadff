"""Random sentences with entities, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from decoupled_ner.types import Entity, Sentence, entity_at

TYPES = ("PER", "ORG", "LOC")
TEXTS = st.text("北京大学张三李四 ab\n", min_size=1, max_size=12)


@st.composite
def entities(draw: st.DrawFn, text: str) -> tuple[Entity, ...]:
    """Any entities of a text: nested, crossing and at the same place with another type too."""
    spans = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(text) - 1), st.integers(1, len(text)), st.sampled_from(TYPES)
            ).filter(lambda span: span[0] < span[1]),
            max_size=6,
            unique=True,
        )
    )
    return tuple(entity_at(text, *span, score=0.5) for span in spans)


@st.composite
def flat_entities(draw: st.DrawFn, text: str) -> tuple[Entity, ...]:
    """Entities that do not overlap, as tags can write them."""
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    labels = [draw(st.sampled_from((*TYPES, ""))) for _ in cuts[1:]]
    triples = zip(cuts, cuts[1:], labels, strict=False)
    return tuple(entity_at(text, start, end, label) for start, end, label in triples if label)


@st.composite
def corpora(
    draw: st.DrawFn, *, flat: bool = False
) -> tuple[list[Sentence], list[tuple[Entity, ...]]]:
    """Gold sentences with predictions for each."""
    texts = draw(st.lists(TEXTS, min_size=1, max_size=5))
    choose = flat_entities if flat else entities
    gold = [Sentence(text, draw(choose(text))) for text in texts]
    return gold, [draw(choose(text)) for text in texts]
