"""What is kept of a streamed log and of the policies judged on it, a part after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from scipy import stats

from bandit.types import FloatArray
from simulator.datasets.registry import Source
from simulator.diagnostics.verdicts import diagnosed
from simulator.diagnostics.weights import Weights, WeightSums, check_weight_max
from simulator.errors import NoOverlapError, NotApplicableError
from simulator.estimators.inputs import weighted
from simulator.estimators.registry import estimator_named
from simulator.intervals import interval
from simulator.intervals.statistic import Ratio, Statistic, notes_of_ends
from simulator.logged import LoggedChoices
from simulator.moments import Moments
from simulator.policies.targets import Target
from simulator.results import DataSummary, Diagnostics, Estimate, Histogram, Interval
from simulator.studies.asked import Asked
from simulator.studies.plans import JudgePlan
from simulator.studies.stream_viewers import ViewerSums
from simulator.terms import Terms

_EDGES: Final = np.concatenate(([0.0], np.geomspace(1e-3, 1e6, 55), [np.inf]))
_NOTE: Final = "rounds taken as independent"
_SHARED: Final = 3
"""Columns of every viewer's sums: rounds, weights, weighted rewards. Two follow of each estimator
with a parameter, numerators and denominators; the others are made of the first."""


class LoggedSums:
    """What the log's own policy earned."""

    def __init__(self, plan: JudgePlan) -> None:
        self._plan = plan
        self._moments: Moments | None = None
        self._viewers: ViewerSums | None = None
        self._actions = 0

    @property
    def rounds(self) -> int:
        """How many there were."""
        return 0 if self._moments is None else self._moments.count

    @property
    def tells_viewers(self) -> bool:
        """Whether viewers are known."""
        return self._viewers is not None

    def take(self, batch: LoggedChoices) -> None:
        """Add a batch."""
        found = Moments.of(Terms(batch.reward))
        self._moments = found if self._moments is None else self._moments.merge(found)
        self._actions = max(self._actions, batch.action_count)
        if batch.cluster is not None:
            # Counted even where intervals do not go by them: results tell how many viewers judged.
            self._viewers = self._viewers or ViewerSums()
            self._viewers.take(batch.cluster, np.stack([np.ones(len(batch)), batch.reward]))

    def merge(self, other: LoggedSums) -> None:
        """Add what followed."""
        if other._moments is not None:
            here = self._moments
            self._moments = other._moments if here is None else here.merge(other._moments)
        self._actions = max(self._actions, other._actions)
        self._viewers = _merged(self._viewers, other._viewers)

    def compact(self) -> None:
        """Make it as small as it can be, to be sent."""
        if self._viewers is not None:
            self._viewers.compact()

    def summary(self, source: Source) -> DataSummary:
        """Return what results tell of the log; there must be a round."""
        moments, level = self._moments, self._plan.level
        viewers = None if self._viewers is None else self._viewers.sums()
        interval = None if moments is None else _independent(moments, level)
        if viewers is not None and self._plan.clustered:
            size, reward = viewers
            interval = _by_viewer(Statistic(len(size), reward, (), size), level)
        return DataSummary(
            name=source.name,
            kind="choices",
            rounds=self.rounds,
            viewers=None if viewers is None else viewers.shape[1],
            actions=self._actions,
            logged_mean=0.0 if moments is None else moments.value(),
            logged_interval=interval,
            propensities="logged",
            skipped=source.skipped,
            notes=source.notes,
        )


