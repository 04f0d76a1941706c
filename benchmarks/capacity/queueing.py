"""Waiting in front of several equal servers, by formula."""

from __future__ import annotations

import math


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
