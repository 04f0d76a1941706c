"""``evaluate`` on logs larger than memory: one pass, a batch at a time, in bounded memory.

For estimators whose terms of one round depend on no other round: IPS and SNIPS, clipped or not.
Their intervals are normal ones, and take rounds as independent. Policies that learn are trained on
the first rounds, as many as fit into memory, and everybody is judged on the rest. Ctrl-C keeps what
was read until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import numpy as np
from scipy import stats

from simulator.datasets.registry import Source, concatenate
from simulator.datasets.streaming import WeightSummary
from simulator.diagnostics.telling import TellingSums
from simulator.diagnostics.verdicts import Weights, few_rewards, judge
from simulator.errors import EstimationError, NoOverlapError, NotApplicableError
from simulator.estimators.inputs import weighted
from simulator.estimators.registry import estimator_named
from simulator.intervals.statistic import notes_of_ends
from simulator.logged import LoggedChoices
from simulator.moments import Moments
from simulator.policies.targets import Target
from simulator.progress import Watch
from simulator.results import DataSummary, Diagnostics, Estimate, Evaluation, Histogram, Interval
from simulator.studies.about import Begun
from simulator.studies.asked import Asked
from simulator.studies.bench import entrants
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.specs import target
from simulator.terms import Terms

STREAMED_BYTES: Final = 1_000_000_000
"""Logs of more bytes than these are streamed, unless it is said otherwise."""
STREAMED_ROUNDS: Final = 5_000_000
"""So are logs of more rounds, which compressed files may hold in few bytes."""
_EDGES: Final = np.concatenate(([0.0], np.geomspace(1e-3, 1e6, 55), [np.inf]))
_NOTE: Final = "rounds taken as independent"


def is_large(
    source: Source, *, rounds: int = STREAMED_ROUNDS, size_bytes: int = STREAMED_BYTES
) -> bool:
    """Tell whether a log of more than so many rounds or bytes is there, to be streamed."""
    files = source.path.rglob("*") if source.path.is_dir() else [source.path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return source.rounds_max > rounds or size > size_bytes


def evaluate_streamed(
    source: Source,
    policies: Sequence[str],
    log_plan: LogPlan,
    plan: JudgePlan,
    begun: Begun,
    *,
    watch: Watch,
) -> tuple[Evaluation, bool]:
    """Judge policies in one pass; return what was found, and whether Ctrl-C cut it short.

    Raises:
        NotApplicableError: an estimator or interval needs all rounds at once.
        LoggedDataError: the log is wrong, or holds no single choices.
        EstimationError: there are too few rounds.
    """
    for asked in plan.estimators:
        check_streamable(asked)
    if "normal" not in plan.intervals:
        raise NotApplicableError(
            "a streamed log has normal intervals alone",
            hint="ask for --intervals normal, or for --no-stream where memory suffices",
        )
    named, learning = entrants(policies)
    targets = {entrant.name: target(entrant.spec) for entrant in named}
    batches, notes = _trained(source, targets, learning, log_plan)
    sums = {name: _Sums(plan.estimators) for name in targets}
    logged = _LoggedSums()
    interrupted = False
    with watch.task(f"streaming {source.name}", None, "rounds") as advance:
        try:
            for batch in batches:
                for name, policy in targets.items():
                    sums[name].take(batch, policy)
                logged.take(batch)
                advance(len(batch))
        except KeyboardInterrupt:
            interrupted = True
            notes.append(f"interrupted: estimates are of {logged.rounds:,} rounds")
    if not logged.rounds:
        raise EstimationError("there are no rounds that judge", hint="train on fewer, or log more")
    evaluation = Evaluation(
        about=begun.about(),
        data=logged.summary(source, plan.level),
        estimates=[one for name, found in sums.items() for one in found.estimates(name, plan)],
        weights={name: found.histogram() for name, found in sums.items()},
        calibration=[],
        segments=[],
        positions=[],
        notes=[*notes, "streamed: calibration and tables by group need all rounds at once"],
    )
    return evaluation, interrupted


def check_streamable(asked: Asked) -> None:
    """Check that an estimator's terms of one round depend on no other.

    Raises:
        NotApplicableError: they do.
    """
    spec = estimator_named(asked.name)
    tuned = asked.parameter == "tuned"
    rejecting = asked.name in ("replay", "take-fraction")
    if spec.needs_model or spec.weighting == "balanced" or tuned or rejecting:
        raise NotApplicableError(
            f"{asked.label} needs all rounds at once",
            hint="a streamed log is judged by ips, ips=CLIP and snips; --no-stream reads it whole",
        )


def _trained(
    source: Source, targets: dict[str, Target], learning: Sequence[str], plan: LogPlan
) -> tuple[Iterator[LoggedChoices], list[str]]:
    """Train who learns on the first rounds; return the batches that judge, and what to know."""
    batches = source.choices()
    if not learning:
        return batches, ["no policy learns from the log: all rounds judge"]
    first: list[LoggedChoices] = []
    count = 0
    rest: LoggedChoices | None = None
    for batch in batches:
        missing = plan.train_rounds - count
        first.append(batch.take(slice(0, missing)))
        count += len(first[-1])
        if len(batch) > missing:
            rest = batch.take(slice(missing, None))
        if count == plan.train_rounds:
            break
    training = concatenate(first)
    for name in learning:
        targets[name].fit(training)
    note = f"{', '.join(learning)} trained on the first {count:,} rounds, all judged on the others"
    return chain([] if rest is None else [rest], batches), [note]


class _LoggedSums:
    """What the log's own policy earned."""

    def __init__(self) -> None:
        self._moments: Moments | None = None
        self._actions = 0

    @property
    def rounds(self) -> int:
        return 0 if self._moments is None else self._moments.count

    def take(self, batch: LoggedChoices) -> None:
        found = Moments.of(Terms(batch.reward))
        self._moments = found if self._moments is None else self._moments.merge(found)
        self._actions = max(self._actions, batch.action_count)

    def summary(self, source: Source, level: float) -> DataSummary:
        moments = self._moments
        return DataSummary(
            name=source.name,
            kind="choices",
            rounds=self.rounds,
            viewers=None,
            actions=self._actions,
            logged_mean=0.0 if moments is None else moments.value(),
            logged_interval=None if moments is None else _interval(moments, level),
            propensities="logged",
            skipped=source.skipped,
            notes=source.notes,
        )


