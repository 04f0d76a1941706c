"""Orders of rows judged on a uniform log of the homepage, beside what they truly earn there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.datasets.registry import concatenate_rankings
from simulator.environments.recording import logged_rankings
from simulator.environments.registry import make_environment
from simulator.logged import LoggedRankings
from simulator.loop import run
from simulator.pages import Displays, Environment, PagePolicy, Pages, Served
from simulator.policies.lotteries import Lotteries, LotteryTarget, alike
from simulator.policies.model_target import candidate_rows
from simulator.policies.orders import best_order, masked
from simulator.policies.registry import make_policy
from simulator.results import Estimate
from simulator.studies.asked import asked_estimators
from simulator.studies.judging import judge
from simulator.studies.logged_places import logged_places
from simulator.studies.plans import JudgePlan
from simulator.studies.ranking_case import RankingCase

WORLD: Final = {
    "titles": 120,
    "artworks": 3,
    "rows": 8,
    "titles_a_row": 5,
    "viewers": 400,
    "sees_next_row": 0.7,
    "world_seed": 5,
}
PAGES: Final = 6000
Z: Final = 4.0
"""Standard errors that an estimate may be off: alpha 6e-5 for each."""


@dataclass(frozen=True)
class Preferring(LotteryTarget):
    """Rows by how much they are liked, the best first; as a target, and as what serves pages."""

    liking: FloatArray
    artworks: PagePolicy
    """What chooses the artworks."""
    name: str = "preferring"

    def reset(self, environment: Environment, seed: int) -> None:
        self.artworks.reset(environment, seed)

    def serve(self, pages: Pages) -> Served:
        order = best_order(masked(self.liking[pages.rows], pages.rows), pages.rows_served)
        return self.artworks.serve(pages)._replace(
            order=order, order_propensities=np.ones(order.shape)
        )

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        pass

    def lotteries(self, logged: LoggedRankings) -> Lotteries:
        rows = candidate_rows(logged)
        numbers = np.where(rows >= 0, self.liking[rows], -np.inf)
        return alike(numbers, logged.items.shape[1], greedy=True)


def rounds(policy: PagePolicy, pages: int, seed: int) -> LoggedRankings:
    environment = make_environment("homepage", pages=pages, batch=2000, **WORLD)
    return concatenate_rankings(
        logged_rankings(environment, *each) for each in run(environment, policy, seed)
    )


class Known(NamedTuple):
    """A log, and what a policy that did not write it truly earns a page."""

    logged: LoggedRankings
    policy: Preferring
    value: float
    error: float


@pytest.fixture(scope="module")
def known() -> Known:
    logged = rounds(make_policy("uniform"), PAGES, seed=1)
    rows = np.take_along_axis(candidate_rows(logged), logged.items, axis=1)
    # Liked by the very opposite of what they earned: far from the log, and worse than it.
    codes = int(rows.max()) + 1
    earned = np.bincount(rows.ravel(), logged.reward.ravel(), codes)
    looks = np.bincount(rows.ravel(), np.asarray(logged.seen, np.float64).ravel(), codes)
    policy = Preferring(-earned / np.maximum(looks, 1), make_policy("uniform"))
    page = rounds(policy, 10 * PAGES, seed=2).reward.sum(axis=1)
    return Known(logged, policy, float(page.mean()), float(page.std() / np.sqrt(len(page))))


def judged(known: Known, logged: LoggedRankings, words: tuple[str, ...]) -> dict[str, Estimate]:
    plan = JudgePlan(estimators=asked_estimators(words, "rows"), clustered=False)
    case = RankingCase(logged, known.policy, plan, None, logged_places(logged, None))
    return {one.estimator: one for one in judge("preferring", case).estimates}


def test_position_by_position_estimates_find_the_truth_where_whole_orders_are_hopeless(
    known: Known,
) -> None:
    """Of 8! orders the target takes one: hardly a page has it. Seeds fixed, 4 standard errors."""
    found = judged(known, known.logged, ("sips", "iips", "sniips", "pbm-iips"))
    own = float(known.logged.reward.sum(axis=1).mean())
    assert known.value < own - 10 * known.error
    assert not found["sips"].diagnostics.sound
    assert found["sips"].diagnostics.effective_rounds < 5
    for name, off_max in (("iips", 0.12), ("sniips", 0.12), ("pbm-iips", 0.05)):
        one = found[name]
        assert one.value is not None
        (normal,) = one.intervals
        error = np.hypot((normal.high - normal.low) / (2 * 1.96), known.error)
        assert one.value == pytest.approx(known.value, abs=Z * error), name
        assert Z * error < off_max, name
        assert one.diagnostics.sound, one.diagnostics.verdict
    assert found["pbm-iips"].diagnostics.weight_mean_p > 1e-3
    told = found["pbm-iips"].diagnostics.warnings[-1]
    assert "the share of pages on which it was seen (0.98, 0.6" in told


def test_examination_is_found_in_what_was_earned_where_nobody_tells_what_was_seen(
    known: Known,
) -> None:
    """The curve is then an estimate itself: a band of 8 % around the truth, seeds fixed."""
    logged = replace(known.logged, seen=None)
    one = judged(known, logged, ("pbm-iips",))["pbm-iips"]
    assert one.value == pytest.approx(known.value, rel=0.08)
    assert "what it earned" in one.diagnostics.warnings[-1]
