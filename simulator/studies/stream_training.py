"""Which rounds of a stream train, and which judge.

By viewer, the rounds of those that train are gathered in a first pass, and a second judges on the
others'. In the log's order there is one pass: the first rounds train, and the rest judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from simulator.datasets.registry import Source, concatenate
from simulator.datasets.source import PartedSource
from simulator.errors import EstimationError
from simulator.jobs import Workers, run_jobs
from simulator.logged import LoggedChoices
from simulator.progress import Watch
from simulator.studies.plans import LogPlan
from simulator.studies.splitting import (
    decisions_of,
    split_notes,
    unknown_viewers,
    whole,
)
from simulator.studies.stream_parts import Gathering, Viewers, gather_part


class Trained(NamedTuple):
    """Which rounds train those who learn, and which judge."""

    training: LoggedChoices | None
    """None where nobody learns."""
    others: Viewers | None
    """Whose rounds do not judge; None: all of ``rest`` judge."""
    rest: Iterator[LoggedChoices] | None
    """The rounds that judge, where they are not those of the whole log by :attr:`others`."""
    notes: list[str]


def trained(
    source: Source, learning: Sequence[str], plan: LogPlan, watch: Watch, *, workers: Workers = 1
) -> Trained:
    """Return the rounds for those who learn, and what to know.

    Raises:
        EstimationError: no round trains, or viewers are asked for and not known.
    """
    if not learning:
        return Trained(None, None, None, ["no policy learns from the log: all rounds judge"])
    batches = source.choices()
    first = next(batches, None)
    if first is None:
        return Trained(None, None, None, [])
    if plan.split_by == "viewer" and first.cluster is None:
        raise unknown_viewers()
    viewers, rest = None, None
    if plan.split_by != "order" and first.cluster is not None:
        share = min(plan.train, plan.train_rounds / max(source.rounds_max, 1))
        viewers = Viewers(share, plan.seed)
        training = _of_viewers(source, viewers, watch, workers)
        told = f"{len(training):,} rounds of {share:.3g} of the viewers, all judged on the others'"
    else:
        training, rest, told = _by_order(chain([first], batches), plan)
    note = f"{', '.join(learning)} trained on {told}"
    return Trained(training, viewers, rest, [note, *split_notes(plan.split_by, first.cluster)])


def _of_viewers(source: Source, viewers: Viewers, watch: Watch, workers: Workers) -> LoggedChoices:
    label = "gathering what trains"
    gathered: list[LoggedChoices] = []
    if isinstance(source, PartedSource):
        parts = source.parts()
        finished = run_jobs(
            gather_part,
            Gathering(source, viewers),
            parts,
            jobs=workers,
            watch=watch,
            label=label,
            unit="rows",
            sizes=[part.rows for part in parts],
            take=gathered.extend,
        )
        if finished.interrupted:
            raise KeyboardInterrupt
    else:
        with watch.task(label, None, "rounds") as advance:
            for batch in source.choices():
                gathered.append(viewers.training(batch))
                advance(len(batch))
    gathered = [one for one in gathered if len(one)]
    if not gathered:
        raise EstimationError(
            f"none of the viewers is among the {viewers.share:.2%} that train",
            hint="train on more rounds, or split by order",
        )
    return concatenate(gathered)


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
