"""Waiting in front of several equal servers, by formula."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.stats import gamma

_POINTS: Final = 4_000


def erlang_c(servers: int, busy: float) -> float:
    """Return the chance that a request waits in M/M/c (Erlang 1917).

    Args:
        servers: c.
        busy: offered load by c, below 1.

    Raises:
        ValueError: ``busy`` is not below 1: the queue grows without end.
    """
    if not 0 <= busy < 1:
        raise ValueError(f"servers that are {busy:.2f} busy never catch up")
    offered = servers * busy
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - busy * (1 - blocked))


def mean_wait_s(servers: int, busy: float, service_s: float, variation: float) -> float:
    """Return the mean wait in M/G/c by Allen and Cunneen (1978), exact for M/M/c.

    Args:
        servers: c.
        busy: offered load by c, below 1.
        service_s: mean service time.
        variation: its standard deviation by its mean.
    """
    waiting = erlang_c(servers, busy) * service_s / (servers * (1 - busy))
    return waiting * (1 + variation**2) / 2


def wait_percentile_s(
    servers: int, busy: float, service_s: float, variation: float, percentile: float
) -> float:
    """Return a percentile of the wait, with the tail taken to be exponential.

    A wait is more than t with chance C · exp(-t / m), where m is the mean of those that wait.
    """
    chance = erlang_c(servers, busy)
    beyond = 1 - percentile / 100
    if chance <= beyond:
        return 0.0
    mean_of_waiting = mean_wait_s(servers, busy, service_s, variation) / chance
    return mean_of_waiting * math.log(chance / beyond)


def response_percentile_s(
    servers: int,
    busy: float,
    page_s: float,
    other: tuple[float, float],
    percentile: float,
    variation: float,
) -> float:
    """Return a percentile of wait and service of pages that share servers with other requests.

    Args:
        servers: of one queue.
        busy: their load, below 1.
        page_s: mean service time of a page; gamma distributed.
        other: mean service time of the others, and how many there are to a page.
        percentile: of 100.
        variation: standard deviation of each kind's service time by its mean.
    """
    mean_s, mixed = mixed_service(page_s, other, variation)
    chance = erlang_c(servers, busy)
    mean_of_waiting = mean_wait_s(servers, busy, mean_s, mixed) / chance
    shape = 1 / variation**2
    points = gamma.ppf((np.arange(_POINTS) + 0.5) / _POINTS, shape, scale=page_s / shape)

    def missing(time_s: float) -> float:
        left = time_s - points
        waited = np.where(left > 0, 1 - chance * np.exp(-np.maximum(left, 0) / mean_of_waiting), 0)
        return float(waited.mean()) - percentile / 100

    return float(brentq(missing, 0.0, 1000 * page_s))


def mixed_service(
    page_s: float, other: tuple[float, float], variation: float
) -> tuple[float, float]:
    """Return mean and variation of the service time of pages and others together."""
    other_s, ratio = other
    share = 1 / (1 + ratio)
    mean_s = share * page_s + (1 - share) * other_s
    square = (1 + variation**2) * (share * page_s**2 + (1 - share) * other_s**2)
    return mean_s, math.sqrt(square / mean_s**2 - 1)
