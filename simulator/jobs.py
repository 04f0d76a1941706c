"""Work fanned out over processes: the same results, in the same order, for any number of them.

A job is a function of the module level, called with what all jobs share and with its own task; so
that a spawned worker can import it, neither may be a closure. What a job computes may depend on
nothing but these two: seeds belong to tasks, never to workers. Linear algebra runs on one thread
in workers and in process alike, as the order of its sums depends on the number of threads.

Ctrl-C is no error here: what is done is handed back, told to be incomplete, and the workers are
stopped.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from types import FrameType
from typing import Any, Final, Generic, NamedTuple, TypeVar

from threadpoolctl import threadpool_limits

from bandit.errors import MarqueeError
from simulator.errors import SimulationError
from simulator.progress import Advance, Watch

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Done = TypeVar("Done")

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
STOP_S: Final = 10.0
"""How long workers may take to end once they were told to."""


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
        SimulationError: a worker died.
        Exception: whatever a job raised, the first in time; the others are given up.
    """
    with watch.task(label, len(tasks), unit) as advance, one_thread():
        if jobs <= 1 or len(tasks) <= 1:
            return _in_process(function, shared, tasks, advance)
        return _in_pool(function, shared, tasks, min(jobs, len(tasks)), advance)


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


def _in_pool(
    function: Callable[[Shared, Task], Done],
    shared: Shared,
    tasks: Sequence[Task],
    workers: int,
    advance: Advance,
) -> Finished[Done]:
    results: list[Done | None] = [None] * len(tasks)
    places: dict[Future[Any], int] = {}
    # Why a queue, and not concurrent.futures.wait: that takes the locks of all futures, and Ctrl-C
    # in the middle of it leaves them locked, so that the pool could never be ended.
    ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def begin(place: int) -> None:
        future = pool.submit(_work, tasks[place])
        places[future] = place
        future.add_done_callback(ended.put)

    strangers = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(function, shared),
    )
    try:
        with _interrupts_held():
            # The first tasks start the workers; there may be very many more.
            for place in range(min(workers, len(tasks))):
                begin(place)
        for place in range(workers, len(tasks)):
            begin(place)
        for _ in tasks:
            future = ended.get()
            results[places[future]] = _opened(future.result())
            advance()
        pool.shutdown()
    except KeyboardInterrupt:
        _stop(pool, set(multiprocessing.active_children()) - strangers)
        for future, place in places.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                results[place] = _opened(future.result())
        return Finished(results, interrupted=any(result is None for result in results))
    except BrokenProcessPool as error:
        raise SimulationError(
            "a worker process died, perhaps for want of memory",
            hint="try fewer --jobs, or fewer rounds at once",
        ) from error
    finally:
        # After a failure, what is still at work is of no use to anybody.
        _stop(pool, set(multiprocessing.active_children()) - strangers)
    return Finished(results, interrupted=False)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start, which then never see it: it is for us to stop them.

    The tracker of resources is started before, as it lets interrupts through once it runs.
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(pool: ProcessPoolExecutor, workers: set[BaseProcess]) -> None:
    with _interrupts_held():
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(STOP_S)
            if worker.is_alive():
                worker.kill()
        pool.shutdown(wait=True)


class _Raised(NamedTuple):
    """An error of ours on its way to the parent.

    Why: pickle makes exceptions anew from ``args`` alone, which those with keywords do not bear.
    """

    kind: type[MarqueeError]
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]


class _Worker:
    """What a worker process knows."""

    function: Callable[[Any, Any], Any]
    shared: Any
    busy = False
    stopping = False


def _start_worker(function: Callable[[Any, Any], Any], shared: Any) -> None:
    _Worker.function, _Worker.shared = staticmethod(function), shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, name="parent", daemon=True).start()


def _follow_parent() -> None:
    """End when the parent is gone, however it went: nobody else would end an idle worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if _Worker.busy:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(STOP_S)
        os._exit(1)


def _leave(number: int, frame: FrameType | None) -> None:
    """End a job in order, so that it takes its temporary files along, and begin no other.

    Between jobs nothing is raised: half a result in the pipe would leave the parent waiting.
    """
    del frame
    _Worker.stopping = True
    if _Worker.busy:
        raise SystemExit(128 + number)


def _work(task: Any) -> Any:
    if _Worker.stopping:
        raise SystemExit("told to stop")
    _Worker.busy = True
    try:
        return _Worker.function(_Worker.shared, task)
    except MarqueeError as error:
        return _Raised(type(error), error.args, vars(error))
    finally:
        _Worker.busy = False


def _opened(result: Any) -> Any:
    if isinstance(result, _Raised):
        error = result.kind.__new__(result.kind, *result.arguments)
        error.args = result.arguments
        vars(error).update(result.attributes)
        raise error
    return result
