"""The figures' place in the learner: kept with its checkpoints, told beside its status."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bandit.clock import MICROSECONDS, to_us
from bandit.config.schema import Config
from bandit.drift_words import AlarmReport, in_words
from bandit.insights.counting import Insights, RowDisplays, TitleDisplays
from bandit.insights.told import RESET_NAME, Gauges, InsightsFile, title_totals, write_insights
from bandit.joiner import Outcome
from bandit.metrics import Metrics
from bandit.types import Surface

_TOLD_US: Final = to_us(1.0)
"""Least time between two files."""

_log = structlog.get_logger(__name__)


class InsightsDesk:
    """Counts for a learner, and tells what was counted."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._directory = Path(config.learner.directory)
        self._metrics = metrics
        self._insights = Insights(config)
        self._raised: set[tuple[str, str]] = set()
        self._interval_us = max(1, to_us(config.insights.interval_s))
        self._gauges: deque[Gauges] = deque(maxlen=config.insights.intervals_max)
        self._told_at_us: int | None = None
        self._is_told = False

    def restore(self, state: bytes) -> None:
        """Go back to a checkpoint's state; an empty one begins anew."""
        self._insights = Insights(self._config, state)
        self._raised = _raised(self._insights.alarms())
        self._is_told = False

    def count(
        self, outcome: Outcome, titles: TitleDisplays, rows: RowDisplays, examples: int
    ) -> None:
        """Count an outcome."""
        self._insights.count(outcome, titles, rows, examples)
        self._is_told = False

    def encoded(self) -> bytes:
        """Return what :meth:`restore` goes back to."""
        return self._insights.encoded()

    def alarms(self) -> list[AlarmReport]:
        """Return how the alarms stand."""
        return self._insights.alarms()

    def obeys_reset(self) -> bool:
        """Begin the alarms anew if that was ordered; it holds once a checkpoint was made.

        :meth:`reset_done` is to be called then: whoever dies before does it again.
        """
        if not (self._directory / RESET_NAME).exists():
            return False
        self._insights.reset_alarms()
        self._raised = set()
        self._is_told = False
        return True

    def reset_done(self) -> None:
        """Let go of the order."""
        (self._directory / RESET_NAME).unlink(missing_ok=True)
        _log.info("alarms reset")

    def note(self, now_us: int, lag_s: float, created_at_us: Mapping[Surface, int]) -> None:
        """Note the gauges once an interval, and tell of alarms that were raised."""
        number = now_us // self._interval_us - 1
        while self._gauges and self._gauges[-1].number > number:
            # The clock stepped back: what was noted ahead of it is of no interval that is over.
            self._gauges.pop()
        if not self._gauges or self._gauges[-1].number < number:
            ages = {
                surface: max(0, now_us - made_us) / MICROSECONDS
                for surface, made_us in created_at_us.items()
            }
            self._gauges.append(Gauges(number, lag_s, ages))
            self._is_told = False
        alarms = self._insights.alarms()
        for alarm in alarms:
            is_raised = alarm.state == "raised"
            self._metrics.set("marquee_drift_alarm", alarm.name, alarm.surface, to=is_raised)
            if is_raised and (alarm.name, alarm.surface) not in self._raised:
                self._metrics.count("marquee_drift_alarms_total", alarm.name, alarm.surface)
                _log.warning(
                    "drift alarm",
                    alarm=alarm.name,
                    surface=alarm.surface,
                    usual=alarm.usual,
                    now=alarm.now,
                    says=in_words(alarm),
                )
        self._raised = _raised(alarms)

    def tell(self, now_us: int, log_clock_us: int, *, at_once: bool = False) -> None:
        """Write what was counted, at most once a second and only if it changed.

        Raises:
            OSError: the disk is full or the directory not writable.
        """
        told_us = self._told_at_us
        is_due = told_us is None or now_us - told_us >= _TOLD_US or now_us < told_us
        if self._is_told or not (is_due or at_once):
            return
        told = InsightsFile(
            at_us=now_us,
            log_clock_us=log_clock_us,
            state=msgspec.Raw(self._insights.encoded()),
            titles=title_totals(self._insights.state),
            gauges=list(self._gauges),
            alarms=self._insights.alarms(),
        )
        write_insights(self._directory, told)
        self._told_at_us, self._is_told = now_us, True


def _raised(alarms: list[AlarmReport]) -> set[tuple[str, str]]:
    return {(alarm.name, alarm.surface) for alarm in alarms if alarm.state == "raised"}
