"""The wall clock as rehearsals set it."""

from __future__ import annotations

import time

import pytest

from bandit.clock import MICROSECONDS, OFFSET_VARIABLE, RATE_VARIABLE, WallClock


def _us() -> int:
    return time.time_ns() // 1000


def test_processes_of_one_rate_agree_on_the_time_and_it_runs_so_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    since_s = _us() // MICROSECONDS - 100
    monkeypatch.setenv(RATE_VARIABLE, f"60@{since_s}")
    one, other = WallClock.from_environment(), WallClock.from_environment()
    before, told, also, after = _us(), one.now_us(), other.now_us(), _us()
    since_us = since_s * MICROSECONDS
    assert since_us + 60 * (before - since_us) <= told <= also <= since_us + 60 * (after - since_us)


def test_an_offset_shifts_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFSET_VARIABLE, "-5")
    before, told, after = _us(), WallClock.from_environment().now_us(), _us()
    assert before <= told + 5 * MICROSECONDS <= after
