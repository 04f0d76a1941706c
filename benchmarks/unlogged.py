"""How many decisions were answered without being logged, by the server's own counters."""

from __future__ import annotations

import re
from typing import Final
from urllib.request import urlopen

from benchmarks.figures import Board
from server.local import LocalServer

DECIDED: Final = "marquee_decisions_total"
UNLOGGED: Final = "marquee_decisions_unlogged_total"


def add_unlogged(board: Board, name: str, server: LocalServer) -> None:
    """Add the share of all decisions of a server, since its start, that were not logged."""
    with urlopen(f"{server.url}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    decided, unlogged = total(metrics, DECIDED), total(metrics, UNLOGGED)
    if not decided:
        raise RuntimeError("the server counted no decision")
    work = (
        f"{UNLOGGED} by {DECIDED} of all workers after the whole part, pages and single decisions, "
        f"saturation included: {unlogged:,.0f} of {decided:,.0f}"
    )
    board.add(f"{name}_decisions_unlogged_share", unlogged / decided, "of decisions", work)


def total(metrics: str, name: str) -> float:
    """Return the sum of a counter over its labels, from Prometheus' text."""
    found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", metrics, re.MULTILINE)
    return float(sum(map(float, found)))
