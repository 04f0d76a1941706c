"""Writes rounds as dsjson that stock Vowpal Wabbit reads with ``--dsjson``.

A choice becomes a cb line, a ranking a ccb line. What VW has no word for (viewer, segment,
position) stands under ``marquee``, which VW passes over and our own reader takes up. Features of
the context go into the namespace ``Context``, those of items into ``Item``; zeros are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bandit.types import Float32Array
from simulator.datasets.dsjson_lines import Extra
from simulator.datasets.whole_files import whole_file
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings

_Rounds = LoggedChoices | LoggedRankings
_encoder = msgspec.json.Encoder()


def write_dsjson(path: Path, batches: Iterable[_Rounds]) -> int:
    """Write rounds, one line each, and return how many.

    The logs keep the probability of what was chosen alone: the rest is spread evenly over the
    other actions in ``p``, from which VW learns nothing.

    Raises:
        OSError: the file cannot be written.
    """
    number = 0
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        for logged in batches:
            items = _items(logged)
            for index in range(len(logged)):
                line = _line(logged, index, items)
                line["EventId"] = _event_id(logged, index, number)
                file.write(_encoder.encode(line) + b"\n")
                number += 1
    return number


def _line(logged: _Rounds, index: int, items: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    if isinstance(logged, LoggedChoices):
        return _choice(logged, index, items)
    return _ranking(logged, index, items)


def _choice(
    logged: LoggedChoices, index: int, items: Mapping[int, dict[str, Any]]
) -> dict[str, Any]:
    codes = _codes(logged.candidates, index, logged.action_count)
    chosen, probability = int(logged.action[index]), float(logged.propensity[index])
    position = None if logged.position is None else int(logged.position[index])
    a, p = _ranked(chosen, probability, list(range(len(codes))))
    return {
        "_label_cost": 0.0 - float(logged.reward[index]),
        "_label_probability": probability,
        "_label_Action": chosen + 1,
        "_labelIndex": chosen,
        "Version": "1",
        "EventId": "",
        "a": [one + 1 for one in a],
        "c": _context(logged, index) | {"_multi": [items[code] for code in codes]},
        "p": p,
        "marquee": _extra(logged, index, position=position),
    }


def _ranking(
    logged: LoggedRankings, index: int, items: Mapping[int, dict[str, Any]]
) -> dict[str, Any]:
    codes = _codes(logged.candidates, index, logged.item_count)
    left = list(range(len(codes)))
    outcomes = []
    placed = [item for item in logged.items[index].tolist() if item >= 0]
    for slot, item in enumerate(placed):
        a, p = _ranked(item, float(logged.propensity[index, slot]), left)
        left = a[1:]
        cost = 0.0 - float(logged.reward[index, slot])
        outcomes.append({"_label_cost": cost, "_id": str(slot), "_a": a, "_p": p, "_o": []})
    seen = None if logged.seen is None else logged.seen[index, : len(placed)].tolist()
    slots = [{"Slot": {"position": str(slot)}} for slot in range(len(placed))]
    multi = [items[code] for code in codes]
    return {
        "Version": "1",
        "EventId": "",
        "c": _context(logged, index) | {"_multi": multi, "_slots": slots},
        "_outcomes": outcomes,
        "marquee": _extra(logged, index, seen=seen),
    }


def _ranked(chosen: int, probability: float, left: list[int]) -> tuple[list[int], list[float]]:
    """Return the actions left with the chosen one in front, and their probabilities."""
    others = [one for one in left if one != chosen]
    rest = (1.0 - probability) / len(others) if others else 0.0
    return [chosen, *others], [probability, *([rest] * len(others))]


def _extra(logged: _Rounds, index: int, **given: Any) -> Extra:
    segment = None
    if logged.segment is not None:
        code = int(logged.segment[index])
        names = logged.names.segments
        segment = names[code] if code < len(names) else str(code)
    viewer = None if logged.cluster is None else int(logged.cluster[index])
    return Extra(viewer=viewer, segment=segment, **given)


def _context(logged: _Rounds, index: int) -> dict[str, Any]:
    if logged.context is None:
        return {}
    return {"Context": _features(logged.context[index], logged.names.contexts)}


def _items(logged: _Rounds) -> dict[int, dict[str, Any]]:
    """Return every item as an action of VW's, by code."""
    count = _item_count(logged)
    actions = {}
    for code in range(count):
        name = logged.names.items[code] if code < len(logged.names.items) else str(code)
        features = {"id": name}
        if logged.item_features is not None:
            features = _features(logged.item_features[code], logged.names.features) or features
        actions[code] = {"_tag": name, "Item": features}
    return actions


def _item_count(logged: _Rounds) -> int:
    largest = logged.action_count if isinstance(logged, LoggedChoices) else logged.item_count
    if logged.candidates is not None and logged.candidates.size:
        largest = int(logged.candidates.max()) + 1
    return largest


def _features(values: Float32Array, names: Iterable[str]) -> dict[str, Any]:
    names = list(names) or [f"f{index}" for index in range(len(values))]
    return {names[index]: float(values[index]) for index in np.flatnonzero(values)}


def _codes(candidates: CodeArray | None, index: int, count: int) -> list[int]:
    if candidates is None:
        return list(range(count))
    row = candidates[index]
    codes: list[int] = row[row >= 0].tolist()
    return codes


def _event_id(logged: _Rounds, index: int, number: int) -> str:
    if logged.origin is None:
        return str(number)
    name = logged.origin.records[int(logged.origin.record_of[index])].decision_id
    title = int(logged.origin.title_of[index])
    return name if title < 0 else f"{name}:{title}"
