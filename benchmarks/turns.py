"""Contenders that take turns: what disturbs the machine disturbs all of them.

In each round every contender does a few pages, and its time in that round is their median; what is
published is the median over rounds, with the 10th and 90th percentile, and ratios of two contenders
are taken round by round.

Before its pages are timed a contender does pages for ten milliseconds, and one at least: the first
ones find the processor's caches as the contender before left them, as they would not in a server
that does one thing. Without that our page took 0.69 ms in turns with VW, and 0.49 ms alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final, NamedTuple, TypeVar

import numpy as np

from bandit.types import FloatArray

PAGES_A_TURN: Final = 5
WARM_UP_S: Final = 0.01

Contender = Callable[[int, int], float]
"""(number of the first page, pages) → the median seconds of these pages."""


Name = TypeVar("Name", str, int)
Given = TypeVar("Given")


class Middle(NamedTuple):
    """A median over rounds, with the 10th and 90th percentile."""

    value: float
    spread: tuple[float, float]

    @classmethod
    def of(cls, values: FloatArray) -> Middle:
        """Return the median and spread of one value a round."""
        low, middle, high = np.percentile(values, (10, 50, 90)).tolist()
        return cls(middle, (low, high))

    @classmethod
    def ratio(cls, above: FloatArray, below: FloatArray) -> Middle:
        """Return the median and spread of ratios taken round by round."""
        return cls.of(above / below)


def timed(call: Callable[[int], object]) -> Contender:
    """Return a contender that calls a function in this process with the page's number."""
    return timed_on(lambda number: number, call)


def timed_on(prepare: Callable[[int], Given], call: Callable[[Given], object]) -> Contender:
    """Return a contender that calls a function on what is prepared, untimed, for each page."""

    def turn(first: int, pages: int) -> float:
        began, warm = time.perf_counter(), first
        while warm == first or time.perf_counter() - began < WARM_UP_S:
            call(prepare(warm))
            warm += 1
        took = []
        for number in range(first, first + pages):
            given = prepare(number)
            began = time.perf_counter()
            call(given)
            took.append(time.perf_counter() - began)
        return median(took)

    return turn


def take_turns(contenders: Mapping[Name, Contender], rounds: int) -> dict[Name, FloatArray]:
    """Return (rounds,) seconds a page for each contender, after one round to warm up."""
    found: dict[Name, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            seconds = contender(number * PAGES_A_TURN, PAGES_A_TURN)
            if number:
                found[name].append(seconds)
    return {name: np.array(values) for name, values in found.items()}
