"""Which rounds of a stream train, and which judge.

By viewer, the rounds of those that train are gathered in a first pass, and a second judges on the
others'. In the log's order there is one pass: the first rounds train, and the rest judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from bandit.types import BoolArray
from simulator.datasets.packed_records import PackedRecords
from simulator.datasets.registry import Source, concatenate
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices
from simulator.policies.targets import Target
from simulator.progress import Advance, Watch
from simulator.studies.plans import LogPlan
from simulator.studies.splitting import (
    Clusters,
    decisions_of,
    split_notes,
    unit_hash,
    unknown_viewers,
    whole,
)


class Trained(NamedTuple):
    """What judges, once those who learn have learned."""

    batches: Iterator[LoggedChoices]
    notes: list[str]


def trained(
    source: Source,
    targets: dict[str, Target],
    learning: Sequence[str],
    plan: LogPlan,
    watch: Watch,
) -> Trained:
    """Train those who learn; return the batches that judge, and what to know.

    Raises:
        EstimationError: no round trains, or viewers are asked for and not known.
    """
    batches = source.choices()
    if not learning:
        return Trained(batches, ["no policy learns from the log: all rounds judge"])
    first = next(batches, None)
    if first is None:
        return Trained(iter(()), [])
    if plan.split_by == "viewer" and first.cluster is None:
        raise unknown_viewers()
    by_viewer = plan.split_by != "order" and first.cluster is not None
    batches = chain([first], batches)
    if by_viewer:
        with watch.task("gathering what trains", None, "rounds") as advance:
            training, rest, told = _by_viewer(source, _counted(batches, advance), plan)
    else:
        training, rest, told = _by_order(batches, plan)
    for name in learning:
        targets[name].fit(training)
    note = f"{', '.join(learning)} trained on {told}"
    return Trained(rest, [note, *split_notes(plan.split_by, first.cluster)])


def _by_viewer(
    source: Source, batches: Iterator[LoggedChoices], plan: LogPlan
) -> tuple[LoggedChoices, Iterator[LoggedChoices], str]:
    share = min(plan.train, plan.train_rounds / max(source.rounds_max, 1))

    def trains(batch: LoggedChoices) -> BoolArray:
        return np.asarray(unit_hash(_viewers(batch), plan.seed) < share)

    parts = [_alone(batch.take(np.flatnonzero(trains(batch)))) for batch in batches]
    parts = [part for part in parts if len(part)]
    if not parts:
        raise EstimationError(
            f"none of the viewers is among the {share:.2%} that train",
            hint="train on more rounds, or split by order",
        )
    training = concatenate(parts)
    others = (batch.take(np.flatnonzero(~trains(batch))) for batch in source.choices())
    told = f"{len(training):,} rounds of {share:.3g} of the viewers, all judged on the others'"
    return training, (batch for batch in others if len(batch)), told


def _alone(part: LoggedChoices) -> LoggedChoices:
    """Return rounds without the decisions of their batch that are not theirs.

    A few rounds of every batch must not hold all the log in memory.
    """
    origin = part.origin
    if origin is None:
        return part
    used, place = np.unique(origin.record_of, return_inverse=True)
    records = PackedRecords.pack(origin.records[int(index)] for index in used)
    return replace(
        part, origin=origin._replace(records=records, record_of=place.astype(np.int32).reshape(-1))
    )


def _counted(batches: Iterator[LoggedChoices], advance: Advance) -> Iterator[LoggedChoices]:
    for batch in batches:
        yield batch
        advance(len(batch))


def _viewers(batch: LoggedChoices) -> Clusters:
    if batch.cluster is None:
        raise unknown_viewers()
    return batch.cluster


def _by_order(
    batches: Iterator[LoggedChoices], plan: LogPlan
) -> tuple[LoggedChoices, Iterator[LoggedChoices], str]:
    first: list[LoggedChoices] = []
    count = 0
    rest: list[LoggedChoices] = []
    for batch in batches:
        missing = whole(decisions_of(batch), min(plan.train_rounds - count, len(batch)))
        first.append(batch.take(slice(0, missing)))
        count += len(first[-1])
        if missing < len(batch):
            rest = [batch.take(slice(missing, None))]
        if count >= plan.train_rounds:
            break
    told = f"the first {count:,} rounds, all judged on the others"
    return concatenate(first), chain(rest, batches), told
