"""How fast environments run: homepages a second, and a whole carousel experiment.

One process and one thread: no part of a step uses BLAS. Figures are by processor time, so that
other work on the machine does not slow them.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.figures import Board, Target
from simulator.environments import make_environment
from simulator.environments.recording import logged_choices, logged_rankings
from simulator.errors import MissingDataError
from simulator.loop import run
from simulator.pages import Environment
from simulator.policies.registry import make_policy

BATCH: Final = 2048
PAGES: Final = 100_000
SEED: Final = 1
TIMES: Final = 3
DEEZER: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "deezer_carousel"
CAROUSEL: Final = (100, 20_000)
"""Rounds, and users a round, of the published experiment."""


def measure_simulation(board: Board, *, quick: bool) -> None:
    """Measure homepages and carousels."""
    pages = 3 * BATCH if quick else PAGES
    homepage = make_environment("homepage", pages=pages, batch=BATCH)
    work = f"12 rows × 8 titles a page, {pages:,} pages, {BATCH:,} at a time, one core"
    board.add(
        "homepage_uniform_pages_per_s",
        median(run_pages_per_s(homepage, "uniform") for _ in range(TIMES)),
        "pages/s",
        f"serve, step and learn, the uniform policy: {work}; median of {TIMES}",
        Target("≥", 50_000),
    )
    board.add(
        "homepage_logged_pages_per_s",
        logged_pages_per_s(homepage),
        "pages/s",
        "the same, with every display and every row order put down as logged data",
    )
    board.add(
        "homepage_oracle_pages_per_s",
        run_pages_per_s(homepage, "oracle"),
        "pages/s",
        "the oracle, which judges every artwork of every title on the page",
    )
    measure_carousel(board, *((2, 500) if quick else CAROUSEL))


def measure_carousel(board: Board, rounds: int, users: int) -> None:
    """Measure the published experiment for two policies, where its data are."""
    try:
        directory = str(DEEZER) if DEEZER.exists() else ""
        carousel = make_environment(
            "carousel", pages=rounds * users, batch=users, directory=directory
        )
    except MissingDataError as error:
        board.say(f"no carousel: {error}")
        return
    work = f"{rounds} rounds × {users:,} users, 862 playlists, 12 slots, one core"
    for name, policy in (("uniform", "uniform"), ("segment_ts", "segment-ts")):
        seconds = rounds * users / run_pages_per_s(carousel, policy)
        board.add(f"carousel_{name}_s", seconds, "s", f"{policy}: {work}")


def run_pages_per_s(environment: Environment, policy: str) -> float:
    """Return the pages that a policy runs through in a second of processor time."""
    chosen = make_policy(policy)
    began, pages = time.process_time(), 0
    for done in run(environment, chosen, SEED):
        pages += done.pages.size
    return pages / (time.process_time() - began)


def logged_pages_per_s(environment: Environment) -> float:
    """Return the pages that are run and put down as logged data in a second."""
    began, pages = time.process_time(), 0
    for done in run(environment, make_policy("uniform"), SEED):
        logged_choices(environment, *done)
        pages += len(logged_rankings(environment, *done))
    return pages / (time.process_time() - began)
