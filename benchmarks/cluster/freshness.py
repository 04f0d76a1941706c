"""From feedback on one machine to a model that learned it on another."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

import numpy as np

from bandit.config.schema import Config
from benchmarks.cluster.machines import machines
from benchmarks.figures import Board, Target
from benchmarks.freshness import seconds_to_served, settled, small
from benchmarks.pages import standard_catalog, standard_pages
from benchmarks.servers import port_of, train
from server.client import Client
from server.local import wait_until

WANTED: Final = Target("<", 3.0)


def measure_freshness(board: Board, *, quick: bool) -> None:
    """Play on one scorer, and wait for another model on the other."""
    repetitions, training_pages = (3, 12) if quick else (40, 30)
    document = standard_catalog(2500)
    pages = standard_pages(document, training_pages)
    random = np.random.default_rng(7)
    with machines(document) as cluster:
        a, b = (cluster.add_scorer(name) for name in ("a", "b"))
        train(a, pages)
        for scorer in (a, b):
            with Client(scorer.url, deadline_s=10.0) as client:
                wait_until(partial(settled, client), 60, "the end of learning")
        took = []
        for number in range(repetitions):
            # At every phase of all intervals alike.
            time.sleep(float(random.uniform(0, 1)))
            page = small(pages[number % len(pages)])
            took.append(seconds_to_served(port_of(a), page, served_at=port_of(b)))
    work = (
        "from sending a play to machine a, to an answer of machine b by a model of machine c that "
        f"learned it; default config (close_after_play_s {Config().reward.close_after_play_s} "
        f"included), {repetitions} repetitions"
    )
    board.add("cluster_feedback_to_served_p50_s", float(np.percentile(took, 50)), "s", work)
    board.add("cluster_feedback_to_served_p95_s", float(np.percentile(took, 95)), "s", work, WANTED)
