"""The judging of a streamed log by its parts: what those who judge are given, and what they return.

What a part says is summed up by itself and merged in the parts' order, so that nothing depends on
who judged which. A worker trains those who learn once, on the rounds that it is given for that, and
holds one batch of a part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from bandit.types import BoolArray
from simulator.datasets.packed_records import PackedRecords
from simulator.datasets.source import PartedSource, Source
from simulator.datasets.table_files import Part
from simulator.logged import LoggedChoices
from simulator.policies.targets import Target
from simulator.studies.bench import Entrant
from simulator.studies.plans import JudgePlan
from simulator.studies.specs import target
from simulator.studies.splitting import Clusters, unit_hash, unknown_viewers
from simulator.studies.stream_sums import LoggedSums, PolicySums


class Viewers(NamedTuple):
    """The viewers whose rounds train, told by a seeded hash."""

    share: float
    seed: int

    def train(self, batch: LoggedChoices) -> BoolArray:
        """Return which of a batch's rounds are theirs, shape (n,).

        Raises:
            EstimationError: the log does not tell viewers apart.
        """
        return np.asarray(unit_hash(_viewers(batch), self.seed) < self.share)

    def training(self, batch: LoggedChoices) -> LoggedChoices:
        """Return the rounds that are theirs."""
        return _alone(batch.take(np.flatnonzero(self.train(batch))))

    def others(self, batches: Iterator[LoggedChoices]) -> Iterator[LoggedChoices]:
        """Yield the rounds of all other viewers."""
        for batch in batches:
            rest = batch.take(np.flatnonzero(~self.train(batch)))
            if len(rest):
                yield rest


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


def _viewers(batch: LoggedChoices) -> Clusters:
    if batch.cluster is None:
        raise unknown_viewers()
    return batch.cluster


class Judging:
    """What all parts share; workers get it whole, but for what they learn themselves."""

    def __init__(
        self,
        source: Source,
        entrants: Sequence[Entrant],
        training: LoggedChoices | None,
        trained_by: Viewers | None,
        plan: JudgePlan,
    ) -> None:
        """Put together who is judged, and on what.

        Args:
            source: the log; one in parts, where parts are judged.
            entrants: the policies.
            training: rounds that train those who learn; None where nobody does.
            trained_by: whose rounds these are, and so do not judge; None: all rounds judge.
            plan: how policies are judged.
        """
        self.source = source
        self.entrants = entrants
        self.plan = plan
        self._training = training
        self._trained_by = trained_by
        self._targets: dict[str, Target] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was learned: models do not travel."""
        return {**vars(self), "_targets": None}

    def targets(self) -> dict[str, Target]:
        """Return the policies by name, trained where they learn."""
        if self._targets is None:
            made = {entrant.name: target(entrant.spec) for entrant in self.entrants}
            for policy in made.values():
                if policy.learns and self._training is not None:
                    policy.fit(self._training)
            self._targets = made
        return self._targets

    def that_judge(self, batches: Iterator[LoggedChoices]) -> Iterator[LoggedChoices]:
        """Yield the rounds that judge."""
        return batches if self._trained_by is None else self._trained_by.others(batches)


class StreamSums:
    """What is kept of all policies, and of the log itself."""

    def __init__(self, plan: JudgePlan, names: Sequence[str]) -> None:
        """Begin without a round."""
        self.policies = {name: PolicySums(plan) for name in names}
        self.logged = LoggedSums(plan)

    def take(self, judging: Judging, batch: LoggedChoices) -> None:
        """Add a batch of rounds that judge."""
        for name, policy in judging.targets().items():
            self.policies[name].take(batch, policy)
        self.logged.take(batch)

    def merge(self, other: StreamSums) -> None:
        """Add those of the part that follows."""
        for name, sums in self.policies.items():
            sums.merge(other.policies[name])
        self.logged.merge(other.logged)

    def compact(self) -> None:
        """Make them as small as they can be, to be sent."""
        for sums in self.policies.values():
            sums.compact()
        self.logged.compact()


def judge_part(judging: Judging, part: Part) -> StreamSums:
    """Judge all policies on one part."""
    sums = StreamSums(judging.plan, [entrant.name for entrant in judging.entrants])
    for batch in judging.that_judge(_rounds(judging.source, part)):
        sums.take(judging, batch)
    sums.compact()
    return sums


class Gathering(NamedTuple):
    """What is gathered to train on; sent to whoever gathers."""

    source: Source
    viewers: Viewers


def gather_part(gathering: Gathering, part: Part) -> list[LoggedChoices]:
    """Return the rounds of one part that train."""
    return [gathering.viewers.training(one) for one in _rounds(gathering.source, part)]


def _rounds(source: Source, part: Part) -> Iterator[LoggedChoices]:
    if not isinstance(source, PartedSource):
        raise TypeError(f"{source.name} has no parts")
    return source.choices_of_part(part)
