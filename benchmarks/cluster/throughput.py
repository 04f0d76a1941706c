"""Pages a second of two scorers beside each other, by those of one.

Each scorer has one worker and a load generator of its own. Redis, the learner and all agents run
beside, on the same cores: a figure below 2 is what they take, where cores are few.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final

from benchmarks.cluster.machines import Machines, machines
from benchmarks.figures import Board, Target
from benchmarks.http_rounds import IDLE_SHARE, busy_share
from benchmarks.http_work import PAGE_WORK, standard_work
from benchmarks.load import Target as LoadTarget
from benchmarks.memory import worker_pids
from benchmarks.pages import standard_pages
from benchmarks.servers import port_of, rank_target, train
from benchmarks.wrk import generator_name, saturate
from server.client import Client
from server.local import LocalServer, wait_until

WANTED: Final = Target("≥", 1.7)
CONNECTIONS: Final = 8
_IDLE_WITHIN_S: Final = 120.0


def measure_throughput(board: Board, *, quick: bool) -> None:
    """Measure one scorer, the other, and both at once, by turns."""
    rounds, seconds, training_pages = (1, 1.0, 10) if quick else (5, 3.0, 100)
    work = standard_work()
    with machines(work.document) as cluster:
        scorers = [cluster.add_scorer(name) for name in ("a", "b")]
        train(scorers[0], standard_pages(work.document, training_pages, seed=2))
        targets = [
            rank_target(port_of(one), "/v1/rank", work.pages, "msgpack", worker_pids(one))
            for one in scorers
        ]
        for scorer, target in zip(scorers, targets, strict=True):
            _wait_for_models(scorer)
            saturate(target, CONNECTIONS, 1.0)
        alone, together = [], []
        for number in range(rounds):
            rates = []
            for target in targets:
                _wait_until_idle(cluster)
                rates.append(saturate(target, CONNECTIONS, seconds).per_second)
            alone.append(sum(rates) / len(rates))
            _wait_until_idle(cluster)
            together.append(_at_once(targets, seconds))
            board.say(f"{number + 1}: one {alone[-1]:.0f}/s, both {together[-1]:.0f}/s")
    how = (
        f"{PAGE_WORK}; one worker a scorer, a learner, Redis and {generator_name(CONNECTIONS)} "
        f"for each on the same {os.cpu_count()} cores; median of {rounds} rounds"
    )
    ratios = [both / one for one, both in zip(alone, together, strict=True)]
    board.add("cluster_page_one_scorer_per_s", median(alone), "/s", how)
    board.add("cluster_page_two_scorers_per_s", median(together), "/s", how)
    board.add("cluster_page_two_scorers_ratio", median(ratios), "×", how, WANTED)


def _at_once(targets: list[LoadTarget], seconds: float) -> float:
    with ThreadPoolExecutor(len(targets)) as threads:
        found = threads.map(lambda target: saturate(target, CONNECTIONS, seconds), targets)
        return sum(one.per_second for one in found)


def _wait_for_models(scorer: LocalServer) -> None:
    with Client(scorer.url, deadline_s=10.0) as client:
        wait_until(lambda: len(client.status()["models"]) == 2, 60, "models of both surfaces")


def _wait_until_idle(cluster: Machines) -> None:
    """Wait until what was decided before has reached Redis and the learner."""
    wait_until(
        lambda: busy_share(cluster.pids, 0.3) < len(cluster.pids) * IDLE_SHARE,
        _IDLE_WITHIN_S,
        "idle machines",
    )
