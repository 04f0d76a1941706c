"""Ctrl-C counts even where a library swallowed it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from simulator.interrupts import remembered_interrupts
from simulator.jobs import run_jobs
from simulator.progress import Watch


def swallow(interrupting: int, task: int) -> int:
    """Interrupt at one task, as if within a callback whose errors go nowhere."""
    if task == interrupting:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    return task


@pytest.fixture
def usual_interrupts() -> Iterator[None]:
    """Tests started in the background of a shell inherit that Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_interrupts")
def test_an_interrupt_that_was_swallowed_ends_the_work_after_that_task() -> None:
    finished = run_jobs(swallow, 2, range(9), jobs=1, watch=Watch(), label="l", unit="tasks")
    assert finished.interrupted
    assert finished.done() == [0, 1, 2]


@pytest.mark.usefixtures("usual_interrupts")
def test_it_raises_as_ever_and_leaves_all_as_it_was() -> None:
    with remembered_interrupts() as interrupted:
        assert not interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("usual_interrupts")
def test_whoever_handles_interrupts_already_goes_on_to() -> None:
    def own(_number: int, _frame: object) -> None:
        """Do nothing."""

    signal.signal(signal.SIGINT, own)
    with remembered_interrupts() as interrupted:
        assert signal.getsignal(signal.SIGINT) is own
        assert not interrupted()


def test_other_threads_work_without() -> None:
    told: list[bool] = []

    def work() -> None:
        with remembered_interrupts() as interrupted:
            told.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [False]
