"""gunicorn's main process as the supervisor runs it: ``python -m server.gunicorn_process``.

What it does other than the class that it extends:

- *A reload starts the new workers first* and ends the old ones once all new ones serve. gunicorn
  tells the old ones to end at once, and nobody takes connections for as long as a worker needs to
  be built, about a second.
- *A worker that dies before it serves* is started again after a wait that doubles each time, as
  long as others serve; gunicorn starts it at once, again and again, which keeps a processor busy
  and is seen by nobody. Where no worker is left that serves, ``server.deaths_max`` such deaths in
  quick succession end it all, with an exit code that tells the supervisor not to try again.
- *A worker that cannot be built* ends everything only where its configuration is new, so that the
  supervisor takes it back, or says why at the start. With one that served before, the fault lies
  elsewhere, as with a disk that is full, and passes: the other workers serve on.

What served is replaced at once when it dies, however often: there is nothing better to do.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from types import FrameType
from typing import Final

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from server.children import Backoff
from server.exit_codes import GAVE_UP
from server.inline_worker import InlineWorker
from server.prometheus import PrometheusMetrics
from server.run_directory import read_effective_config

_ENDINGS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
_LOOK_S: Final = 0.05


class Master(Arbiter):  # type: ignore[misc]  # gunicorn comes without types
    """Runs the workers of one service."""

    WORKERS: dict[int, InlineWorker]

    def __init__(self, app: WSGIApplication) -> None:
        self._generation = 0
        """Goes up with each reload."""
        self._proven = -1
        """The newest generation of which a worker has served."""
        self._generations: dict[int, int] = {}
        self._serving: set[int] = set()
        """Workers that have begun to serve."""
        self._spawn_at = 0.0
        self._is_reloading = False
        self._is_ending = False
        self._metrics: PrometheusMetrics | None = None
        self._take_settings()
        super().__init__(app)

    def _take_settings(self) -> None:
        server = read_effective_config(os.environ).server
        self._deaths_max = server.deaths_max
        self._backoff = Backoff(server.restart_backoff_s)

    def signal(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal; it is handled when its turn comes."""
        self._is_ending |= sig in _ENDINGS
        super().signal(sig, frame)

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Wait for signals, or until the next worker may be started."""
        left_s = self._spawn_at - time.monotonic()
        told: list[int] = super().wait_for_signals(min(timeout, left_s) if left_s > 0 else timeout)
        return told

    def reload(self) -> None:
        """Put new workers, with the configuration as it is now, in the place of all old ones."""
        self._generation += 1
        self._spawn_at = 0.0
        self._take_settings()
        self._is_reloading = True
        try:
            super().reload()
        finally:
            self._is_reloading = False

    def spawn_worker(self) -> int:
        """Start a worker of the present generation."""
        pid: int = super().spawn_worker()
        self._generations[pid] = self._generation
        return pid

    def manage_workers(self) -> None:
        """Start workers that are missing, and end those that others have replaced.

        Raises:
            StopIteration: the end has come amid a reload, of which the rest would wait for workers
                that nobody told to end.
        """
        if self._is_reloading:
            self._await_successors()
            if self._is_ending:
                raise StopIteration
        own = [pid for pid in self.WORKERS if self._generations[pid] == self._generation]
        if time.monotonic() >= self._spawn_at:
            own += [self.spawn_worker() for _ in range(self.num_workers - len(own))]
        serving = [pid for pid in own if self.WORKERS[pid].has_worked()]
        if set(serving) - self._serving:
            # Whatever kept workers from serving has passed.
            self._proven = self._generation
            self._backoff = Backoff(self._backoff.first_s)
            self._spawn_at = 0.0
        self._serving.update(serving)
        if len(serving) < self.num_workers:
            return
        old = [pid for pid in self.WORKERS if self._generations[pid] < self._generation]
        surplus = sorted(own, key=lambda pid: int(self.WORKERS[pid].age))[: -self.num_workers]
        for pid in [*old, *surplus]:
            self.kill_worker(pid, signal.SIGTERM)

    def _await_successors(self) -> None:
        """Wait until all new workers serve, for as long as any worker may be silent."""
        until = time.monotonic() + self.timeout
        while time.monotonic() < until and not self._is_ending:
            new = [pid for pid in self.WORKERS if self._generations[pid] == self._generation]
            if all(self.WORKERS[pid].has_worked() for pid in new):
                return
            time.sleep(_LOOK_S)
            self.reap_workers()
            self.murder_workers()

    def stop(self, graceful: bool = True) -> None:
        """End all workers."""
        self._is_ending = True
        super().stop(graceful)

    def reap_workers(self) -> None:
        """Take leave of workers that have ended, and see how that came.

        Raises:
            HaltServer: none can be started any more.
        """
        before = dict(self.WORKERS)
        halt: HaltServer | None = None
        while True:
            try:
                super().reap_workers()
                break
            except HaltServer as error:
                halt = error
        gone = {pid: worker for pid, worker in before.items() if pid not in self.WORKERS}
        self._clear_away(gone.values())
        newest = max((self._generations.pop(pid) for pid in gone), default=-1)
        self._serving -= gone.keys()
        if self._is_ending:
            self._tell_the_young()
            return
        if halt is not None and newest > self._proven:
            raise halt
        for worker in gone.values():
            if not worker.has_left():
                self._died(worker)

    def _tell_the_young(self) -> None:
        """Tell workers again that they are to end, whose ears for signals may not have been open.

        Until a new process has handlers of its own, a signal goes to its copy of our queue.
        """
        for pid in [pid for pid, worker in self.WORKERS.items() if not worker.has_worked()]:
            self.kill_worker(pid, signal.SIGTERM)

    def _clear_away(self, gone: Iterable[InlineWorker]) -> None:
        """Do what gunicorn leaves undone for workers that could not be built."""
        for worker in gone:
            if worker.slot is not None and not worker.slot.is_free():
                worker.tmp.close()
                self.cfg.child_exit(self, worker)

    def _died(self, worker: InlineWorker) -> None:
        """Count a worker's death, and put off the next start if it never served."""
        self._count("at_work" if worker.has_worked() else "at_start")
        if worker.has_worked():
            return
        wait_s = self._backoff.after(0.0)
        self._spawn_at = time.monotonic() + wait_s
        deaths = self._backoff.deaths
        self.log.error(
            "worker %s died before it served, the %d. in a row; the next one starts in %g s",
            worker.pid, deaths, wait_s,
        )  # fmt: skip
        if deaths >= self._deaths_max and not any(
            other.has_worked() for other in self.WORKERS.values()
        ):
            raise HaltServer("workers die again and again before they serve", GAVE_UP)

    def _count(self, moment: str) -> None:
        # Made when it is needed: each process that has metrics has files of them.
        self._metrics = self._metrics or PrometheusMetrics()
        self._metrics.count("marquee_worker_deaths_total", moment)


class Application(WSGIApplication):  # type: ignore[misc]  # gunicorn comes without types
    """gunicorn's command line, with our main process behind it."""

    def run(self) -> None:
        """Serve until told to end."""
        try:
            Master(self).run()
        except RuntimeError as error:
            sys.exit(f"gunicorn cannot serve: {error}")


if __name__ == "__main__":
    Application("%(prog)s [OPTIONS] [APP_MODULE]").run()
