"""The contract of policies: what each serves is lawful, seeded, and learned from."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from simulator.environments.carousel import Carousel, CarouselSettings
from simulator.environments.registry import make_environment
from simulator.environments.replayed import Replayed
from simulator.loop import Round, run
from simulator.pages import Environment, PagePolicy, Served
from simulator.policies.registry import POLICIES, make_policy
from tests.simulator.environment_cases import deezer_like, uniform_log
from tests.simulator.tiny_world import CAROUSEL, HOMEPAGE, TinyWorld

PAGES, BATCH = 90, 32
SMALL = {"rows": 5, "titles_a_row": 4, "templates": 12, "viewers": 60, "titles": 80}

WORLDS: dict[str, Callable[[], Environment]] = {
    "tiny homepage": lambda: TinyWorld(HOMEPAGE),
    "tiny carousel": lambda: TinyWorld(CAROUSEL),
    "homepage": lambda: make_environment(
        "homepage", pages=PAGES, batch=BATCH, drift=0.5, new_titles=0.2, **SMALL
    ),
    "carousel": lambda: Carousel(PAGES, BATCH, CarouselSettings(slots=6), data=deezer_like()),
    "supervised": lambda: make_environment("supervised", pages=PAGES, batch=BATCH, data="wine"),
    "logged": lambda: Replayed(PAGES, BATCH, logged=uniform_log(200)),
}
TOML = """
[surfaces.artwork.model]
bits = 12
[surfaces.rows.model]
bits = 12
"""


POLICY_NAMES = (*POLICIES, "production")
KNOWN = [name for name in WORLDS if name != "logged"]
"""Where truth is known."""


@pytest.fixture
def policy(name: str, tmp_path: Path) -> PagePolicy:
    if name in ("linucb", "lints"):
        # Fewer crosses than by default, which take their time.
        return make_policy(name, crosses_max=128)
    if name != "production":
        return make_policy(name)
    path = tmp_path / "site.toml"
    path.write_text(TOML)
    return make_policy(str(path))


@pytest.fixture
def world(place: str) -> Environment:
    return WORLDS[place]()


everywhere = pytest.mark.parametrize(
    ("name", "place"),
    [pair for pair in product(POLICY_NAMES, WORLDS) if pair != ("oracle", "logged")],
)
where_truth_is_known = pytest.mark.parametrize(
    ("name", "place"), list(product(POLICY_NAMES, KNOWN))
)


@everywhere
def test_what_is_served_is_lawful(policy: PagePolicy, world: Environment) -> None:
    for one in run(world, policy, 3):
        check_lawful(world, one)


def check_lawful(world: Environment, one: Round) -> None:
    """Check shapes, types, orders, artworks and propensities."""
    pages, served, _ = one
    count, rows = pages.rows.shape
    assert served.order.shape == (count, pages.rows_served)
    assert served.order_propensities.shape == served.order.shape
    assert served.artworks.shape == pages.titles.shape
    assert served.artwork_propensities.shape == pages.titles.shape
    assert served.order.dtype == served.artworks.dtype == np.int32
    assert served.order_propensities.dtype == served.artwork_propensities.dtype == np.float64
    for asked, order in zip(pages.rows, served.order, strict=True):
        there = min((asked >= 0).sum(), pages.rows_served)
        assert (order[there:] == -1).all()
        assert len(set(order[:there].tolist())) == there
        assert ((order[:there] >= 0) & (asked[order[:there]] >= 0)).all()
    shown = np.zeros((count, rows), np.bool_)
    pages_of, _ = np.nonzero(served.order >= 0)
    shown[pages_of, served.order[served.order >= 0]] = True
    due = shown[:, :, None] & (pages.titles >= 0)
    counts = np.diff(world.items.artwork_offsets)
    assert (served.artworks[due] >= 0).all()
    assert (served.artworks[due] < counts[pages.titles[due]]).all()
    assert (served.artworks[pages.titles < 0] == -1).all()
    check_propensities(served.order_propensities, served.order >= 0)
    check_propensities(served.artwork_propensities, pages.titles >= 0)


def check_propensities(
    propensities: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    there: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> None:
    """Check that they are probabilities above 0 or not known, and 1 where nothing was chosen."""
    known = propensities[~np.isnan(propensities)]
    assert ((known > 0) & (known <= 1)).all()
    assert (propensities[~there] == 1).all()


def served_in(world: Environment, policy: PagePolicy, seed: int) -> list[Served]:
    return [one.served for one in run(world, policy, seed)]


@everywhere
def test_a_run_repeats_from_its_seed(policy: PagePolicy, world: Environment) -> None:
    first, again = (served_in(world, policy, 5) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        for given, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(given, expected)


@where_truth_is_known
def test_no_policy_is_expected_to_earn_more_than_the_oracle(
    policy: PagePolicy, world: Environment
) -> None:
    earned = best = 0.0
    policy.reset(world, 1)
    pages = world.reset(1)
    while True:
        served = policy.serve(pages)
        earned += float(world.expected(pages, served).reward.sum())
        best += float(world.expected(pages, world.best(pages)).reward.sum())
        step = world.step(served)
        policy.learn(pages, served, step.displays)
        if step.pages is None:
            break
        pages = step.pages
    assert 0 < earned <= best + 1e-9
