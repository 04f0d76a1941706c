"""What whole decisions serve happens as often as they log it: artworks, rows, one beside another.

200,000 draws of artworks for each way of deciding, and as many of row positions by the model, over
viewers and stickiness windows. Expected frequencies are taken from the propensities in the
decisions' records and from nowhere else. Salts and viewers are fixed, so that each test gives the
same verdict always; alpha is the chance that a fresh salt would have failed a right
implementation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from math import prod, sqrt
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats

from bandit.catalog import Catalog, CatalogDocument
from bandit.clock import to_us
from bandit.config import Config
from bandit.engine import ModelArrays
from bandit.events import DecisionRecord
from bandit.policy import Policy, ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.types import Artwork, Features, Page, PageRow, Row, Surface, Title

ALPHA = 1e-3
DRAWS = 200_000
TITLES, ARTWORKS, ROWS = 40, 4, 5
VIEWERS = 250
START_US = 1_700_000_000_000_000
STICKINESS_S = 1800.0
MOODS: tuple[Features, ...] = ({"mood": "curious"}, {"mood": "tired"})

CATALOG = Catalog.build(
    CatalogDocument(
        [
            Title(f"t{title}", [Artwork(f"a{art}", {"look": f"{title}.{art}"}) for art in range(4)])
            for title in range(TITLES)
        ],
        [Row(f"r{row}", {"kind": f"k{row}"}) for row in range(ROWS)],
    )
)
TITLE_PAGE = Page(titles=[f"t{title}" for title in range(TITLES)])
ROW_PAGE = Page(rows=[PageRow(f"r{row}") for row in range(ROWS)])


def model(surface: Surface, described_by: str, spread: float) -> ServedModel:
    """Return a model with a random weight for every feature and cross."""
    shape = ModelShape(surface, 14, (("context", described_by),), constant=False)
    weights = np.random.default_rng(7).normal(0.0, spread, 1 << 14).astype(np.float32)
    return ServedModel(f"{surface}-1", shape, ModelArrays(weights, np.full_like(weights, 0.01)))


MODELS: Mapping[Surface, ServedModel] = {
    "artwork": model("artwork", "artwork", 0.1),
    "rows": model("rows", "row", 0.03),
}


def configured(explore: float, exploration: Mapping[str, Any] | None = None) -> Config:
    surface = {"holdout": 0.0, "explore": explore, "stickiness_s": STICKINESS_S}
    artwork = surface if exploration is None else {**surface, "exploration": exploration}
    # Warm enough for every one of the 120 orders to turn up.
    rows = {**surface, "exploration": {"type": "plackett_luce", "temperature": 0.05}}
    return msgspec.convert({"surfaces": {"artwork": artwork, "rows": rows}}, Config)


def decided(page: Page, config: Config, serving: Serving, count: int) -> Iterator[DecisionRecord]:
    """Decide a page for so many pairs of viewer and window, in the moods in turn."""
    policy = Policy(config)
    for number in range(count):
        window, viewer = divmod(number, VIEWERS)
        asked = msgspec.structs.replace(
            page, viewer_id=f"viewer-{viewer}", context=MOODS[viewer % len(MOODS)]
        )
        yield policy.decide(
            asked,
            decision_id=f"d{number}",
            now_us=START_US + window * to_us(STICKINESS_S),
            serving=serving,
        ).record


def mood_of(record: DecisionRecord) -> str:
    return str(record.context["mood"])


LEARNED = Serving(CATALOG, MODELS)
COLD = Serving(CATALOG)
WAYS: dict[str, tuple[Config, Serving, bool]] = {
    "epsilon-greedy": (
        configured(0.0, {"type": "epsilon_greedy", "epsilon": 0.1}), LEARNED, False,
    ),
    "softmax": (configured(0.0, {"type": "softmax", "temperature": 0.3}), LEARNED, False),
    "cold": (configured(0.0), COLD, True),
    "explore": (configured(1.0), LEARNED, True),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_artworks_are_served_as_often_as_their_logged_propensities_say(way: str) -> None:
    config, serving, uniform = WAYS[way]
    counts: Counter[tuple[str, str, str]] = Counter()
    logged: dict[tuple[str, str, str], set[float]] = defaultdict(set)
    pages: Counter[str] = Counter()
    for record in decided(TITLE_PAGE, config, serving, DRAWS // TITLES):
        mood = mood_of(record)
        pages[mood] += 1
        for choice in record.titles:
            counts[mood, choice.title, choice.artwork] += 1
            logged[mood, choice.title, choice.artwork].add(choice.propensity)
    assert counts.total() == DRAWS
    # Every artwork of every title was served to either mood, each with one propensity always.
    assert len(logged) == len(MOODS) * TITLES * ARTWORKS
    assert all(len(values) == 1 for values in logged.values())
    propensity = {place: values.pop() for place, values in logged.items()}
    assert not uniform or set(propensity.values()) == {1 / ARTWORKS}
    for mood in pages:
        for title in range(TITLES):
            total = sum(propensity[mood, f"t{title}", f"a{art}"] for art in range(ARTWORKS))
            assert total == pytest.approx(1.0, abs=1e-12)
    expected = np.array([propensity[place] * pages[place[0]] for place in counts])
    observed = np.array(list(counts.values()))
    statistic = ((observed - expected) ** 2 / expected).sum()
    freedom = len(MOODS) * TITLES * (ARTWORKS - 1)
    assert ALPHA / 2 < stats.chi2.sf(statistic, freedom) < 1 - ALPHA / 2


@pytest.mark.parametrize(("way", "draws"), [("softmax", DRAWS), ("explore", DRAWS // 4)])
def test_rows_stand_where_their_logged_propensities_say(way: str, draws: int) -> None:
    config, serving, uniform = WAYS[way]
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    likelihood: dict[tuple[str, tuple[str, ...]], float] = {}
    pages: Counter[str] = Counter()
    for record in decided(ROW_PAGE, config, serving, draws // ROWS):
        order = (mood_of(record), tuple(row.id for row in record.rows))
        chance = prod(row.propensity for row in record.rows)
        assert likelihood.setdefault(order, chance) == chance
        counts[order] += 1
        pages[order[0]] += 1
    orders = sorted(likelihood)
    observed = np.array([counts[order] for order in orders])
    chances = np.array([likelihood[order] for order in orders])
    for mood, count in pages.items():
        mine = np.array([order[0] == mood for order in orders])
        # All 120 orders were seen, and their logged likelihoods make a whole.
        assert mine.sum() == 120
        assert chances[mine].sum() == pytest.approx(1.0)
        assert not uniform or chances[mine] == pytest.approx(1 / 120)
        expected = chances[mine] * count
        assert stats.chisquare(observed[mine], expected, sum_check=False).pvalue > ALPHA
        for position in range(ROWS):
            here = np.array([order[1][position] for order in orders])
            rows = [mine & (here == f"r{row}") for row in range(ROWS)]
            seen = [observed[place].sum() for place in rows]
            due = [chances[place].sum() * count for place in rows]
            assert stats.chisquare(seen, due, sum_check=False).pvalue > ALPHA / ROWS


def test_without_a_model_rows_stand_as_asked_with_certainty() -> None:
    config, serving, _ = WAYS["cold"]
    for record in decided(ROW_PAGE, config, serving, 100):
        assert [(row.id, row.propensity) for row in record.rows] == [
            (f"r{row}", 1.0) for row in range(ROWS)
        ]


def test_artworks_of_one_page_are_drawn_independently_pair_by_pair() -> None:
    config, serving, _ = WAYS["cold"]
    pages = DRAWS // TITLES
    served = np.zeros((pages, TITLES, ARTWORKS))
    for number, record in enumerate(decided(TITLE_PAGE, config, serving, pages)):
        for title, choice in enumerate(record.titles):
            served[number, title, int(choice.artwork[1:])] = 1.0
    flat = served.reshape(pages, -1)
    together = (flat.T @ flat).reshape(TITLES, ARTWORKS, TITLES, ARTWORKS)
    pairs = list(combinations(range(TITLES), 2))
    statistics = np.array(
        [stats.chi2_contingency(together[one, :, other, :])[0] for one, other in pairs]
    )
    freedom = (ARTWORKS - 1) ** 2
    assert stats.chi2.sf(statistics.max(), freedom) > ALPHA / len(pairs)
    # Nor do they hang together a little everywhere: the mean is that of independent pairs.
    deviation = (statistics.mean() - freedom) / sqrt(2 * freedom / len(pairs))
    assert abs(deviation) < stats.norm.isf(ALPHA / 2)
