"""Lines of Vowpal Wabbit's decision service JSON: what they say, and what may be wrong with them.

A *cb* line is one choice: the chosen action, counted from 1, its probability and its cost. A *ccb*
line is a ranking: one entry of ``_outcomes`` a slot, whose ``_a`` and ``_p`` begin with the action
chosen, counted from 0, and its probability given the slots above. A reward is the cost with its
sign turned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from bandit.types import Features

_SUM_TOLERANCE: Final = 1e-3
"""VW writes probabilities as 32-bit floats, and large action sets add up their errors."""

_FLOAT32_MAX: Final = 3.4028234663852886e38

_PLAIN_NAMESPACES: Final = ("Context", "Item")
"""Namespaces whose features keep their bare names: those that we write."""


class Extra(msgspec.Struct, omit_defaults=True):
    """What we add to a line, under ``marquee``; VW passes over it."""

    viewer: int | None = None
    segment: str | None = None
    position: int | None = None
    seen: list[bool] | None = None


class _Slot(msgspec.Struct):
    cost: float = msgspec.field(name="_label_cost", default=0.0)
    a: list[int] = msgspec.field(name="_a", default_factory=list)
    p: list[float] = msgspec.field(name="_p", default_factory=list)


class _Line(msgspec.Struct):
    c: dict[str, Any] | None = None
    cost: float | None = msgspec.field(name="_label_cost", default=None)
    probability: float | None = msgspec.field(name="_label_probability", default=None)
    action: int | None = msgspec.field(name="_label_Action", default=None)
    a: list[int] = []
    p: list[float] = []
    outcomes: list[_Slot] | None = msgspec.field(name="_outcomes", default=None)
    event_id: str | None = msgspec.field(name="EventId", default=None)
    reward_value: Any = msgspec.field(name="RewardValue", default=None)
    skip_learn: bool = msgspec.field(name="_skipLearn", default=False)
    dropped: float = msgspec.field(name="pdrop", default=0.0)
    marquee: Extra = msgspec.field(default_factory=Extra)


class Event(NamedTuple):
    """One decision."""

    ranking: bool
    """A ccb line, of slots; else a cb line, of one choice."""
    id: str | None
    context: Features
    actions: list[dict[str, Any]]
    chosen: list[int]
    """By slot, counted from 0."""
    propensities: list[float]
    rewards: list[float]
    dropped: float
    """The probability with which such events were left out of the log (``pdrop``)."""
    extra: Extra


class WrongLineError(Exception):
    """A line is not what it should be; the message says what, ``mend`` how to mend it."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


_decoder = msgspec.json.Decoder(_Line)
_canonical = msgspec.json.Encoder(order="deterministic")


def read_event(content: bytes) -> Event | None:
    """Return what a line says; None for lines that are no decision, or one never shown.

    Raises:
        WrongLineError: the line is not JSON, lacks something, or contradicts itself.
    """
    try:
        line = _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WrongLineError(
            f"not a line of dsjson: {error}", "write one JSON object a line"
        ) from error
    if line.skip_learn or (line.c is None and line.reward_value is not None):
        return None
    if line.c is None:
        raise WrongLineError('has no context "c"', "keep the whole line as the service logged it")
    actions = line.c.get("_multi")
    if not isinstance(actions, list) or not actions:
        raise WrongLineError('has no actions "c._multi"', "log the action set with each decision")
    if not all(isinstance(action, dict) for action in actions):
        raise WrongLineError('"c._multi" holds no objects', "write each action as an object")
    ranking = line.outcomes is not None
    chosen, propensities, costs = (
        _slots(line.outcomes, len(actions))
        if line.outcomes is not None
        else _choice(line, len(actions))
    )
    shared = {name: value for name, value in line.c.items() if not name.startswith("_")}
    return Event(
        ranking=ranking,
        id=line.event_id,
        context=flat_features(shared),
        actions=actions,
        chosen=chosen,
        propensities=propensities,
        rewards=[0.0 - cost for cost in costs],
        dropped=line.dropped,
        extra=line.marquee,
    )


