"""Runs the children of ``marquee serve``: starts, restarts, reloads and stops them in order.

One thread waits for signals, children's ends and deadlines alike, in one place and without
polling: Python writes each signal's number to a socket that the loop watches. What happens is a
matter of three phases. *Running*: a child that ends is started again after a wait that doubles
with each death in quick succession. *Draining*: the service says that it is not ready, so that
load balancers look away. *Stopping*: the children end one after the other, each with everything
that it left running, and whoever is late is killed.

Why a service that was ready once is not ended for a child that refuses to run: pages can be
served without a learner, and with an old configuration. A refusal just after a reload takes the
reload back, in all children; any other is tried again like a death, and logged as an error.

After ``deaths_max`` deaths in quick succession a child is *given up*: whoever operates the service
is to know, and what dies again and again does harm besides. Without what speaks HTTP there is no
service, and it ends; whatever watches over it sees the exit code. Without the learner pages are
served on, by the last models; the next reload tries it again.

Why the supervisor holds the listening socket, and gunicorn is given it: connections wait in its
queue while gunicorn is being started again, and a new gunicorn never has to fight for the port
with orphaned workers of the last one that still finish their requests.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, Protocol

import structlog

from server.children import Backoff, Child, ChildSpec
from server.exit_codes import FAILED, GAVE_UP
from server.process_ties import adopt_orphans, reap_orphans
from server.ready_probe import ReadyProbe

log = structlog.get_logger()

HURRY_S: Final = 3.0
"""Seconds that a child has to end once the supervisor was told to hurry."""

PROBE_AGAIN_S: Final = 0.2
"""Wait before asking again when a worker hung up on the question whether it lives."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Phase = Literal["running", "draining", "stopping", "ended"]


class Run(Protocol):
    """What the supervisor's children have in common: one run's configuration and sockets."""

    @property
    def drain_s(self) -> float:
        """Seconds between "not ready" and the end of listening."""
        ...

    @property
    def restart_backoff_s(self) -> float:
        """Shortest wait before a dead child is started again, in seconds."""
        ...

    @property
    def deaths_max(self) -> int:
        """Deaths in quick succession after which a child is given up."""
        ...

    def ready(self) -> None:
        """Say that the service answers."""
        ...

    def tell_given_up(self, children: Sequence[str]) -> None:
        """Say which children are given up now, by their names."""
        ...

    def reload(self) -> bool:
        """Take over the configuration as it is now; return False if it could not be taken."""
        ...

    def revert(self) -> bool:
        """Go back to the configuration before the last reload; return False if there is none."""
        ...

    def forget(self, pid: int) -> None:
        """Clear away what a process that has ended left behind."""
        ...

    def drain(self) -> None:
        """Say that the service is not ready any more."""
        ...

    def stop_listening(self) -> None:
        """Let go of the listening socket."""
        ...


