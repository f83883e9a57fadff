"""JSON-lines files: one sentence a line, entities with character offsets.

Our own layout keeps everything a `Sentence` has::

    {"id": "demo/train/0", "text": "篮协成立于1956年6月",
     "entities": [{"start": 0, "end": 2, "text": "篮协", "label": "ORG"}]}

``id``, an entity's ``text`` and its ``score`` (1 when absent) may be left out; other keys are
ignored. CLUENER's layout has inclusive ends under type and mention:
``{"text": …, "label": {"ORG": {"篮协": [[0, 1]]}}}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from decoupled_ner.data.files import Parsed, located, numbered_lines, write_lines
from decoupled_ner.labels import checked_type
from decoupled_ner.types import Entity, InputError, Sentence, entity_at, well_formed


def read_jsonl(path: str | Path, *, prefix: str = "") -> Parsed:
    """Read our own layout. A sentence without an id gets ``prefix/index``.

    Raises:
        InputError: names file, line and what is wrong.
    """
    return _read(Path(path), prefix, _own_entities)


def read_cluener(path: str | Path, *, prefix: str = "") -> Parsed:
    """Read CLUENER's layout (Xu et al. 2020, arXiv:2001.04351).

    Raises:
        InputError: names file, line and what is wrong.
    """
    return _read(Path(path), prefix, _cluener_entities)


def write_jsonl(sentences: Iterable[Sentence], path: str | Path) -> None:
    """Write our own layout, one sentence a line; a score of 1 is left out. Written beside the
    file, then renamed.

    Raises:
        InputError: the file can't be written.
    """
    write_lines(map(json_line, sentences), Path(path))


def json_line(sentence: Sentence) -> str:
    """A sentence as a line of our own layout; in ASCII where UTF-8 can't hold it, as half of a
    surrogate pair."""
    line = json.dumps(sentence_to_json(sentence), ensure_ascii=False)
    return line if well_formed(line) == line else json.dumps(sentence_to_json(sentence))


def sentence_to_json(sentence: Sentence) -> dict[str, Any]:
    """A sentence as plain JSON values, in our own layout."""
    return {
        "id": sentence.id,
        "text": sentence.text,
        "entities": [_entity_to_json(entity) for entity in sentence.entities],
    }


def _entity_to_json(entity: Entity) -> dict[str, Any]:
    values: dict[str, Any] = {
        "start": entity.start,
        "end": entity.end,
        "text": entity.text,
        "label": entity.label,
    }
    return values if entity.score == 1.0 else values | {"score": entity.score}


def _read(
    path: Path, prefix: str, entities_of: Callable[[dict[str, Any], str], list[Entity]]
) -> Parsed:
    prefix = prefix or path.name.split(".")[0]
    sentences: list[Sentence] = []
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        with located(path, number):
            record = json_object(line)
            text = _field(record, "text", str)
            id = record.get("id")
            id = f"{prefix}/{len(sentences)}" if id in (None, "") else str(id)
            sentences.append(Sentence(text, tuple(entities_of(record, text)), id))
    return Parsed(tuple(sentences))


def json_object(line: str) -> dict[str, Any]:
    """Raises:
    InputError: the line is no JSON object.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})") from error
    if not isinstance(record, dict):
        raise InputError(f"expected a JSON object, found {line[:40]!r}")
    return record


def _field(record: Any, key: str, *kinds: type) -> Any:
    """``record[key]``, checked; ``True`` is no number here."""
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kinds) or isinstance(value, bool):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(f"expected {key!r} of type {names}, found {value!r}")
    return value


def _own_entities(record: dict[str, Any], text: str) -> list[Entity]:
    entities = []
    for item in _field(record, "entities", list):
        start, end = _field(item, "start", int), _field(item, "end", int)
        label = checked_type(_field(item, "label", str))
        entity = entity_at(text, start, end, label, _score(item))
        if item.get("text", entity.text) != entity.text:
            raise InputError(f"entity {item['text']!r} is not the text at [{start}, {end})")
        entities.append(entity)
    return entities


def _score(item: dict[str, Any]) -> float:
    score = _field(item, "score", int, float) if "score" in item else 1.0
    if not 0 <= score <= 1:  # before float(), which can't hold any int; NaN is caught too
        raise InputError(f"expected a 'score' from 0 to 1, found {score!r:.40}")
    return float(score)


def _cluener_entities(record: dict[str, Any], text: str) -> list[Entity]:
    entities = []
    by_type = _field(record, "label", dict)
    for label in by_type:
        by_mention = _field(by_type, label, dict)
        for mention in by_mention:
            for place in _field(by_mention, mention, list):
                entities.append(_cluener_entity(text, checked_type(label), mention, place))
    return entities


def _cluener_entity(text: str, label: str, mention: str, place: Any) -> Entity:
    if not isinstance(place, list) or [type(value) for value in place] != [int, int]:
        raise InputError(f"expected [first, last] for {mention!r}, found {place!r}")
    entity = entity_at(text, place[0], place[1] + 1, label)
    if entity.text != mention:
        raise InputError(f"entity {mention!r} is not the text at {place}")
    return entity
