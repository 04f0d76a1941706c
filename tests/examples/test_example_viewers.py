"""The viewers of the demo: realistic in their rates, with tastes that artwork can meet."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.config.schema import Config
from bandit.limits import check_features
from examples.catalog_files import read_document
from examples.ledger import Ledger, Tally, interval
from examples.simulated_viewers import ROWS_ASKED, ROWS_SHOWN, TITLES_A_ROW, homepage
from simulator.environments import truth
from simulator.environments.homepage import Homepage
from simulator.policies.editorial import EditorialPolicy
from simulator.policies.oracle import OraclePolicy

DOCUMENT = read_document()


def _visits(seed: int, count: int) -> Homepage:
    one_by_one = homepage(DOCUMENT, seed)
    return Homepage(count, count, one_by_one.settings, document=DOCUMENT)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_learning_can_be_worth_twice_what_the_first_artworks_are(seed: int) -> None:
    environment = _visits(seed, 400)
    first, best = (
        truth(environment, policy, pages=400, seed=5)
        for policy in (EditorialPolicy(), OraclePolicy())
    )
    assert 0.02 < first.value < 0.06
    assert 1.7 < best.value / first.value < 4.0


def test_pages_ask_for_enough_rows_of_enough_titles() -> None:
    environment = _visits(1, 300)
    pages = environment.reset(1)
    assert pages.titles.shape == (300, ROWS_ASKED, TITLES_A_ROW)
    assert pages.rows_served == ROWS_SHOWN
    filled = (pages.titles >= 0).mean()
    assert filled > 0.85
    page = environment.page(pages, 0)
    limits = Config().limits
    check_features(page.context, "context", limits.context_features_max)


def test_all_visitors_of_a_seed_are_the_same_people() -> None:
    one, two = (homepage(DOCUMENT, 4) for _ in range(2))
    pages = one.reset(1)
    two.reset(2)
    assert np.array_equal(one.artwork_chances(pages), two.artwork_chances(pages))


def test_the_ledger_counts_by_share_and_forgets_the_past_where_asked() -> None:
    ledger = Ledger(recent_s=30)
    ledger.add("learned", Tally(1, 20, 2))
    assert ledger.recent(0.0)["learned"] == Tally()
    ledger.add("learned", Tally(1, 10, 1))
    assert ledger.recent(20.0)["learned"] == Tally(1, 10, 1)
    ledger.add("learned", Tally(1, 5, 0))
    assert ledger.recent(52.0)["learned"] == Tally(1, 5, 0)
    assert ledger.totals()["learned"] == Tally(3, 35, 3)
    assert ledger.totals()["learned"].take_fraction == pytest.approx(3 / 35)
    assert ledger.totals()["holdout"].take_fraction is None


def test_the_interval_holds_the_share_and_narrows() -> None:
    low, high = interval(50, 1000)
    assert low < 0.05 < high
    assert interval(500, 10_000)[1] - interval(500, 10_000)[0] < (high - low) / 3
    assert interval(0, 0) == (0.0, 1.0)
