"""What keeps local stores and Redis in step: duties, each in a thread and with a client of its own.

A duty that fails because Redis does not answer, or the disk does not, is tried again soon, and ever
later up to a second; nothing else waits for it. What fails otherwise is a defect: it is told, and
tried again as well, as one duty's defect must not keep the others from theirs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from bandit.clock import Clock
from bandit.metrics import Metrics

FIRST_RETRY_S: Final = 0.05
LAST_RETRY_S: Final = 1.0
CLOSE_S: Final = 5.0
"""How long an end waits for what is under way."""

log = structlog.get_logger(__name__)


class Duty(Protocol):
    """Something to be done again and again."""

    @property
    def name(self) -> str:
        """What it is called, in a word."""
        ...

    def step(self, now_us: int) -> bool:
        """Do what there is to do now; return whether there may be more at once.

        Raises:
            RedisError: Redis does not answer, or refuses.
            MarqueeError, OSError: a local store cannot be read or written now.
        """
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class DutyState(msgspec.Struct, frozen=True):
    """How a duty stands."""

    was_done: bool = False
    """Whether it was done once since the process started."""
    failing: str | None = None
    """Why it cannot be done now; None while it can."""


class Duties:
    """Does its duties until told to stop.

    Args:
        interval_s: how long a duty rests after it found nothing to do, in seconds.
        tell: is told how all duties stand, by name, whenever that changes.
    """

    def __init__(
        self,
        duties: Sequence[Duty],
        clock: Clock,
        metrics: Metrics,
        interval_s: float,
        tell: Callable[[Mapping[str, DutyState]], None] = lambda _states: None,
    ) -> None:
        self._states = {duty.name: DutyState() for duty in duties}
        self._telling = threading.Lock()
        self._tell = tell
        self._duties = duties
        self._clock = clock
        self._metrics = metrics
        self._interval_s = interval_s

    def run(self, stop: threading.Event) -> None:
        """Do them all until ``stop`` is set, then close them."""
        threads = [
            threading.Thread(
                target=self._keep_doing, args=(duty, stop), name=duty.name, daemon=True
            )
            for duty in self._duties
        ]
        for thread in threads:
            thread.start()
        stop.wait()
        for thread in threads:
            thread.join(CLOSE_S)
        for duty in self._duties:
            duty.close()

    def _keep_doing(self, duty: Duty, stop: threading.Event) -> None:
        wait_s, state = 0.0, DutyState()
        self._metrics.set("marquee_cluster_duty_failing", duty.name, to=0)
        while not stop.wait(wait_s):
            before = state
            try:
                wait_s = 0.0 if duty.step(self._clock.now_us()) else self._interval_s
            except Exception as error:  # noqa: BLE001 - see above
                wait_s = _retry_s(wait_s)
                state = DutyState(before.was_done, f"{type(error).__name__}: {error}")
            else:
                state = DutyState(was_done=True)
            if state != before:
                self._change(duty.name, before, state)

    def _change(self, name: str, before: DutyState, state: DutyState) -> None:
        if before.failing is None and state.failing is not None:
            log.warning("a duty of the cluster fails; it is tried again", duty=name,
                        why=state.failing)  # fmt: skip
        elif before.failing is not None and state.failing is None:
            log.info("a duty of the cluster is done again", duty=name, failed=before.failing)
        self._metrics.set(
            "marquee_cluster_duty_failing", name, to=0 if state.failing is None else 1
        )
        with self._telling:
            self._states[name] = state
            self._tell(dict(self._states))


def _retry_s(waited_s: float) -> float:
    """Return a longer wait than the last, drawn so that not all machines come at once."""
    longest_s = min(LAST_RETRY_S, max(FIRST_RETRY_S, 2 * waited_s))
    return longest_s * random.uniform(0.7, 1.0)  # noqa: S311 - no secret
