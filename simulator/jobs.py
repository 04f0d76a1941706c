"""Work fanned out over processes: the same results, in the same order, for any number of them.

A job is a function of the module level, called with what all jobs share and with its own task; so
that a spawned worker can import it, neither may be a closure. What a job computes may depend on
nothing but these two: seeds belong to tasks, never to workers. Linear algebra runs on one thread
in workers and in process alike, as the order of its sums depends on the number of threads.

A worker that dies, killed for want of memory or by hand, costs time and no result: what it was at
is begun again by a new one, and as nothing depends on who does it, the results are the same bits.

Ctrl-C is no error here: what is done is handed back, told to be incomplete, and the workers are
stopped.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from threadpoolctl import threadpool_limits

from simulator.errors import SimulationError
from simulator.fanned_workers import Worker, WorkerDiedError, packed, stop
from simulator.progress import Advance, Watch

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Done = TypeVar("Done")

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DEATHS_IN_VAIN_MAX: Final = 3
"""How often workers may die without one task done in between: it is the tasks then."""


class Finished(NamedTuple, Generic[Done]):
    """What came of the tasks, in their order."""

    results: list[Done | None]
    """None for a task that was not done."""
    interrupted: bool
    """Whether Ctrl-C left tasks undone."""

    def done(self) -> list[Done]:
        """Return the results that there are."""
        return [result for result in self.results if result is not None]


def run_jobs(
    function: Callable[[Shared, Task], Done],
    shared: Shared,
    tasks: Sequence[Task],
    *,
    jobs: int,
    watch: Watch,
    label: str,
    unit: str,
) -> Finished[Done]:
    """Call ``function(shared, task)`` for every task, which gives anything but None.

    Raises:
        SimulationError: workers died again and again, and nothing was done in between.
        Exception: whatever a job raised, the first in time; the others are given up.
    """
    with watch.task(label, len(tasks), unit) as advance, one_thread():
        if jobs <= 1 or len(tasks) <= 1:
            return _in_process(function, shared, tasks, advance)
        return _FanOut(packed(function, shared), tasks, watch, advance).run(min(jobs, len(tasks)))


@contextmanager
def one_thread() -> Iterator[None]:
    """Have linear algebra run on one thread, here and in processes started meanwhile."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _in_process(
    function: Callable[[Shared, Task], Done],
    shared: Shared,
    tasks: Sequence[Task],
    advance: Advance,
) -> Finished[Done]:
    results: list[Done | None] = [None] * len(tasks)
    try:
        for index, task in enumerate(tasks):
            results[index] = function(shared, task)
            advance()
    except KeyboardInterrupt:
        return Finished(results, interrupted=True)
    return Finished(results, interrupted=False)


class _FanOut:
    """Tasks on their way through worker processes, each of which has one at a time."""

    def __init__(
        self, briefing: bytes, tasks: Sequence[Any], watch: Watch, advance: Advance
    ) -> None:
        self._briefing = briefing
        self._tasks = tasks
        self._watch = watch
        self._advance = advance
        self._results: list[Any | None] = [None] * len(tasks)
        self._waiting = deque(range(len(tasks)))
        self._workers: list[Worker] = []
        self._deaths_in_vain = 0

    def run(self, workers: int) -> Finished[Any]:
        """Do everything with so many workers, of which none is left afterwards."""
        try:
            self._workers += [Worker() for _ in range(workers)]
            for worker in self._workers:
                worker.brief(self._briefing)
                self._give(worker)
            while busy := {one.pipe: one for one in self._workers if one.place is not None}:
                for pipe in wait(list(busy)):
                    self._attend(busy[cast(Connection, pipe)])
        except KeyboardInterrupt:
            self._take_what_is_done()
            undone = any(result is None for result in self._results)
            return Finished(self._results, interrupted=undone)
        finally:
            # After a failure, what is still at work is of no use to anybody.
            stop(self._workers)
        return Finished(self._results, interrupted=False)

    def _give(self, worker: Worker) -> None:
        if self._waiting:
            place = self._waiting.popleft()
            worker.give(place, self._tasks[place])

    def _attend(self, worker: Worker) -> None:
        """Take a result and give the next task, or put another worker in a dead one's place."""
        try:
            place, result = worker.take()
        except WorkerDiedError as error:
            self._replace(worker, error.place)
            return
        self._results[place] = result
        self._deaths_in_vain = 0
        self._advance()
        self._give(worker)

    def _replace(self, worker: Worker, place: int) -> None:
        stop([worker])
        self._deaths_in_vain += 1
        if self._deaths_in_vain == DEATHS_IN_VAIN_MAX:
            raise SimulationError(
                "a worker process died, perhaps for want of memory, and so did those after it",
                hint="try fewer --jobs, or fewer rounds at once",
            )
        self._watch.say("a worker process died; what it was at is begun again")
        fresh = Worker()
        self._workers[self._workers.index(worker)] = fresh
        fresh.brief(self._briefing)
        fresh.give(place, self._tasks[place])

    def _take_what_is_done(self) -> None:
        for worker in self._workers:
            if worker.place is not None and worker.pipe.poll():
                with suppress(WorkerDiedError):
                    place, result = worker.take()
                    self._results[place] = result
