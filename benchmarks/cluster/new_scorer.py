"""How soon a scorer that starts from nothing serves a catalog of 100,000 artworks.

All it is given is Redis' address and the keys. Time counts from the start of its process to the
first answer by the cluster's catalog and model, for which readiness waits.
"""

from __future__ import annotations

import time
from functools import partial
from statistics import median
from typing import Final

from bandit.types import Page
from benchmarks.cluster.machines import machines
from benchmarks.figures import Board, Target
from benchmarks.pages import ARTWORKS_A_TITLE, standard_catalog, standard_pages
from benchmarks.servers import rank_request, train
from server.client import Client
from server.local import wait_until

WANTED: Final = Target("<", 5.0)
ARTWORKS: Final = 100_000


def measure_new_scorer(board: Board, *, quick: bool) -> None:
    """Add scorers to a cluster, one after the other."""
    artworks, repetitions = (10_000, 1) if quick else (ARTWORKS, 5)
    document = standard_catalog(artworks // ARTWORKS_A_TITLE)
    pages = standard_pages(document, 20)
    ready, took = [], []
    with machines(document) as cluster:
        train(cluster.learner, pages)
        for number in range(repetitions):
            began = time.perf_counter()
            scorer = cluster.start_scorer(f"new-{number}")
            with Client(scorer.url, deadline_s=10.0) as client:
                wait_until(client.ready, 60, "readiness")
                ready.append(time.perf_counter() - began)
                wait_until(partial(_answers, client, pages[0]), 60, "an answer by the model")
            took.append(time.perf_counter() - began)
            scorer.stop()
    work = (
        f"from the start of its process, with an empty disk; catalog of {artworks:,} artworks; "
        f"median of {repetitions}"
    )
    board.add("cluster_new_scorer_ready_s", median(ready), "s", f"until ready {work}", WANTED)
    board.add("cluster_new_scorer_learned_page_s", median(took), "s", f"until a page {work}")


def _answers(client: Client, page: Page) -> bool:
    return len(client.rank(rank_request(page)).answer.snapshots) == 2
