"""The first look over a table, part by part: how many actions there are, and what is wrong.

Parts may be looked over by several workers; what they find is put together in the parts' order, so
that the same rows are told of whoever looked. A column ``decision`` is an exception: what stands
there twice is told by all the ids before, and so one process goes through all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from bandit.types import BoolArray, FloatArray
from simulator.datasets.faults import (
    BEYOND,
    NO_PROPENSITY,
    OUTSIDE,
    REPEATED,
    Fault,
    Faults,
    actions_told_max,
    check_numbers,
    choice_faults,
    features_fault,
    whole_numbers,
)
from simulator.datasets.seen_ids import SeenIds
from simulator.datasets.source import BATCH_ROUNDS, Reading
from simulator.datasets.table_columns import as_features, counts, hashes
from simulator.datasets.table_files import NpzFile, ParquetFiles, Part, Piece
from simulator.jobs import run_jobs
from simulator.logged import not_finite

_LOOKED_AT: Final = ("action", "reward", "propensity", "candidates", "action_count", "decision")
"""Columns of the look, beside the segment's and the context's."""
_TELLS_ACTIONS: Final = ("candidates", "action_count", "action")
"""Columns that tell how many actions there are, the surest first."""

Found = TypeVar("Found")


class Looked(NamedTuple):
    """What the look learned."""

    action_count: int
    segments: list[str]
    dropped: BoolArray | None
    """Shape (rows,), where some are left out."""
    faults: Faults
    unlawful: Faults
    """Of propensities."""


class _Look(NamedTuple):
    """What is looked at; sent to whoever looks."""

    table: ParquetFiles | NpzFile
    where: str
    segment: str
    contexts: Sequence[str]
    keeps_bad: bool
    """Whether rows that are wrong are left out, and so need to be known one by one."""
    ids: SeenIds | None
    actions: int = 0
    told_max: int | None = None
    """Where the greatest action tells: what no action may reach."""


class _PartLooked(NamedTuple):
    faults: Faults
    unlawful: Faults
    segments: set[str]
    dropped: BoolArray | None


def look_over(
    table: ParquetFiles | NpzFile,
    where: str,
    name: str,
    segment: str,
    contexts: Sequence[str],
    reading: Reading,
) -> Looked:
    """Look a table over, in parts, by whoever ``reading`` names.

    Raises:
        LoggedDataError: a column holds no numbers, or a file cannot be read.
    """
    ids = SeenIds() if "decision" in table.columns else None
    look = _Look(table, where, segment, contexts, reading.skip_bad, ids)
    told_max = None
    if _telling(table) == "action":
        told_max = max(table.items, actions_told_max(table.rows))
    look = look._replace(told_max=told_max)
    label = f"finding the actions of {name}"
    greatest = [table.items - 1]
    _over_parts(look, greatest_of_part, greatest.append, label, reading)
    look = look._replace(actions=max(greatest) + 1)
    parts = table.parts()
    found: list[_PartLooked] = []
    _over_parts(look, look_at_part, found.append, f"looking over {name}", reading)
    faults, unlawful = Faults(), Faults()
    for one in found:
        faults.follow(one.faults)
        unlawful.follow(one.unlawful)
    segments = sorted(set[str]().union(*(one.segments for one in found)))
    return Looked(look.actions, segments, _dropped(parts, found), faults, unlawful)


def _over_parts(
    look: _Look,
    function: Callable[[_Look, Part], Found],
    take: Callable[[Found], None],
    label: str,
    reading: Reading,
) -> None:
    parts = look.table.parts()
    finished = run_jobs(
        function,
        look,
        parts,
        jobs=1 if look.ids is not None or isinstance(look.table, NpzFile) else reading.workers,
        watch=reading.watch,
        label=label,
        unit="rows",
        sizes=[part.rows for part in parts],
        take=take,
    )
    if finished.interrupted:
        raise KeyboardInterrupt


def _dropped(parts: Sequence[Part], found: Sequence[_PartLooked]) -> BoolArray | None:
    if all(one.dropped is None for one in found):
        return None
    masks = [
        np.zeros(part.rows, np.bool_) if one.dropped is None else one.dropped
        for part, one in zip(parts, found, strict=True)
    ]
    return np.concatenate(masks)


def _telling(table: ParquetFiles | NpzFile) -> str:
    return next(name for name in _TELLS_ACTIONS if name in table.columns)


def greatest_of_part(look: _Look, part: Part) -> int:
    """Return the last action that a part tells of."""
    telling = _telling(look.table)
    greatest = -1
    for piece in look.table.pieces_of(part, BATCH_ROUNDS, [telling]):
        check_numbers(piece[telling], telling, look.where)
        greatest = max(greatest, _greatest(piece, look.told_max))
    return greatest


def _greatest(piece: Piece, told_max: int | None) -> int:
    if "candidates" in piece:
        return int(piece["candidates"].shape[1]) - 1
    if "action_count" in piece:
        return int(whole_numbers(piece["action_count"]).max(initial=0)) - 1
    actions = whole_numbers(piece["action"])
    return int(actions.max(initial=0, where=actions < (told_max or 0)))


def look_at_part(look: _Look, part: Part) -> _PartLooked:
    """Count what is wrong in a part."""
    found = _PartLooked(Faults(part.first), Faults(part.first), set(), None)
    looked_at = (*_LOOKED_AT, look.segment, "context", *look.contexts)
    wanted = [name for name in look.table.columns if name in looked_at]
    bad: list[BoolArray] = []
    for piece in look.table.pieces_of(part, BATCH_ROUNDS, wanted):
        good = _lawful(look, piece, found)
        if look.keeps_bad:
            bad.append(~good)
        if look.segment in piece:
            found.segments.update(np.unique(piece[look.segment].astype(str)).tolist())
    dropped = np.concatenate(bad) if bad else None
    return found._replace(dropped=dropped if dropped is not None and dropped.any() else None)


def _lawful(look: _Look, piece: Piece, found: _PartLooked) -> BoolArray:
    """Count what is wrong in a piece, and return which rows are good."""
    action = _numbers(look, piece, "action")
    reward = _numbers(look, piece, "reward")
    propensity = _numbers(look, piece, "propensity") if "propensity" in piece else None
    wrong: dict[Fault, BoolArray] = {}
    if look.told_max is not None:
        wrong[BEYOND] = np.asarray(action >= look.told_max)
    wrong |= choice_faults(action, reward, propensity, counts(piece, look.actions))
    if look.told_max is not None:
        wrong[OUTSIDE] &= ~wrong[BEYOND]
    columns = ["context"] if "context" in piece else look.contexts
    for name in columns:
        wrong[features_fault(name)] = not_finite(as_features(_numbers(look, piece, name)))
    unlawful = wrong.pop(NO_PROPENSITY, None)
    if look.ids is not None:
        wrong[REPEATED] = look.ids.take_hashes(hashes(piece["decision"]))
    good = found.faults.take(len(action), wrong)
    if unlawful is not None:
        good &= found.unlawful.take(len(action), {NO_PROPENSITY: unlawful})
    return good


def _numbers(look: _Look, piece: Piece, name: str) -> FloatArray:
    check_numbers(piece[name], name, look.where)
    numbers: Any = piece[name].astype(np.float64, copy=False)
    return np.asarray(numbers)
