"""One child process of the supervisor: started, signalled, noticed when it ends.

Each child leads a process group of its own. A terminal's Ctrl-C therefore reaches the supervisor
alone, which then stops its children in order; and whatever a child leaves behind when it dies
(gunicorn's workers) can be ended as a group.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from server.process_ties import end_with_parent, group_lives

RESTART_LONGEST_S: Final = 30.0
"""Longest wait before a dead child is started again."""

HEALTHY_AFTER_S: Final = 60.0
"""A child that lived so long starts again with the shortest wait."""

KILL_AGAIN_S: Final = 1.0
"""Wait before looking whether a killed group is gone, where its end is not reported."""


@dataclass(frozen=True)
class ChildSpec:
    """What to run, and how it wants to be handled."""

    name: str
    argv: tuple[str, ...]
    stop_timeout_s: Callable[[], float]
    """Seconds from SIGTERM until it is killed; asked each time, as a reload may change it."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own environment."""
    inherited: tuple[int, ...] = ()
    """File descriptors handed down under the same numbers."""
    reload_signal: signal.Signals | None = None
    """Makes it take over a new configuration; without one it is ended and started again."""
    hurry_signal: signal.Signals = signal.SIGTERM
    """Makes it stop without finishing what it does."""
    refuses: Mapping[int, int] = field(default_factory=dict)
    """Exit codes that say it cannot run with this configuration → the supervisor's own exit code,
    with which it ends unless the service was ready before."""
    waits: frozenset[int] = frozenset()
    """Exit codes that say it waits for another one's end: tried again for ever."""
    gives_up: frozenset[int] = frozenset()
    """Exit codes that say it has tried often enough by itself."""
    is_vital: bool = False
    """Whether the service ends where it is given up; the others go on without any other one."""
    is_wanted: Callable[[], bool] = lambda: True
    """Whether it is to run; asked at the start and at each reload."""


class Backoff:
    """How long to wait before the next start: doubles with each death in quick succession."""

    def __init__(self, first_s: float) -> None:
        self.first_s = first_s
        self.deaths = 0
        """How many there were in quick succession."""
        self._next_s = first_s

    def after(self, lived_s: float) -> float:
        """Return the wait in seconds after a life of ``lived_s``."""
        if lived_s >= HEALTHY_AFTER_S:
            self._next_s = self.first_s
            self.deaths = 0
        self.deaths += 1
        wait_s = min(self._next_s, RESTART_LONGEST_S)
        self._next_s = wait_s * 2
        return wait_s


class Child:
    """A child's present state. Times are seconds of the monotonic clock."""

    def __init__(self, spec: ChildSpec, backoff: Backoff) -> None:
        self.spec = spec
        self.backoff = backoff
        self.start_at: float | None = None
        """When to start it; None while it runs or shall stay down."""
        self.restarting = False
        """Whether its end is wanted, to start it again with a new configuration."""
        self.is_given_up = False
        """Whether it died too often to be started again by itself."""
        self._kill_at: float | None = None
        self._started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._left: dict[int, float] = {}
        """Process groups that outlived their leader → when to kill them."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self, now: float) -> None:
        """Start it, in a group of its own and tied to our life."""
        self.start_at = None
        self._kill_at = None
        self.restarting = False
        self.is_given_up = False
        self._started_at = now
        self._process = subprocess.Popen(  # noqa: S603 (the command line is ours)
            self.spec.argv,
            env={**os.environ, **self.spec.environ},
            stdin=subprocess.DEVNULL,
            pass_fds=self.spec.inherited,
            process_group=0,
            # The supervisor has one thread, so that code between fork and exec is safe.
            preexec_fn=partial(end_with_parent, os.getpid()),
        )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def end(self, now: float) -> None:
        """Ask it to end; it is killed after its timeout."""
        self._kill_at = now + self.spec.stop_timeout_s()
        self.send(signal.SIGTERM)

    def hurry(self, now: float, timeout_s: float) -> None:
        """Ask it to end without finishing; it and what it left is killed after the timeout."""
        self.send(self.spec.hurry_signal)
        self._kill_at = now + timeout_s
        self._left = dict.fromkeys(self._left, self._kill_at)

    def poll(self, now: float) -> int | None:
        """Return its exit code (negative: the signal) if it just ended, else None.

        What it left running in its group is asked to end, and killed after the child's timeout.
        """
        if self._process is None:
            return None
        code = self._process.poll()
        if code is None:
            return None
        group = self._process.pid
        self._process = None
        self._kill_at = None
        if group_lives(group):
            self._left[group] = now + self.spec.stop_timeout_s()
            os.killpg(group, signal.SIGTERM)
        return code

    def lived_s(self, now: float) -> float:
        """Return for how long it has run or did run."""
        return now - self._started_at

    def gone(self) -> bool:
        """Tell whether it and all that it left have ended."""
        self._forget_dead_groups()
        return self._process is None and not self._left

    def kill_overdue(self, now: float) -> bool:
        """Kill what was told to end and did not in time; tell whether anything was."""
        self._forget_dead_groups()
        overdue = [group for group, due in self._left.items() if now >= due]
        for group in overdue:
            self._left[group] = now + KILL_AGAIN_S
        if self._process is not None and self._kill_at is not None and now >= self._kill_at:
            overdue.append(self._process.pid)
            self._kill_at = None
        for group in overdue:
            os.killpg(group, signal.SIGKILL)
        return bool(overdue)

    def _forget_dead_groups(self) -> None:
        self._left = {group: due for group, due in self._left.items() if group_lives(group)}

    def due(self) -> list[float]:
        """Return the instants at which something has to be done about it."""
        instants = [self.start_at, self._kill_at, *self._left.values()]
        return [instant for instant in instants if instant is not None]
