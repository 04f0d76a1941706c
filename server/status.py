"""The answer to "is it learning?": what the learner tells, and what this worker serves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from bandit.clock import MICROSECONDS
from bandit.config.schema import Config
from bandit.metrics import Metrics
from bandit.policy import Serving
from bandit.snapshots import SnapshotStore
from bandit.statistics import ShareStatistics
from bandit.status import LearnerStatus, Rejection, read_status
from bandit.types import SURFACES, Share, Surface
from server.challenger_wire import ChallengerReport
from server.cluster_words import ClusterReport, cluster_report
from server.insights_wire import Alarm, alarm_of
from server.prometheus import PrometheusMetrics
from server.run_directory import LEARNER, given_up
from server.snapshot_admin import pointer_or_none

SILENT_AFTER_S: Final = 10.0
"""A learner that has not reported for so long is taken to be down or stuck."""

BEHIND_AFTER_S: Final = 60.0
"""A learner so far behind the log is catching up after a pause, or stuck."""

_STEP: Final = "step"
"""What a learner's rejection names when a whole step came to nothing."""


class ShareReport(msgspec.Struct, frozen=True):
    """What the displays of one surface to one share of viewers earned."""

    displays: int
    clicks: int
    plays: int
    take_fraction: float | None
    """Plays a display; absent before the first."""
    reward_rate: float | None
    """Mean reward of a display; absent before the first."""


class ServedModelReport(msgspec.Struct, frozen=True):
    """The model that this worker scores a surface with."""

    version: str
    age_s: float
    pinned: bool
    """Chosen by hand, and not followed by newer ones until the newest is activated."""


class LearnerReport(msgspec.Struct, frozen=True):
    """The learner, as it last told; counts are over its whole life."""

    pid: int
    reported_s_ago: float
    lag_s: float
    """How far its log clock is behind the present."""
    open_decisions: int
    join: dict[str, int]
    """Records by what the joiner made of them."""
    outcomes: dict[str, int]
    """Closed decisions by what closed them."""
    examples: dict[Surface, int]
    unlearnable: dict[Surface, int]
    """Examples left out, since their numbers cannot be learned."""
    dead_letters: int
    missing_items: int
    unplaced_events: int
    published: dict[Surface, str]
    """The last snapshot it published."""
    held_models: dict[Surface, str]
    """Models that know less than what is being served and are not published yet, and why."""
    unreadable_spools: dict[str, str]
    """Spools of the log that it passes over, and why."""
    log_holds_s: float | None
    """Age of the oldest record that the log still holds; absent where it is empty."""


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it is learning, and from what one can tell."""

    learning: bool
    verdict: str
    """The same in words, with what to do if it is not."""
    catalog: str
    models: dict[Surface, ServedModelReport]
    shares: dict[Surface, dict[Share, ShareReport]]
    lift: dict[Surface, float | None]
    """Reward rate of the learned share over the holdout's, minus 1; absent without either."""
    entropy_bits: dict[Surface, float | None]
    """How open what the learned share gets is, mean since the service started: of artworks the
    entropy of a title's probabilities, of rows the surprisal of each place's row."""
    match_rate: float | None
    """In apprentice mode: how often the model would have chosen what the baseline did."""
    learner: LearnerReport | None
    last_rejection: Rejection | None
    """The last snapshot or catalog that was refused, by this worker or the learner."""
    not_logging: str | None = None
    """Why nothing is logged now, though pages are served; absent while it is."""
    challenger: ChallengerReport | None = None
    """Which line serves and what is known of the challenger; absent where there is none."""
    alarms: list[Alarm] = []
    """The drift alarms."""
    cluster: ClusterReport | None = None
    """This machine's part in the cluster; absent where there is none."""


def status_answer(
    config: Config,
    serving: Serving,
    refused: Rejection | None,
    snapshots: SnapshotStore,
    metrics: Metrics,
    now_us: int,
    *,
    not_logging: str | None = None,
    challenger: ChallengerReport | None = None,
) -> StatusAnswer:
    """Put together what there is to tell."""
    status = read_status(Path(config.learner.directory))
    shares = _shares(status)
    learning, verdict = _verdict(status, serving, config, now_us)
    cluster = cluster_report(config)
    if cluster is not None and not cluster.in_step:
        name, why = next(iter(cluster.failing.items()))
        learning = False
        verdict = (
            f"out of step with the cluster, {name}: {why}; pages are served, feedback is kept, and "
            "all is caught up afterwards"
        )
    if not_logging is not None:
        learning, verdict = False, f"nothing is logged to learn from: {not_logging}"
    told = (refused, None if status is None else status.last_rejection)
    rejections = [one for one in told if one is not None]
    return StatusAnswer(
        learning=learning,
        verdict=verdict,
        catalog=serving.catalog.version,
        models=_models(serving, snapshots, now_us),
        shares=shares,
        lift={surface: _lift(reports) for surface, reports in shares.items()},
        entropy_bits={surface: _entropy_bits(metrics, surface) for surface in SURFACES},
        match_rate=_match_rate(status),
        learner=None if status is None else _learner(status, now_us),
        last_rejection=max(rejections, key=lambda one: one.at_us, default=None),
        not_logging=not_logging,
        challenger=challenger,
        alarms=[] if status is None else [alarm_of(report) for report in status.alarms],
        cluster=cluster,
    )


