"""Jobs on a cluster of Dask: its scheduler hands them to its workers, wherever those run.

What all jobs share is sent to each worker once. Where a worker is lost, Dask has what it was at
done by another; where what is shared is lost with the last worker that held it, it is sent anew.
A task at which workers die again and again is given up after as many deaths as the scheduler allows
(``distributed.scheduler.allowed-failures``, three if nothing else is said).

Whoever reaches a scheduler may run anything on its workers, and pickle is what Dask talks by: a
cluster belongs into a network of its own, or behind TLS (``tls://``, with the certificates that
Dask's own configuration names).
"""

from __future__ import annotations

import importlib
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from uuid import uuid4

from bandit.errors import LibraryMissingError
from simulator.cluster_work import Briefing, Build, build, work
from simulator.collected import Collected
from simulator.errors import ClusterError, SimulationError
from simulator.progress import Watch
from simulator.told_errors import opened
from simulator.wording import counted

CONNECT_S: Final = 10.0
"""How long a scheduler may take to answer."""
WORKERS_S: Final = 30.0
"""How long a cluster may be without any worker."""
LOOK_S: Final = 1.0
"""How often the cluster is looked at while nothing comes."""
ROUNDS_IN_VAIN_MAX: Final = 3
"""How often all that was handed out may be lost without one task done in between."""
SCHEMES: Final = ("tcp", "tls")


class Cluster(NamedTuple):
    """Where a cluster's scheduler is."""

    address: str
    """``tcp://HOST:PORT``, or ``tls://HOST:PORT``."""
    connect_s: float = CONNECT_S
    workers_s: float = WORKERS_S


def cluster_at(address: str) -> Cluster:
    """Return the cluster at an address.

    Raises:
        ClusterError: it is no address.
    """
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    if scheme not in SCHEMES or not host or not port.isdecimal():
        raise ClusterError(
            f"{address!r} is no scheduler's address",
            hint="give tcp://HOST:PORT, or tls://HOST:PORT, as `dask scheduler` told it",
        )
    return Cluster(address)


def run_on_cluster(
    cluster: Cluster,
    briefing: Briefing,
    tasks: Sequence[Any],
    collected: Collected,
    watch: Watch,
) -> bool:
    """Have a cluster do every task; return whether Ctrl-C came first.

    What is at work when Ctrl-C comes is done to its end by the worker that has it, and forgotten.

    Raises:
        ClusterError: the scheduler is not there, is lost, has no worker, or runs another Marquee.
        SimulationError: workers died again and again at one task.
        Exception: whatever a job raised, the first in time; the others are given up.
    """
    if not tasks:
        return False
    with _client(cluster) as client:
        run = _Run(cluster, client, briefing, tasks, collected, watch)
        try:
            run.check()
            run.whole()
        except KeyboardInterrupt:
            return True
        except OSError as error:
            raise _lost(cluster) from error
    return False


