"""What a full queue drops is represented by what it logs: weighted counts are unbiased.

Each decision meets a chance that follows from how full the queue is, and a draw by its key. The sum
of 1 / pass probability over what was logged estimates how many were decided, with the variance
sum of (1 - p) / p over all. Each test rejects a right implementation with a probability of
``ALPHA`` = 1e-5 over seeds; seeds are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from bandit.clock import WallClock
from bandit.config.schema import LogConfig
from bandit.eventlog.admission import is_let_in, pass_probability
from bandit.eventlog.commit_queue import CommitQueue
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord
from bandit.metrics import NoMetrics

ALPHA = 1e-5
Z_MAX = 4.42
"""The normal quantile of 1 - ALPHA / 2."""
DECISIONS = 20_000
QUEUE_MAX = 500


class Met(NamedTuple):
    """What a decision met."""

    name: str
    chance: float
    logged: bool


def decision(name: str) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=0,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[],
    )


def overload(seed: int) -> list[Met]:
    """Offer decisions to a queue that lets go of fewer than come, in bursts."""
    random = np.random.default_rng(seed)
    config = LogConfig(queue_max=QUEUE_MAX, queue_full="drop", commit_records_max=40)
    queue = CommitQueue("s", config, lambda _rows: 1)
    met = []
    for number in range(DECISIONS):
        one = decision(f"{seed}-{number}")
        chance = pass_probability(queue.waiting, QUEUE_MAX)
        met.append(Met(one.decision_id, chance, queue.hand_over([one]).fates == ["logged"]))
        if queue.waiting >= 40 and random.random() < 0.01:
            group = queue.take() or []
            queue.settle(group, [True] * len(group))
    return met


def z_score(met: list[Met], counts: Callable[[Met], bool]) -> float:
    """Return how many standard errors a weighted count is off the true one."""
    chosen = [one for one in met if one.chance > 0 and counts(one)]
    estimate = sum(1 / one.chance for one in chosen if one.logged)
    variance = sum((1 - one.chance) / one.chance for one in chosen)
    return (estimate - len(chosen)) / math.sqrt(variance)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_counts_of_what_is_logged_are_unbiased(seed: int) -> None:
    met = overload(seed)

    assert abs(z_score(met, lambda one: True)) < Z_MAX
    assert abs(z_score(met, lambda one: one.name.endswith("0"))) < Z_MAX
    assert abs(z_score(met, lambda one: one.chance < 0.3)) < Z_MAX
    unweighted = sum(one.logged for one in met)
    assert unweighted < 0.7 * DECISIONS
    assert len({one.chance for one in met}) > 100


def test_draws_follow_their_probabilities_and_differ_from_key_to_key() -> None:
    chances = np.linspace(0.05, 0.95, 19)
    keys = [f"d:{number}" for number in range(2000)]
    for chance in chances:
        share = np.mean([is_let_in(key, float(chance)) for key in keys])
        assert abs(share - chance) < Z_MAX * math.sqrt(chance * (1 - chance) / len(keys))


def test_the_log_itself_tells_how_many_decisions_were_made(tmp_path: Path) -> None:
    """Through a real spool: the count is made from nothing but what can be read back."""
    config = LogConfig(queue_max=60, queue_full="drop", heartbeat_s=0.01)
    writer = SqliteEventWriter.open(tmp_path, WallClock(), config, NoMetrics())
    fates = [writer.hand_over([decision(f"d{number}")]).fates[0] for number in range(DECISIONS)]
    writer.close()
    with closing(SqliteEventReader(tmp_path, WallClock())) as reader:
        logged = reader.read("spool-000", 0, DECISIONS).records
    chances = np.array(
        [one.record.pass_probability for one in logged if isinstance(one.record, DecisionRecord)]
    )

    assert len(chances) == fates.count("logged")
    assert fates.count("dropped") > 0
    represented = DECISIONS - fates.count("full")
    # The variance is estimated from the sample as well: each logged one stands for 1 / p of them.
    deviation = math.sqrt(np.sum((1 - chances) / chances**2))
    assert abs(np.sum(1 / chances) - represented) < Z_MAX * deviation
