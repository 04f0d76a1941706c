"""The viewers: seeded, realistic in their rates, and with tastes that artwork can meet."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.limits import check_features
from examples.catalog_files import read_document
from examples.ledger import Ledger, Tally, interval
from examples.viewer_model import ViewerPopulation, Visit

DOCUMENT = read_document()
POPULATION = ViewerPopulation(1, DOCUMENT)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _grid(rng: np.random.Generator, rows: int = 12, columns: int = 8) -> tuple[np.ndarray, ...]:
    titles = rng.integers(0, len(DOCUMENT.titles), (rows, columns))
    return titles, POPULATION.offsets[titles]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_best_artwork_is_worth_about_twice_the_first(seed: int) -> None:
    take = ViewerPopulation(seed, DOCUMENT).expected_take(150, _rng())
    assert 0.025 < take.first < 0.08
    assert take.uniform == pytest.approx(take.first, rel=0.1)
    assert 1.8 < take.best / take.first < 2.6


def test_the_same_seed_gives_the_same_viewers_and_behaviour() -> None:
    twin = ViewerPopulation(1, DOCUMENT)
    titles, artworks = _grid(_rng(7))
    for population in (POPULATION, twin):
        assert population.visit(_rng(5)).context == POPULATION.visit(_rng(5)).context
    one = POPULATION.behave(POPULATION.visit(_rng(5)), titles, artworks, _rng(9))
    two = twin.behave(twin.visit(_rng(5)), titles, artworks, _rng(9))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_places_further_down_and_right_are_seen_less() -> None:
    rng = _rng()
    titles, artworks = _grid(rng)
    seen = np.zeros(titles.shape)
    for _ in range(800):
        seen += POPULATION.behave(POPULATION.visit(rng), titles, artworks, rng).seen
    by_row, by_column = seen.sum(axis=1), seen.sum(axis=0)
    assert (np.diff(by_row) < 0).all()
    assert (np.diff(by_column) < 0).all()
    assert 12 < seen.sum() / 800 < 40


def test_a_visit_holds_together() -> None:
    rng = _rng(3)
    titles, artworks = _grid(rng)
    titles[:, -1] = -1
    abandons = plays = 0
    for _ in range(1500):
        done = POPULATION.behave(POPULATION.visit(rng), titles, artworks, rng)
        assert not (done.clicked & ~done.seen).any()
        assert not (done.played & ~done.clicked).any()
        assert not done.seen[:, -1].any()
        assert done.played.sum() <= 1
        assert ((done.seconds > 0) == done.played).all()
        assert (done.fraction >= 0).all()
        assert (done.fraction <= 1).all()
        if done.played.any():
            row = int(np.argwhere(done.played)[0, 0])
            assert not done.seen[row + 1 :].any()
            plays += 1
            abandons += int(0 < done.seconds.max() < 30)
    assert 0.05 < abandons / plays < 0.35


def test_plays_come_as_often_as_their_probability_says() -> None:
    # Alpha 1e-4: one title alone on the page, 20,000 visits of the same visitor.
    visit = POPULATION.visit(_rng(11))
    titles = np.array([[0]], np.intp)
    artworks = POPULATION.offsets[titles]
    chance = float(POPULATION.play_probability(visit, titles, artworks)[0, 0])
    rng, seen, plays = _rng(12), 0, 0
    for _ in range(20_000):
        done = POPULATION.behave(visit, titles, artworks, rng)
        seen += int(done.seen.sum())
        plays += int(done.played.sum())
    assert abs(plays - seen * chance) < 3.9 * np.sqrt(seen * chance * (1 - chance))


def _centred_appeal(visit: Visit) -> np.ndarray:
    appeal = POPULATION.artwork_appeal(visit)
    centred: np.ndarray = appeal - appeal.mean()
    return centred


def test_the_context_tells_most_of_a_taste() -> None:
    rng = _rng(4)
    rows, appeals = [], []
    names: dict[str, int] = {}
    for _ in range(1500):
        visit = POPULATION.visit(rng)
        values = [
            f"{name}={member}"
            for name, value in visit.context.items()
            for member in (value if isinstance(value, list) else [value])
        ]
        rows.append([names.setdefault(value, len(names)) for value in values])
        appeals.append(_centred_appeal(visit)[:40])
    design = np.zeros((len(rows), len(names)))
    for index, columns in enumerate(rows):
        design[index, columns] = 1
    told = np.array(appeals)
    fitted = design @ np.linalg.lstsq(design, told, rcond=None)[0]
    explained = 1 - (told - fitted).var(axis=0).sum() / told.var(axis=0).sum()
    assert 0.6 < explained < 0.98


def test_contexts_pass_the_services_limits() -> None:
    check_features(POPULATION.visit(_rng()).context, "context", 256)


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
