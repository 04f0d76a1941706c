"""Work fanned out over processes: the same results, in the same order, for any number of them.

A job is a function of the module level, called with what all jobs share and with its own task; so
that a spawned worker can import it, neither may be a closure. What a job computes may depend on
nothing but these two: seeds belong to tasks, never to workers. Linear algebra runs on one thread
in workers and in process alike, as the order of its sums depends on the number of threads.

Whoever does them is told as ``jobs``: so many processes of this machine, or a cluster
(:mod:`simulator.cluster`). A worker that dies, killed for want of memory or by hand, costs time and
no result: what it was at is begun again by another one, and as nothing depends on who does it, the
results are the same bits.

Ctrl-C is no error here: what is done is handed back, told to be incomplete, and the workers are
stopped.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final, TypeVar, cast

from threadpoolctl import threadpool_limits

from simulator.cluster import Cluster, run_on_cluster
from simulator.cluster_work import Briefing
from simulator.collected import Collected, Finished
from simulator.errors import SimulationError
from simulator.fanned_workers import Worker, WorkerDiedError, packed, stop
from simulator.interrupts import remembered_interrupts
from simulator.progress import Watch

__all__ = ["THREAD_VARIABLES", "Done", "Finished", "Workers", "one_thread", "run_jobs"]

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Done = TypeVar("Done")

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DEATHS_IN_VAIN_MAX: Final = 3
"""How often workers may die without one task done in between: it is the tasks then."""


Workers = int | Cluster
"""Who does the jobs: so many processes of this machine, or those of a cluster."""


def run_jobs(
    function: Callable[[Shared, Task], Done],
    shared: Shared,
    tasks: Sequence[Task],
    *,
    jobs: Workers,
    watch: Watch,
    label: str,
    unit: str,
    sizes: Sequence[int] | None = None,
    take: Callable[[Done], None] | None = None,
) -> Finished[Done]:
    """Call ``function(shared, task)`` for every task, which gives anything but None.

    Args:
        function: of the module level.
        shared: what all tasks share.
        tasks: each is done once.
        jobs: who does them.
        watch: told how far along it is.
        label: what is done, for the watch.
        unit: what is counted there: tasks, or what their sizes count.
        sizes: what each task counts for, where that is not one.
        take: given each result in the tasks' order, as soon as that order allows; results are then
            not kept.

    Raises:
        SimulationError: workers died again and again, and nothing was done in between.
        ClusterError: the cluster cannot be reached, or is of no use.
        Exception: whatever a job raised, the first in time; the others are given up.
    """
    total = len(tasks) if sizes is None else sum(sizes)
    with watch.task(label, total, unit) as advance, one_thread():
        collected = Collected(len(tasks), advance, sizes=sizes, take=take)
        if isinstance(jobs, Cluster):
            interrupted = run_on_cluster(jobs, Briefing(function, shared), tasks, collected, watch)
        elif jobs <= 1 or len(tasks) <= 1:
            interrupted = _in_process(function, shared, tasks, collected)
        else:
            fan_out = _FanOut(packed(function, shared), tasks, watch, collected)
            interrupted = fan_out.run(min(jobs, len(tasks)))
        return collected.finished(interrupted=interrupted)


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
    collected: Collected,
) -> bool:
    """Return whether Ctrl-C came first."""
    with remembered_interrupts() as interrupted:
        try:
            for place, task in enumerate(tasks):
                collected.put(place, function(shared, task))
                if interrupted():
                    return True
        except KeyboardInterrupt:
            return True
    return False


class _FanOut:
    """Tasks on their way through worker processes, each of which has one at a time."""

    def __init__(
        self, briefing: bytes, tasks: Sequence[Any], watch: Watch, collected: Collected
    ) -> None:
        self._briefing = briefing
        self._tasks = tasks
        self._watch = watch
        self._collected = collected
        self._waiting = deque(range(len(tasks)))
        self._workers: list[Worker] = []
        self._deaths_in_vain = 0

    def run(self, workers: int) -> bool:
        """Do everything with so many workers, of which none is left; return whether Ctrl-C came."""
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
            return True
        finally:
            # After a failure, what is still at work is of no use to anybody.
            stop(self._workers)
        return False

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
        self._deaths_in_vain = 0
        self._collected.put(place, result)
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
                    self._collected.put(place, result)
