"""Jobs on a cluster: the same bits as anywhere, whatever happens to its workers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator import cluster as clusters
from simulator.cluster import Cluster, cluster_at
from simulator.cluster_work import build
from simulator.errors import ClusterError, LoggedDataError, SimulationError
from simulator.jobs import Finished, run_jobs
from simulator.progress import Advance, Watch
from tests.simulator.cluster_places import local_cluster
from tests.simulator.job_functions import (
    Line,
    Mortal,
    die,
    die_once,
    draws,
    on_line,
    once_let,
    refuse,
)

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_cluster(2) as running:
        yield Cluster(running.scheduler_address)


class Heard(Watch):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.total: int | None = None

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        self.total = total

        def advance(count: int = 1) -> None:
            self.counts.append(count)

        yield advance


def run(function: Any, shared: Any, tasks: Any, jobs: Any, watch: Watch | None = None) -> Any:
    return run_jobs(
        function, shared, tasks, jobs=jobs, watch=watch or Watch(), label="l", unit="jobs"
    )


def test_results_are_the_same_bits_as_of_one_process_and_of_several(cluster: Cluster) -> None:
    found = [run(draws, 7, range(9), jobs) for jobs in (1, 2, cluster)]
    assert found[0] == found[1] == found[2]


def test_progress_and_order_are_those_of_the_tasks(cluster: Cluster) -> None:
    heard, taken = Heard(), list[float]()
    done = run_jobs(
        on_line,
        Line(2.0, 1.0),
        [0.0, 1.0, 2.0, 3.0],
        jobs=cluster,
        watch=heard,
        label="l",
        unit="rows",
        sizes=[5, 6, 7, 8],
        take=taken.append,
    )
    assert (done.results, done.interrupted) == ([None] * 4, False)
    assert taken == [1.0, 3.0, 5.0, 7.0]
    assert (sorted(heard.counts), heard.total) == ([5, 6, 7, 8], 26)


def test_killed_workers_cost_no_result(cluster: Cluster, tmp_path: Path) -> None:
    mortal = Mortal(tmp_path, bytes(1_000_000))
    done = run(die_once, mortal, range(4), cluster)
    assert done == Finished([(task, 1_000_000) for task in range(4)], interrupted=False)
    assert len(list(tmp_path.iterdir())) == 2, "no worker was killed"


def test_an_error_comes_through_whole_with_its_task(cluster: Cluster) -> None:
    with pytest.raises(LoggedDataError) as caught:
        run(refuse, None, range(5), cluster)
    assert caught.value.message == "reward: is odd (first at rows 3)"
    assert (caught.value.column, caught.value.rows) == ("reward", (3,))
    assert caught.value.__notes__ == ["in task 4 of 5"]
    assert run(on_line, Line(1.0, 0.0), [4.0], cluster).results == [4.0]


def test_another_build_is_refused_before_any_work(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = build()._replace(marquee="9.9")
    monkeypatch.setattr(clusters, "build", lambda: here)
    with pytest.raises(ClusterError, match=r"marquee is 0\.1\.0, here it is 9\.9") as caught:
        run(on_line, Line(1.0, 0.0), [4.0], cluster)
    assert "install the same Marquee" in caught.value.hint


def test_a_task_that_kills_every_worker_is_given_up(cluster: Cluster) -> None:
    with pytest.raises(SimulationError, match=r"died.*, perhaps for want of memory"):
        run(die, None, [0], cluster)
    assert run(on_line, Line(1.0, 0.0), [4.0], cluster).results == [4.0]


class Interrupting(Heard):
    """Brings Ctrl-C with the first result."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        def advance(count: int = 1) -> None:
            del count
            raise KeyboardInterrupt

        yield advance


def test_an_interrupt_keeps_what_is_done_and_leaves_the_cluster_usable(cluster: Cluster) -> None:
    done = run(on_line, Line(1.0, 0.0), [float(x) for x in range(50)], cluster, Interrupting())
    assert done.interrupted
    assert len(done.done()) == 1
    assert run(on_line, Line(1.0, 0.0), [4.0, 5.0], cluster).results == [4.0, 5.0]


def test_no_scheduler_is_told_in_bounded_time() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        nobody = Cluster(f"tcp://127.0.0.1:{bound.getsockname()[1]}", connect_s=1.0)
        begun_s = time.monotonic()
        with pytest.raises(ClusterError, match="no scheduler answers at tcp://127") as caught:
            run(on_line, Line(1.0, 0.0), [4.0], nobody)
    assert time.monotonic() - begun_s < 30
    assert "dask scheduler" in caught.value.hint


def test_a_cluster_without_workers_is_told_in_bounded_time() -> None:
    with local_cluster(0) as empty:
        lone = Cluster(empty.scheduler_address, workers_s=0.5)
        with pytest.raises(ClusterError, match="has no worker") as caught:
            run(on_line, Line(1.0, 0.0), [4.0], lone)
    assert "dask worker tcp://" in caught.value.hint


@pytest.mark.parametrize("address", ["", "tcp://", "tcp://host", "http://host:1", "host:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ClusterError, match="is no scheduler's address"):
        cluster_at(address)
    assert cluster_at("tcp://host:8786").address == "tcp://host:8786"


def test_a_scheduler_that_goes_in_mid_run_is_told_in_bounded_time(tmp_path: Path) -> None:
    with local_cluster(1) as running:
        lone = Cluster(running.scheduler_address, connect_s=1.0)
        closing = Closing(running)
        begun_s = time.monotonic()
        with pytest.raises(ClusterError, match="was lost in the middle of the work"):
            run(once_let, tmp_path / "never", range(3), lone, closing)
    assert time.monotonic() - begun_s < 60


class Closing(Heard):
    """Ends a cluster with the first result."""

    def __init__(self, running: Any) -> None:
        super().__init__()
        self._running = running

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        def advance(count: int = 1) -> None:
            del count
            self._running.close(timeout=20)

        yield advance
