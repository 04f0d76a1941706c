"""Outcomes as columns, without loss: one row a decision, with all that is known of it.

| column | type | what it holds |
|---|---|---|
| ``decision_id`` | text | |
| ``at_us`` | integer | the log's time of the decision, microseconds since the Unix epoch |
| ``decided_at_us`` | integer | the deciding worker's time |
| ``viewer_id`` | text, may be null | |
| ``context`` | JSON text | name → number, text, list of numbers or of texts |
| ``catalog``, ``policy`` | text | versions and names as logged |
| ``snapshots``, ``shares`` | {artwork, rows} | model version and share of each surface |
| ``titles`` | list of {title, artwork, propensity} | each distinct title once |
| ``rows`` | list of {id, position, propensity, pinned, titles} | as served, from the top |
| ``row_candidates`` | list of text | rows asked for |
| ``pins`` | list of {row, position} | |
| ``inline_titles`` | list of {id, artworks, features} | given with the page; features as JSON |
| ``inline_rows`` | list of {id, features} | |
| ``loose_titles``, ``omitted`` | list of text | |
| ``events`` | list of {event_id, type, title, row, seconds, fraction, happened_at_us, v} | |
| ``closed_by`` | text | ``window``, ``play`` or ``evicted`` |
| ``pass_probability`` | real | with which the log let the decision in, below 1 under overload |
| ``line`` | text | ``champion`` or ``challenger``: whose policy decided, by whose snapshots |
| ``body_digest``, ``greedy_match``, ``deferred``, ``v`` | | as in the log's record |

Features stand as JSON because a feature may be of four types, and because every tool reads JSON.
Files written before there was ``pass_probability`` lack it; all their decisions stand for 1. Those
before ``line`` were decided by the champion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

import msgspec

from bandit.events import DecisionRecord, FeedbackRecord, InlineRow
from bandit.joiner import Outcome
from bandit.outcome_files.arrow import arrow
from bandit.outcome_files.nesting import as_arrow, as_python
from bandit.types import SURFACES, Artwork, Features, RowChoice, Title, TitleChoice

_features = msgspec.json.Decoder(Features)
_EVENT_FIELDS: Final = (
    "event_id",
    "type",
    "title",
    "row",
    "seconds",
    "fraction",
    "happened_at_us",
    "v",
)
_event = attrgetter(*_EVENT_FIELDS)
_title = attrgetter("title", "artwork", "propensity")
_row = attrgetter("id", "position", "propensity", "pinned", "titles")

Nested = tuple[Any, ...]


class _Column(NamedTuple):
    """One column: its type, and how an outcome's value is laid down in it and taken up again."""

    type: Any
    down: Callable[[Outcome], Any]
    up: Callable[[Any], Any] | None = None
    """None keeps what stands there."""


class _Types(NamedTuple):
    """Arrow types of nested columns."""

    by_surface: Any
    titles: Any
    rows: Any
    pins: Any
    inline_titles: Any
    inline_rows: Any
    events: Any


def _types() -> _Types:
    pa = arrow()
    text, whole, real = pa.string(), pa.int64(), pa.float64()
    texts = pa.list_(text)
    featured = [("id", text), ("features", text)]
    row = [("id", text), ("position", whole), ("propensity", real), ("pinned", pa.bool_())]
    event = dict.fromkeys(_EVENT_FIELDS, text)
    event |= {"seconds": real, "fraction": real, "happened_at_us": whole, "v": whole}

    def several(*fields: tuple[str, Any]) -> Any:
        return pa.list_(pa.struct(list(fields)))

    return _Types(
        by_surface=pa.struct([(surface, text) for surface in SURFACES]),
        titles=several(("title", text), ("artwork", text), ("propensity", real)),
        rows=several(*row, ("titles", texts)),
        pins=several(("row", text), ("position", whole)),
        inline_titles=several(("id", text), ("artworks", several(*featured)), ("features", text)),
        inline_rows=several(*featured),
        events=several(*event.items()),
    )