def _choice(line: _Line, actions: int) -> tuple[list[int], list[float], list[float]]:
    if line.cost is None or line.action is None:
        raise WrongLineError(
            'has no "_label_cost" or "_label_Action"', "join the decision with its reward first"
        )
    if line.probability is None:
        raise WrongLineError(
            'has no "_label_probability"', "log the probability of the action chosen"
        )
    if not 1 <= line.action <= actions:
        raise WrongLineError(
            f'"_label_Action" is {line.action} of {actions} actions', "count actions from 1"
        )
    _check_pmf(line.a, line.p, actions, first=1)
    _check_numbers(line.probability, line.cost)
    return [line.action - 1], [line.probability], [line.cost]


def _slots(slots: list[_Slot], actions: int) -> tuple[list[int], list[float], list[float]]:
    if not slots:
        raise WrongLineError('"_outcomes" is empty', "keep one outcome a slot")
    for number, slot in enumerate(slots):
        if not slot.a or len(slot.a) != len(slot.p):
            raise WrongLineError(
                f'slot {number} has {len(slot.a)} actions in "_a" and {len(slot.p)} in "_p"',
                "log both with the action chosen at the front",
            )
        _check_pmf(slot.a, slot.p, actions, first=0)
        _check_numbers(slot.p[0], slot.cost)
    chosen = [slot.a[0] for slot in slots]
    if len(set(chosen)) < len(chosen):
        raise WrongLineError("an action stands in two slots", "give each slot an action of its own")
    return chosen, [slot.p[0] for slot in slots], [slot.cost for slot in slots]


def _check_pmf(a: list[int], p: list[float], actions: int, first: int) -> None:
    if len(p) > actions or any(not first <= one < actions + first for one in a):
        raise WrongLineError(
            f"names actions outside the {actions} offered",
            f"count the actions of this list from {first}",
        )
    if p and abs(math.fsum(p) - 1) > _SUM_TOLERANCE:
        raise WrongLineError(
            f"its probabilities sum to {math.fsum(p):g}", "log the probabilities of all actions"
        )


def _check_numbers(probability: float, cost: float) -> None:
    if not 0 < probability <= 1 + _SUM_TOLERANCE:
        raise WrongLineError(
            f"the probability of what was chosen is {probability:g}",
            "log a probability above 0 and not above 1",
        )
    if not math.isfinite(cost):
        raise WrongLineError("its cost is not a finite number", "log the cost, which is -reward")


def item_key(action: Mapping[str, Any]) -> bytes:
    """Return what tells actions of different content apart."""
    return blake2b(_canonical.encode(action), digest_size=16).digest()


def item_name(action: Mapping[str, Any], key: bytes) -> str:
    """Return an action's tag, or a name made of its content."""
    tag = action.get("_tag")
    return tag if isinstance(tag, str) else f"action-{key.hex()[:12]}"


def flat_features(value: Mapping[str, Any], prefix: str = "") -> Features:
    """Return nested features as a flat map: names of namespaces stand in front, with a dot.

    Raises:
        WrongLineError: a number is too great.
    """
    flat: Features = {}
    for name, found in value.items():
        if name.startswith("_"):
            continue
        if isinstance(found, dict):
            inner = prefix if not prefix and name in _PLAIN_NAMESPACES else f"{prefix}{name}."
            flat |= flat_features(found, inner)
        elif isinstance(found, list) and any(isinstance(one, dict) for one in found):
            for index, one in enumerate(found):
                if isinstance(one, dict):
                    flat |= flat_features(one, f"{prefix}{name}[{index}].")
        elif isinstance(found, list):
            texts = all(isinstance(one, str) for one in found)
            flat[prefix + name] = found if texts else [_number(one) for one in found]
        elif isinstance(found, str):
            flat[prefix + name] = found
        elif found is not None:
            flat[prefix + name] = _number(found)
    return flat


def _number(value: Any) -> float:
    number = float(value) if isinstance(value, int | float) else 0.0
    if abs(number) > _FLOAT32_MAX:
        raise WrongLineError(
            f"a feature is {number:g}, greater than float32 can hold", "scale such features down"
        )
    return number
