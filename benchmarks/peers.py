"""Other packages' predictions for a page, from the side that asks: what each does, and does not.

Each runs in a process and an environment of its own (:mod:`benchmarks.environments`), and takes its
turn with ours. A package that cannot be had is told and left out.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks.environments import (
    CONTEXTUALBANDITS,
    MABWISER,
    VOWPALWABBIT,
    Environment,
    Say,
)
from benchmarks.turns import WARM_UP_S, Contender

ROOT: Final = Path(__file__).resolve().parent.parent


class Peer(NamedTuple):
    """One case of a package."""

    case: str
    """As the worker has it."""
    environment: Environment
    work: str


_EIGHT_ARMS: Final = "no features of artworks or titles, no rows; times of one page of 240 titles"
PEERS: Final = (
    Peer(
        "vowpalwabbit_kept",
        VOWPALWABBIT,
        "PyPI's vowpalwabbit: cb_explore_adf a title on Examples kept from before, artworks × "
        "context crossed; no titles' features, no rows, no draw",
    ),
    Peer("vowpalwabbit_text", VOWPALWABBIT, "the same, with the text of each title parsed"),
    Peer(
        "mabwiser",
        MABWISER,
        "MABWiser LinGreedy (ε 0.05), predict for 240 contexts of 20 numbers at once over 8 arms: "
        + _EIGHT_ARMS,
    ),
    Peer(
        "mabwiser_1920",
        MABWISER,
        "MABWiser LinGreedy, predict_expectations for one context over 1,920 arms, one for each "
        "artwork of the page: no features of artworks or titles, no choice by title, no rows",
    ),
    Peer(
        "contextualbandits",
        CONTEXTUALBANDITS,
        "contextualbandits BootstrappedUCB (10 logistic regressions an arm), predict for 240 "
        "contexts of 20 numbers at once over 8 arms: " + _EIGHT_ARMS,
    ),
)


@contextmanager
def peer_contenders(
    pages: Sequence[Sequence[Sequence[str]]], folder: Path, say: Say
) -> Iterator[dict[str, Contender]]:
    """Yield the contenders that can be had; ``pages`` are VW's lines, by page and title."""
    (folder / "pages.json").write_text(json.dumps(pages))
    contenders: dict[str, Contender] = {}
    with ExitStack() as stack:
        for environment in dict.fromkeys(peer.environment for peer in PEERS):
            python, why = environment.python(say)
            if python is None:
                say(f"{environment.name} is not measured: {why}")
                continue
            process = stack.enter_context(_worker(python, folder))
            for peer in (peer for peer in PEERS if peer.environment == environment):
                contender = _contender(process, peer.case)
                try:
                    contender(0, 1)
                except (OSError, RuntimeError) as error:
                    say(f"{peer.case} is not measured: {error}")
                else:
                    contenders[peer.case] = contender
        yield contenders


@contextmanager
def _worker(python: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environ = {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONPATH": str(ROOT)}
    command = [str(python), "-W", "ignore", "-m", "benchmarks.peers_worker", str(folder)]
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        # a worker that ended by itself has closed its end
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _contender(process: subprocess.Popen[str], case: str) -> Contender:
    def turn(first: int, pages: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{case} {first} {pages} {WARM_UP_S}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that measured {case} ended; see its message above")
        seconds: list[float] = json.loads(answer)
        return median(seconds)

    return turn
