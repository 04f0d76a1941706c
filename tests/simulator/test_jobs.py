"""Fanning out: order, sameness for any number of workers, errors, death and Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import pytest

from server.local import wait_until
from simulator.errors import LoggedDataError, SimulationError
from simulator.fanned_workers import Worker, WorkerDiedError, packed, stop
from simulator.jobs import THREAD_VARIABLES, Finished, one_thread, run_jobs
from simulator.progress import Watch
from tests.docs.markdown import ROOT
from tests.simulator import job_functions
from tests.simulator.job_functions import (
    Line,
    Mortal,
    die,
    die_once,
    draws,
    on_line,
    process_id,
    refuse,
)

Done = TypeVar("Done")


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_stand_in_the_order_of_tasks(jobs: int) -> None:
    done = run_jobs(
        on_line,
        Line(2.0, 1.0),
        [0.0, 1.0, 2.0, 3.0],
        jobs=jobs,
        watch=Watch(),
        label="l",
        unit="points",
    )
    assert done == Finished([1.0, 3.0, 5.0, 7.0], interrupted=False)
    assert done.done() == [1.0, 3.0, 5.0, 7.0]


def test_results_are_the_same_bits_for_any_number_of_jobs() -> None:
    found = [
        run_jobs(draws, 7, range(5), jobs=jobs, watch=Watch(), label="l", unit="draws")
        for jobs in (1, 2, 4)
    ]
    assert found[0] == found[1] == found[2]


def test_one_job_needs_no_other_process_and_more_use_them() -> None:
    alone = run_jobs(process_id, None, range(3), jobs=1, watch=Watch(), label="l", unit="jobs")
    assert set(alone.results) == {os.getpid()}
    shared = run_jobs(process_id, None, range(8), jobs=2, watch=Watch(), label="l", unit="jobs")
    assert os.getpid() not in shared.results
    assert len(set(shared.results)) <= 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_comes_through_whole(jobs: int) -> None:
    with pytest.raises(LoggedDataError) as caught:
        run_jobs(refuse, None, range(5), jobs=jobs, watch=Watch(), label="l", unit="jobs")
    assert caught.value.message == "reward: is odd (first at rows 3)"
    assert (caught.value.column, caught.value.rows) == ("reward", (3,))
    assert caught.value.hint == "even it out"


class Heard(Watch):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_a_workers_death_costs_no_result(tmp_path: Path) -> None:
    heard = Heard()
    mortal = Mortal(tmp_path, bytes(1_000_000))
    done = run_jobs(die_once, mortal, range(6), jobs=2, watch=heard, label="l", unit="jobs")
    assert done == Finished([(task, 1_000_000) for task in range(6)], interrupted=False)
    assert heard.sentences == ["a worker process died; what it was at is begun again"] * 3


def test_a_worker_that_is_dead_before_it_is_told_anything_is_noticed() -> None:
    worker = Worker()
    (process,) = set(multiprocessing.active_children())
    process.kill()
    process.join()
    worker.brief(packed(on_line, bytes(1_000_000)))
    worker.give(3, 0.0)
    with pytest.raises(WorkerDiedError) as caught:
        worker.take()
    assert caught.value.place == 3
    stop([worker])


def test_workers_that_die_in_vain_are_told_of() -> None:
    with pytest.raises(SimulationError, match="a worker process died"):
        run_jobs(die, None, range(2), jobs=2, watch=Watch(), label="l", unit="jobs")


def test_linear_algebra_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREAD_VARIABLES[0], "3")
    monkeypatch.delenv(THREAD_VARIABLES[1], raising=False)
    with one_thread():
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"1"}
    assert os.environ[THREAD_VARIABLES[0]] == "3"
    assert THREAD_VARIABLES[1] not in os.environ


@pytest.mark.processes
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_leaves_what_is_done_and_no_worker(tmp_path: Path, jobs: int) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", job_functions.__name__, str(tmp_path), str(jobs)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A group of its own, which Ctrl-C reaches whole, as on a terminal.
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(list(tmp_path.glob("own-*"))) == jobs, 60.0, "the workers' pause")
        os.killpg(running.pid, signal.SIGINT)
        told, errors = running.communicate(timeout=60)
    finally:
        running.kill()
        running.communicate()
    assert (told, errors) == ("[0, 1, None, None, None, None] True\n", "")
    assert running.returncode == 0
    assert not list(tmp_path.glob("own-*")), "a worker left its files behind"
    workers = {int(path.name.partition("-")[2]) for path in tmp_path.glob("worker-*")}
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
