"""Latencies of pages compared within one run: turns with a fault beside turns without.

Turns take turns, so that the machine's speed and whatever else it does are on both sides, and of
each side the median turn counts. Where the machine still intervenes, a comparison may be made
again: what is really slower shows each time.
"""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

import msgspec

TURNS: Final = 5
REQUESTS_A_TURN: Final = 150
TRIES: Final = 4
WAIT_S: Final = 60.0
PAGE: Final = msgspec.json.encode({"titles": [{"id": "t", "artworks": [{"id": "a"}, {"id": "b"}]}]})


class Compared(NamedTuple):
    """The p99 of a turn's pages, in milliseconds, as the median of the turns."""

    calm_ms: float
    beset_ms: float


def p99_ms(port: int, api_key: str | None = None) -> float:
    """Have pages answered one after the other over one connection; return their p99."""
    headers = {"Content-Type": "application/json"}
    if api_key is not None:
        headers["X-API-Key"] = api_key
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    took = []
    for _ in range(REQUESTS_A_TURN):
        started = time.perf_counter()
        connection.request("POST", "/v1/rank", PAGE, headers)
        response = connection.getresponse()
        response.read()
        took.append(1000 * (time.perf_counter() - started))
        assert response.status == 201
    connection.close()
    return statistics.quantiles(took, n=100)[98]


def compared(
    turn: Callable[[], float], fault: Callable[[], AbstractContextManager[object]]
) -> Compared:
    """Take turns without and with a fault."""
    calm, beset = [], []
    for _ in range(TURNS):
        calm.append(turn())
        with fault():
            beset.append(turn())
    return Compared(statistics.median(calm), statistics.median(beset))


def check(
    turn: Callable[[], float],
    fault: Callable[[], AbstractContextManager[object]],
    is_well: Callable[[Compared], bool],
) -> None:
    """Check that a fault does not slow pages down, by what is said to be well.

    Raises:
        AssertionError: it does, each time it was measured.
    """
    turn()
    found: list[Compared] = []
    while not found or (not is_well(found[-1]) and len(found) < TRIES):
        found.append(compared(turn, fault))
    assert is_well(found[-1]), found