def _shares(status: LearnerStatus | None) -> dict[Surface, dict[Share, ShareReport]]:
    if status is None:
        return {}
    return {
        surface: {share: _share(statistics) for share, statistics in shares.items()}
        for surface, shares in status.learned.shares.items()
    }


def _share(statistics: ShareStatistics) -> ShareReport:
    displays = statistics.displays
    return ShareReport(
        displays=displays,
        clicks=statistics.clicks,
        plays=statistics.plays,
        take_fraction=statistics.plays / displays if displays else None,
        reward_rate=statistics.reward / displays if displays else None,
    )


def _lift(reports: Mapping[Share, ShareReport]) -> float | None:
    learned, holdout = reports["learned"].reward_rate, reports["holdout"].reward_rate
    return None if learned is None or not holdout else learned / holdout - 1


def _models(
    serving: Serving, snapshots: SnapshotStore, now_us: int
) -> dict[Surface, ServedModelReport]:
    reports: dict[Surface, ServedModelReport] = {}
    for surface, model in serving.models.items():
        pointer = pointer_or_none(snapshots, surface)
        pinned = pointer is not None and pointer.pinned and pointer.version == model.version
        age_s = max(0.0, (now_us - model.created_at_us) / MICROSECONDS)
        reports[surface] = ServedModelReport(model.version, age_s, pinned)
    return reports


def _entropy_bits(metrics: Metrics, surface: Surface) -> float | None:
    if not isinstance(metrics, PrometheusMetrics):
        return None
    return metrics.histogram_mean("marquee_entropy_bits", {"surface": surface})


def _match_rate(status: LearnerStatus | None) -> float | None:
    if status is None or not status.learned.match_pages:
        return None
    return status.learned.match_sum / status.learned.match_pages


def _learner(status: LearnerStatus, now_us: int) -> LearnerReport:
    return LearnerReport(
        pid=status.pid,
        reported_s_ago=max(0.0, (now_us - status.updated_at_us) / MICROSECONDS),
        lag_s=status.lag_s,
        open_decisions=status.open_decisions,
        join=status.joined,
        outcomes=status.learned.outcomes,
        examples=status.learned.examples,
        unlearnable=status.learned.unlearnable,
        dead_letters=status.dead_letters,
        missing_items=status.learned.missing_items,
        unplaced_events=status.learned.unplaced_events,
        published={surface: model.version for surface, model in status.models.items()},
        held_models=status.held_models,
        unreadable_spools=status.unreadable_spools,
        log_holds_s=None
        if status.log_holds_from_us is None
        else max(0.0, (now_us - status.log_holds_from_us) / MICROSECONDS),
    )


def _verdict(
    status: LearnerStatus | None, serving: Serving, config: Config, now_us: int
) -> tuple[bool, str]:
    if LEARNER in given_up(config):
        return False, (
            "the learner died again and again and was given up: its log says why; mend that, and "
            "send SIGHUP to `marquee serve` to try it again"
        )
    if status is None:
        return False, "no learner has reported yet; `marquee serve` runs one beside the workers"
    silent_s = (now_us - status.updated_at_us) / MICROSECONDS
    if silent_s > SILENT_AFTER_S:
        return False, f"the learner has been silent for {silent_s:.0f} s; look at its log"
    hindrance = _hindrance(status, config)
    if hindrance is not None:
        return False, hindrance
    learned = sum(status.learned.examples.values())
    if not learned:
        window_s = config.reward.window_s + config.reward.clock_leeway_s
        return False, (
            f"nothing learned yet: {status.open_decisions} decisions wait for feedback or for "
            f"their window of {window_s:g} s to end"
        )
    if not serving.models:
        return False, f"{learned} examples learned, but no snapshot is being served yet"
    age_s = min(now_us - model.created_at_us for model in serving.models.values()) / MICROSECONDS
    return True, (
        f"learning: {learned} examples learned, {status.lag_s:.1f} s behind the log; "
        f"the newest model served is {max(age_s, 0.0):.1f} s old"
    )


def _hindrance(status: LearnerStatus, config: Config) -> str | None:
    """Return what keeps a learner that reports from learning, None if nothing does."""
    failed = status.last_rejection
    # The log clock moves whenever a step gets anywhere, and stands while each one fails.
    if failed is not None and failed.what == _STEP and failed.at_us > status.log_clock_us:
        return f"the learner's last step failed, and it tries again: {failed.why}"
    if status.lag_s > BEHIND_AFTER_S:
        return (
            f"the learner is {status.lag_s:.0f} s behind the log: it is catching up, or waits for "
            "a worker that does not move its spool on; see whether lag_s falls"
        )
    if all(getattr(config.surfaces, surface).mode == "log_only" for surface in SURFACES):
        return (
            "nothing is learned, as configured: both surfaces are in log_only mode; set "
            "surfaces.artwork.mode or surfaces.rows.mode to learn"
        )
    return None