class _Run:
    """Tasks on their way through a cluster."""

    def __init__(
        self,
        cluster: Cluster,
        client: Any,
        briefing: Briefing,
        tasks: Sequence[Any],
        collected: Collected,
        watch: Watch,
    ) -> None:
        self._cluster, self._client = cluster, client
        self._briefing, self._tasks = briefing, tasks
        self._collected, self._watch = collected, watch

    def check(self) -> None:
        """See that the scheduler and its workers, once there are some, run what is run here."""
        self._wait_for_a_worker()
        found: dict[str, Any] = {"its scheduler": self._client.run_on_scheduler(build)}
        for name, one in self._client.run(build, on_error="return").items():
            found[f"its worker {name}"] = one
        for name, theirs in found.items():
            if not isinstance(theirs, Build):
                raise _another(self._cluster, f"{name} has none that could be used: {theirs}")
            self._check_same(name, build().differs(theirs))

    def _wait_for_a_worker(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=self._cluster.workers_s)
        except TimeoutError as error:
            raise _no_worker(self._cluster) from error

    def whole(self) -> None:
        """Hand out what is missing until nothing is."""
        in_vain = 0
        while missing := self._collected.missing():
            self._round(missing)
            left = self._collected.missing()
            in_vain = in_vain + 1 if left == missing else 0
            if in_vain == ROUNDS_IN_VAIN_MAX:
                raise SimulationError(
                    f"the workers at {self._cluster.address} died, perhaps for want of memory, and "
                    "so did those after them",
                    hint="give workers more memory, or run less at once",
                )
            if left:
                self._watch.say("workers were lost with what was sent to them; it is sent again")

    def _round(self, places: list[int]) -> None:
        """Hand tasks out once, and take what comes of them."""
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        futures: dict[Any, int] = {}
        run = uuid4().hex
        self._wait_for_a_worker()
        try:
            shared = self._client.scatter(self._briefing, broadcast=True, hash=False)
            for place in places:
                key = f"marquee-{run}-{place}"
                task = self._tasks[place]
                future = self._client.submit(work, shared, task, build(), key=key, pure=False)
                futures[future] = place
                future.add_done_callback(done.put)
            while futures:
                future = self._next(done)
                self._take(future, futures.pop(future))
        finally:
            if futures and self._client.status == "running":
                self._client.cancel(list(futures), force=True)

    def _next(self, done: queue.SimpleQueue[Any]) -> Any:
        """Return the next future that has ended; meanwhile see that the cluster is alive."""
        workerless_s = 0.0
        while True:
            try:
                return done.get(timeout=LOOK_S)
            except queue.Empty:
                if self._client.status != "running":
                    raise _lost(self._cluster) from None
            workerless_s = 0.0 if self._client.nthreads() else workerless_s + LOOK_S
            if workerless_s >= self._cluster.workers_s:
                raise _no_worker(self._cluster)

    def _take(self, future: Any, place: int) -> None:
        """Take a result; what was lost stays missing."""
        if future.status == "cancelled":
            return
        where = f"in task {place + 1} of {len(self._tasks)}"
        error = future.exception() if future.status == "error" else None
        if error is not None and type(error).__name__ == "KilledWorker":
            raise SimulationError(
                f"a worker process died {where}, perhaps for want of memory, and so did others",
                hint="give workers more memory, or run less at once",
            ) from error
        if error is not None:
            raise ClusterError(
                f"the cluster could not do what was asked {where}: {error}",
                hint="look at the workers' logs; the same Marquee must be installed everywhere",
            ) from error
        try:
            differing, result = future.result()
        except CancelledError:
            # The worker died with the result, and with what would be needed to do it again.
            return
        self._check_same("a worker", differing)
        self._collected.put(place, opened(result, note=where))

    def _check_same(self, name: str, differing: str) -> None:
        if differing:
            raise _another(self._cluster, f"{name} differs: {differing}")


@contextmanager
def _client(cluster: Cluster) -> Iterator[Any]:
    """Give a client, which is closed whatever comes.

    Raises:
        ClusterError: the scheduler does not answer.
        LibraryMissingError: Dask is not installed.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ModuleNotFoundError as error:
        raise LibraryMissingError(
            "dask.distributed, which clusters run on, is not installed",
            hint="pip install 'marquee[cluster]'",
        ) from error
    try:
        client = distributed.Client(
            cluster.address, timeout=cluster.connect_s, set_as_default=False, name="marquee-sim"
        )
    except (OSError, ImportError) as error:
        raise ClusterError(
            f"no scheduler answers at {cluster.address}",
            hint="start one with `dask scheduler`, and give the address that it tells; "
            "tls:// needs certificates in Dask's configuration",
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=cluster.connect_s)


def _no_worker(cluster: Cluster) -> ClusterError:
    return ClusterError(
        f"the cluster at {cluster.address} has no worker, and none came for "
        f"{counted(round(cluster.workers_s), 'seconds')}",
        hint=f"start some: `dask worker {cluster.address} --nworkers 4 --nthreads 1`",
    )


def _lost(cluster: Cluster) -> ClusterError:
    return ClusterError(
        f"the cluster at {cluster.address} was lost in the middle of the work",
        hint="see that its scheduler runs, and start the same command again",
    )


def _another(cluster: Cluster, what: str) -> ClusterError:
    return ClusterError(
        f"the cluster at {cluster.address} runs another Marquee: {what}",
        hint="install the same Marquee, Python and NumPy on the scheduler and all workers, and "
        "start them again",
    )