@cache
def _columns() -> dict[str, _Column]:
    types = _types()
    return {
        "context": _Column(arrow().string(), lambda o: _json(o.decision.context), _features.decode),
        "shares": _Column(types.by_surface, lambda o: _by_surface(o.decision.shares), _of_surface),
        "snapshots": _Column(
            types.by_surface, lambda o: _by_surface(o.decision.snapshots), _of_surface
        ),
        "titles": _Column(
            types.titles,
            lambda o: [_title(choice) for choice in o.decision.titles],
            lambda found: [TitleChoice(*one) for one in found],
        ),
        "rows": _Column(
            types.rows,
            lambda o: [_row(choice) for choice in o.decision.rows],
            lambda found: [RowChoice(*one) for one in found],
        ),
        "pins": _Column(types.pins, lambda o: list(o.decision.pins.items()), dict),
        "inline_titles": _Column(
            types.inline_titles,
            lambda o: [_inline_title(title) for title in o.decision.inline_titles],
            lambda found: [_title_of(*one) for one in found],
        ),
        "inline_rows": _Column(
            types.inline_rows,
            lambda o: [(row.id, _json(row.features)) for row in o.decision.inline_rows],
            lambda found: [InlineRow(name, _features.decode(given)) for name, given in found],
        ),
        **_plain_columns(),
        "at_us": _Column(arrow().int64(), attrgetter("decided_at_us")),
        "events": _Column(types.events, lambda o: [_event(one) for one in o.events]),
        "closed_by": _Column(arrow().string(), attrgetter("closed_by")),
    }


def _plain_columns() -> dict[str, _Column]:
    """Return the columns that stand as they do in the log's record."""
    pa = arrow()
    text, whole, texts = pa.string(), pa.int64(), pa.list_(pa.string())
    kinds = {
        "decision_id": text,
        "decided_at_us": whole,
        "viewer_id": text,
        "catalog": text,
        "policy": text,
        "row_candidates": texts,
        "loose_titles": texts,
        "omitted": texts,
        "body_digest": pa.binary(),
        "greedy_match": pa.float64(),
        "deferred": pa.bool_(),
        "v": whole,
        "pass_probability": pa.float64(),
        "line": text,
    }
    return {name: _Column(kind, attrgetter(f"decision.{name}")) for name, kind in kinds.items()}


_OF_OUTCOME: Final = ("at_us", "events", "closed_by")
"""Columns that are not the decision's."""
_ADDED: Final[Mapping[str, Any]] = {"pass_probability": 1.0, "line": "champion"}
"""Columns that older files lack → what holds for all their outcomes."""


@cache
def schema() -> Any:
    """Return the Arrow schema of outcomes."""
    return arrow().schema([(name, column.type) for name, column in _columns().items()])


def is_readable(found: Any) -> bool:
    """Tell whether an Arrow schema is that of outcomes, as it is now or was before."""
    wanted = [field for field in schema() if field.name in found.names or field.name not in _ADDED]
    return bool(found.equals(arrow().schema(wanted)))


def to_batch(outcomes: Sequence[Outcome]) -> Any:
    """Return outcomes as an Arrow record batch of :func:`schema`."""
    arrays = [
        as_arrow([column.down(outcome) for outcome in outcomes], column.type)
        for column in _columns().values()
    ]
    return arrow().RecordBatch.from_arrays(arrays, schema=schema())


def from_batch(batch: Any) -> list[Outcome]:
    """Return the outcomes of a record batch, its schema one that :func:`is_readable` takes."""
    columns = _columns()
    found: dict[str, list[Any]] = {}
    for name, column in columns.items():
        if name in _ADDED and name not in batch.schema.names:
            found[name] = [_ADDED[name]] * batch.num_rows
            continue
        values = as_python(batch.column(name))
        found[name] = values if column.up is None else list(map(column.up, values))
    of_decision = [name for name in columns if name not in _OF_OUTCOME]
    decisions = [
        DecisionRecord(**dict(zip(of_decision, values, strict=True)))
        for values in zip(*(found[name] for name in of_decision), strict=True)
    ]
    return [
        Outcome(decision, at_us, _events(decision.decision_id, events), closed_by)
        for decision, at_us, events, closed_by in zip(
            decisions, *(found[name] for name in _OF_OUTCOME), strict=True
        )
    ]


def _events(decision_id: str, found: Sequence[Nested]) -> tuple[FeedbackRecord, ...]:
    return tuple(
        FeedbackRecord(decision_id=decision_id, **dict(zip(_EVENT_FIELDS, one, strict=True)))
        for one in found
    )


def _json(features: Features) -> str:
    return msgspec.json.encode(features).decode()


def _by_surface(values: Any) -> Nested:
    return tuple(values.get(surface) for surface in SURFACES)


def _of_surface(values: Nested) -> dict[str, str]:
    return {
        surface: cast(str, value)
        for surface, value in zip(SURFACES, values, strict=True)
        if value is not None
    }


def _inline_title(title: Title) -> Nested:
    artworks = [(artwork.id, _json(artwork.features)) for artwork in title.artworks]
    return title.id, artworks, _json(title.features)


def _title_of(name: str, artworks: Sequence[tuple[str, str]], features: str) -> Title:
    found = [Artwork(artwork, _features.decode(given)) for artwork, given in artworks]
    return Title(name, found, _features.decode(features))