class Supervisor:
    """Runs children until told to end.

    Args:
        specs: what to run; started in this order, and stopped in this order.
        run: what they have in common.
        probe: tells when the service answers; without one it is ready at once.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        run: Run,
        probe: ReadyProbe | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = [Child(spec, Backoff(run.restart_backoff_s)) for spec in specs]
        self._stopping: list[Child] = []
        self._run = run
        self._probe = probe
        self._clock = clock
        self._phase: Phase = "running"
        self._exit_code = 0
        self._ready = False
        self._probe_at: float | None = None
        self._drained_at: float | None = None
        self._hurried = False

    def run(self) -> int:
        """Run until a SIGTERM or SIGINT has stopped everything; return the exit code.

        0 after a clean end, 1 if a child had to be killed, 5 if a vital one died again and again,
        else what the child calls for that refused to run before the service was ready.
        """
        adopt_orphans()
        with self._signals() as wakeups:
            now = self._clock()
            for child in self._children:
                if child.spec.is_wanted():
                    self._start(child, now)
            self._begin_probe(now)
            while self._phase != "ended":
                for number in self._wait(wakeups):
                    self._handle(number)
                self._reap()
                self._advance()
        return self._exit_code

    @contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        before = {number: signal.signal(number, _ignore) for number in _SIGNALS}
        previous = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(previous)
            for number, handler in before.items():
                signal.signal(number, handler)
            reading.close()
            writing.close()
            if self._probe is not None:
                self._probe.close()

    def _wait(self, wakeups: socket.socket) -> list[signal.Signals]:
        """Wait until a signal, an answer or a deadline comes; return the signals."""
        due = [instant for child in self._children for instant in child.due()]
        due += [each for each in (self._probe_at, self._drained_at) if each is not None]
        timeout = max(0.0, min(due) - self._clock()) if due else None
        probe = None if self._probe is None else self._probe.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(wakeups, selectors.EVENT_READ)
            if probe is not None:
                selector.register(probe, selectors.EVENT_READ)
            events = selector.select(timeout)
        fired = {key.fd for key, _ in events}
        if probe in fired:
            self._take_answer()
        if wakeups.fileno() not in fired:
            return []
        return [signal.Signals(byte) for byte in wakeups.recv(4096)]

    def _handle(self, number: signal.Signals) -> None:
        now = self._clock()
        if number == signal.SIGHUP:
            self._reload(now)
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._phase == "running":
                self._begin_draining(now, number.name)
            elif not self._hurried:
                self._hurry(now, number.name)

    def _reap(self) -> None:
        now = self._clock()
        for child in self._children:
            pid, code = child.pid, child.poll(now)
            if pid is not None and code is not None:
                self._run.forget(pid)
                self._ended(child, code, now)
        for pid in reap_orphans([child.pid for child in self._children if child.pid is not None]):
            self._run.forget(pid)

    def _advance(self) -> None:
        """Do whatever is due."""
        now = self._clock()
        for child in self._children:
            if child.kill_overdue(now):
                log.error("child was late to end and was killed", child=child.spec.name)
                if self._phase == "stopping":
                    self._exit_code = self._exit_code or FAILED
            if child.start_at is not None and now >= child.start_at:
                self._start(child, now)
        if self._probe_at is not None and now >= self._probe_at:
            self._begin_probe(now)
        if self._drained_at is not None and now >= self._drained_at:
            self._begin_stopping(now)
        while self._phase == "stopping" and self._stopping[0].gone():
            self._stop_next(now)

    def _start(self, child: Child, now: float) -> None:
        try:
            child.start(now)
        except OSError as error:
            log.exception("child cannot be started", child=child.spec.name, why=str(error))
            self._start_again(child, child.backoff.after(0.0), now)
            return
        log.info("child started", child=child.spec.name, child_pid=child.pid)

    def _ended(self, child: Child, code: int, now: float) -> None:
        """Note a child's end and decide what becomes of it."""
        name, ending = child.spec.name, _ending(code)
        if self._phase != "running":
            log.info("child ended", child=name, **ending)
            return
        if child.restarting:
            log.info("child ended as the configuration changed", child=name, **ending)
            child.restarting = False
            child.start_at = now if child.spec.is_wanted() else None
            return
        refused = code in child.spec.refuses
        if refused and not self._ready:
            log.error("child refuses to run", child=name, **ending)
            self._exit_code = child.spec.refuses[code]
            self._begin_stopping(now)
            return
        if refused and self._run.revert():
            log.error("child refuses the new configuration; the old one is back", child=name)
            child.start_at = now
            self._renew(now)
            return
        lived_s = child.lived_s(now)
        wait_s = child.backoff.after(lived_s)
        what = "child refuses to run; the others go on" if refused else "child died"
        log.error(what, child=name, lived_s=round(lived_s, 1), restart_in_s=wait_s, **ending)
        if code in child.spec.waits:
            child.backoff.deaths = 0
        self._start_again(child, wait_s, now, at_all=code not in child.spec.gives_up)

    def _start_again(self, child: Child, wait_s: float, now: float, *, at_all: bool = True) -> None:
        """Start a dead child after a wait, or give it up."""
        deaths = child.backoff.deaths
        if at_all and deaths < self._run.deaths_max:
            child.start_at = now + wait_s
        elif child.spec.is_vital:
            log.error(
                "given up: the service ends, as it cannot serve without this child",
                child=child.spec.name, deaths=deaths,
                hint="the errors above say why it dies; start the service again once that is "
                "mended, or raise server.deaths_max",
            )  # fmt: skip
            self._exit_code = GAVE_UP
            self._begin_stopping(now)
        else:
            child.is_given_up = True
            log.error(
                "given up: the others go on without this child",
                child=child.spec.name, deaths=deaths,
                hint="its errors above say why it dies; send SIGHUP to try it again once that is "
                "mended",
            )  # fmt: skip
            self._tell_given_up()

    def _tell_given_up(self) -> None:
        self._run.tell_given_up([one.spec.name for one in self._children if one.is_given_up])

    def _reload(self, now: float) -> None:
        if self._phase == "running" and self._run.reload():
            self._renew(now)

    def _renew(self, now: float) -> None:
        """Give the configuration, as it is now, to every child that runs."""
        for child in self._children:
            child.backoff = Backoff(self._run.restart_backoff_s)
            if child.is_given_up:
                child.is_given_up = False
                self._tell_given_up()
            if child.pid is None:
                child.start_at = (child.start_at or now) if child.spec.is_wanted() else None
            if child.pid is None or child.restarting:
                continue
            if child.spec.reload_signal is not None:
                child.send(child.spec.reload_signal)
            else:
                child.restarting = True
                child.end(now)

    def _begin_draining(self, now: float, why: str) -> None:
        log.info("ending", why=why, drain_s=self._run.drain_s)
        self._phase = "draining"
        self._run.drain()
        for child in self._children:
            child.start_at = None
        self._drained_at = now + self._run.drain_s

    def _begin_stopping(self, now: float) -> None:
        self._phase = "stopping"
        self._drained_at = None
        self._probe_at = None
        for child in self._children:
            child.start_at = None
        self._run.drain()
        self._run.stop_listening()
        self._stopping = list(self._children)
        if self._hurried:
            for child in self._children:
                child.hurry(now, HURRY_S)
        else:
            self._stopping[0].end(now)

    def _stop_next(self, now: float) -> None:
        self._stopping.pop(0)
        if not self._stopping:
            self._phase = "ended"
            log.info("ended", exit_code=self._exit_code)
        elif self._hurried:
            self._stopping[0].hurry(now, HURRY_S)
        else:
            self._stopping[0].end(now)

    def _hurry(self, now: float, why: str) -> None:
        log.warning("ending at once", why=why)
        self._hurried = True
        if self._phase == "draining":
            self._begin_stopping(now)
            return
        for child in self._children:
            child.hurry(now, HURRY_S)

    def _begin_probe(self, now: float) -> None:
        self._probe_at = None
        if self._probe is None:
            self._is_ready()
        elif not self._probe.ask():
            self._probe_at = now + PROBE_AGAIN_S

    def _take_answer(self) -> None:
        answer = None if self._probe is None else self._probe.take()
        if answer is False and self._phase == "running":
            self._probe_at = self._clock() + PROBE_AGAIN_S
        elif answer:
            self._is_ready()

    def _is_ready(self) -> None:
        self._ready = True
        self._run.ready()


def _ignore(_number: int, _frame: object) -> None:
    """Let the signal's number reach the loop through the wake-up socket; do nothing else."""


def _ending(code: int) -> dict[str, int | str]:
    if code >= 0:
        return {"exit_code": code}
    try:
        return {"signal": signal.Signals(-code).name}
    except ValueError:
        return {"signal": -code}