class _Sums:
    """What is kept of one policy."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._asked = {each.label: each for each in asked}
        self._moments: dict[str, Moments] = {}
        self._weights = WeightSummary()
        self._telling = TellingSums.none()
        self._counts = np.zeros(len(_EDGES) - 1, np.int64)

    def take(self, batch: LoggedChoices, policy: Target) -> None:
        inputs = weighted(batch.reward, policy.chosen_probability(batch), batch.propensity)
        self._weights = self._weights.plus(inputs.weight)
        self._telling = self._telling.plus(inputs.weight, inputs.reward)
        self._counts += np.histogram(inputs.weight, bins=_EDGES)[0]
        for label, asked in self._asked.items():
            parameter = asked.parameter if isinstance(asked.parameter, float) else None
            found = Moments.of(estimator_named(asked.name).terms(inputs, parameter))
            before = self._moments.get(label)
            self._moments[label] = found if before is None else before.merge(found)

    def estimates(self, name: str, plan: JudgePlan) -> Iterator[Estimate]:
        diagnostics = _diagnostics(self._weights, self._telling, name, plan)
        for label, asked in self._asked.items():
            parameters: dict[str, float | str] = {}
            if isinstance(asked.parameter, float):
                parameters = {estimator_named(asked.name).parameter or "": asked.parameter}
            value, found = None, None
            try:
                value = self._moments[label].value()
                found = _interval(self._moments[label], plan.level)
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

    def histogram(self) -> Histogram:
        """Return the bins from 0 to the last that holds a weight."""
        held = int(np.flatnonzero(self._counts).max()) + 1
        edges = _EDGES[: held + 1].copy()
        edges[-1] = min(edges[-1], max(self._weights.largest, edges[-2] * 2 or 1.0))
        return Histogram(edges=edges.tolist(), counts=self._counts[:held].tolist())


def _diagnostics(
    weights: WeightSummary, telling: TellingSums, name: str, plan: JudgePlan
) -> Diagnostics:
    mean = weights.total / weights.rounds
    spread = max(weights.squares / weights.rounds - mean**2, 0.0)
    error = float(np.sqrt(spread / max(weights.rounds - 1, 1)))
    p_value = float(2 * stats.norm.sf(abs(mean - 1) / error)) if error else float(mean == 1)
    found = Weights(
        weights.rounds,
        weights.effective_rounds,
        weights.largest,
        mean,
        p_value,
        weights.zeros / weights.rounds,
        weights.largest / weights.total if weights.total else 0.0,
        telling.rounds(),
    )
    verdict = judge(found, name)
    warnings = few_rewards(found, verdict) + [
        f"no {method} interval: a streamed log has normal ones alone"
        for method in plan.intervals
        if method != "normal"
    ]
    return Diagnostics(
        rounds=found.rounds,
        effective_rounds=found.effective,
        weight_max=found.largest,
        weight_mean=found.mean,
        weight_mean_p=found.p_value,
        zero_overlap_share=found.zero_share,
        telling_rounds=found.telling,
        sound=verdict.sound,
        verdict=verdict.text,
        warnings=warnings,
    )


def _interval(moments: Moments, level: float) -> Interval | None:
    """Return the normal interval; None of one round, whose spread is not known."""
    reach = float(stats.norm.ppf((1 + level) / 2)) * moments.standard_error()
    value = moments.value()
    if not np.isfinite(reach):
        return None
    low, high = value - reach, value + reach
    return Interval(
        method="normal", level=level, low=low, high=high, note=notes_of_ends(low, high, _NOTE)
    )