class PolicySums:
    """What is kept of one policy."""

    def __init__(self, plan: JudgePlan) -> None:
        self._plan = plan
        self._asked = {each.label: each for each in plan.estimators}
        self._places = _places(plan.estimators)
        self._moments: dict[str, Moments] = {}
        self._weights = WeightSums.none()
        self._counts = np.zeros(len(_EDGES) - 1, np.int64)
        self._viewers: ViewerSums | None = None

    def take(self, batch: LoggedChoices, policy: Target) -> None:
        """Add a batch.

        Raises:
            EstimationError: a weight is larger than is said to be possible.
        """
        inputs = weighted(batch.reward, policy.chosen_probability(batch), batch.propensity)
        self._weights = self._weights.plus(inputs.weight, inputs.reward)
        check_weight_max(self._weights.largest, self._plan.weight_max)
        self._counts += np.histogram(inputs.weight, bins=_EDGES)[0]
        columns = [np.ones(len(batch)), inputs.weight, inputs.weight * inputs.reward]
        for label, asked in self._asked.items():
            parameter = asked.parameter if isinstance(asked.parameter, float) else None
            terms = estimator_named(asked.name).terms(inputs, parameter)
            found = Moments.of(terms)
            before = self._moments.get(label)
            self._moments[label] = found if before is None else before.merge(found)
            if parameter is not None:
                columns += [terms.numerator, _or(terms.denominator, columns[0])]
        if batch.cluster is not None and self._plan.clustered:
            self._viewers = self._viewers or ViewerSums()
            self._viewers.take(batch.cluster, np.stack(columns))

    def merge(self, other: PolicySums) -> None:
        """Add what followed."""
        self._weights = self._weights.merge(other._weights)
        self._counts = self._counts + other._counts
        for label, found in other._moments.items():
            before = self._moments.get(label)
            self._moments[label] = found if before is None else before.merge(found)
        self._viewers = _merged(self._viewers, other._viewers)

    def compact(self) -> None:
        """Make it as small as it can be, to be sent."""
        if self._viewers is not None:
            self._viewers.compact()

    def estimates(self, name: str) -> Iterator[Estimate]:
        """Yield an estimate for each estimator; there must be a round."""
        viewers = None if self._viewers is None else self._viewers.sums()
        diagnostics = self._diagnostics(name, viewers)
        for label, asked in self._asked.items():
            parameters: dict[str, float | str] = {}
            if isinstance(asked.parameter, float):
                parameters = {estimator_named(asked.name).parameter or "": asked.parameter}
            value, found = None, None
            try:
                self._moments[label].check_overlap()
                value = self._moments[label].value()
                found = self._interval(label, viewers)
            except NoOverlapError:
                # The verdict says so.
                pass
            yield Estimate(
                policy=name,
                estimator=label,
                value=value,
                intervals=[] if found is None else [found],
                parameters=parameters,
                diagnostics=diagnostics,
            )

    def _interval(self, label: str, viewers: FloatArray | None) -> Interval | None:
        level = self._plan.level
        if viewers is None:
            return _independent(self._moments[label], level)
        size, numerator, denominator = viewers[[0, *self._places[label]]]
        if self._moments[label].has_denominator:
            ratio = Ratio(numerator, denominator)
            return _by_viewer(Statistic(len(size), None, (ratio,), size), level)
        return _by_viewer(Statistic(len(size), numerator, (), size), level)

    def _diagnostics(self, name: str, viewers: FloatArray | None) -> Diagnostics:
        sums = self._weights
        if viewers is not None:
            sums = sums.by_viewer(*viewers[:_SHARED])
        missing = [
            f"no {method} interval: a streamed log has normal ones alone"
            for method in self._plan.intervals
            if method != "normal"
        ]
        return diagnosed(
            Weights.of_sums(sums),
            name,
            weight_max_known=self._plan.weight_max,
            warnings=missing,
        )

    def histogram(self) -> Histogram:
        """Return the bins from 0 to the last that holds a weight."""
        held = int(np.flatnonzero(self._counts).max()) + 1
        edges = _EDGES[: held + 1].copy()
        edges[-1] = min(edges[-1], max(self._weights.largest, edges[-2] * 2 or 1.0))
        return Histogram(edges=edges.tolist(), counts=self._counts[:held].tolist())


def _merged(ours: ViewerSums | None, theirs: ViewerSums | None) -> ViewerSums | None:
    if ours is None or theirs is None:
        return ours or theirs
    ours.merge(theirs)
    return ours


def _places(asked: Sequence[Asked]) -> dict[str, tuple[int, int]]:
    """Return where each estimator's numerators and denominators are among viewers' sums."""
    found = {}
    following = _SHARED
    for each in asked:
        found[each.label] = (2, 1)
        if isinstance(each.parameter, float):
            found[each.label] = (following, following + 1)
            following += 2
    return found


def _or(denominator: FloatArray | None, ones: FloatArray) -> FloatArray:
    return ones if denominator is None else denominator


def _by_viewer(statistic: Statistic, level: float) -> Interval | None:
    """Return the interval over viewers; None of one viewer, as nothing tells their spread."""
    try:
        found = interval("normal", statistic, level=level)
    except NotApplicableError:
        return None
    note = "; ".join(filter(None, [f"{statistic.units} clusters", found.note]))
    return msgspec.structs.replace(found, note=note)


def _independent(moments: Moments, level: float) -> Interval | None:
    """Return the interval over rounds; None of one round, whose spread is not known."""
    reach = float(stats.norm.ppf((1 + level) / 2)) * moments.standard_error()
    value = moments.value()
    if not np.isfinite(reach):
        return None
    low, high = value - reach, value + reach
    return Interval(
        method="normal", level=level, low=low, high=high, note=notes_of_ends(low, high, _NOTE)
    )
