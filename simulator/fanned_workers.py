"""Worker processes that jobs are fanned out to, each at the other end of a pipe of its own.

Why not ``concurrent.futures``: there all workers share their pipes and locks. One that is killed
while it writes a large result, or before it has read what all share, leaves the others or the
parent waiting for ever, and all of a pool goes with any of them. Here a death is the end of one
pipe, whenever it comes, and costs the task that this worker was at.

What a worker is told goes through pickle, as :mod:`multiprocessing` does it, between processes of
one parent and over pipes that nobody else can open.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from types import FrameType
from typing import Any, Final

from simulator.told_errors import opened, outcome

STOP_S: Final = 10.0
"""How long workers may take to end once they were told to."""


class WorkerDiedError(Exception):
    """A worker is gone, however it went, and with it the task at ``place``."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Worker:
    """A worker process, as its parent sees it; started at once, but told nothing yet."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.place: int | None = None
        """Which task it is at."""
        self._process = context.Process(target=_work_on, args=(theirs,))
        with interrupts_held():
            self._process.start()
        # With no copy of that end left here, the worker's death is the end of the pipe.
        theirs.close()

    def brief(self, briefing: bytes) -> None:
        """Tell it what all jobs share, as :func:`packed` gives it."""
        # A worker that is dead is noticed by whoever waits for its result.
        with suppress(OSError):
            self.pipe.send_bytes(briefing)

    def give(self, place: int, task: Any) -> None:
        """Have it do a task."""
        self.place = place
        with suppress(OSError):
            self.pipe.send(task)

    def take(self) -> tuple[int, Any]:
        """Return which task it did and the result, waiting for it.

        Raises:
            WorkerDiedError: it is dead.
            ValueError: it was given no task.
            Exception: whatever the job raised.
        """
        place, self.place = self.place, None
        if place is None:
            raise ValueError("this worker was given no task")
        try:
            result = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerDiedError(place) from error
        return place, opened(result)

    def end(self) -> None:
        """Tell it to go: what it is at is given up."""
        self.pipe.close()
        self._process.terminate()

    def join(self) -> None:
        """Wait until it is gone, and kill it if that takes too long."""
        self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def packed(function: Callable[[Any, Any], Any], shared: Any) -> bytes:
    """Return the briefing of workers: packed once, however many they are."""
    return bytes(ForkingPickler.dumps((function, shared)))


def stop(workers: Sequence[Worker]) -> None:
    """End workers, whatever they are at; return when they are gone."""
    with interrupts_held():
        for worker in workers:
            worker.end()
        for worker in workers:
            worker.join()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start, which then never see it: it is for us to stop them.

    The tracker of resources is started before, as it lets interrupts through once it runs.
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Self:
    """What a worker process knows of itself."""

    busy = False
    stopping = False


def _work_on(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, name="parent", daemon=True).start()
    # The parent's end is closed when the worker is to go, or when the parent is gone.
    with suppress(EOFError, OSError):
        function, shared = pipe.recv()
        while not _Self.stopping:
            pipe.send(_outcome(function, shared, pipe.recv()))


def _outcome(function: Callable[[Any, Any], Any], shared: Any, task: Any) -> Any:
    _Self.busy = True
    try:
        return outcome(function, shared, task)
    finally:
        _Self.busy = False


def _follow_parent() -> None:
    """End when the parent is gone, however it went: nobody else would end a busy worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if _Self.busy:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(STOP_S)
        os._exit(1)


def _leave(number: int, frame: FrameType | None) -> None:
    """End a job in order, so that it takes its temporary files along, and begin no other.

    Between jobs nothing is raised: the closed pipe ends the worker.
    """
    del frame
    _Self.stopping = True
    if _Self.busy:
        raise SystemExit(128 + number)
