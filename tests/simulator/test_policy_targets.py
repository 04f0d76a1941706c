"""Array policies as targets: what one gives is what the policy, once frozen, would serve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.environments.recording import logged_choices, logged_rankings
from simulator.errors import SimulationError, TargetError
from simulator.logged import NO_NAMES, LoggedChoices, LoggedRankings
from simulator.loop import Round, run
from simulator.pages import Displays
from simulator.policies.registry import MODELS, make_policy
from simulator.policies.targets import TARGETS, make_target
from simulator.targets import check_chosen, check_pmf
from tests.simulator.tiny_world import CAROUSEL, HOMEPAGE, Size, TinyWorld

BATCHES = 3


def explored(size: Size = HOMEPAGE) -> tuple[TinyWorld, list[Round]]:
    """Return what a uniform policy logged."""
    world = TinyWorld(size, batches=BATCHES, batch=60)
    return world, list(run(world, make_policy("uniform"), 8))


def choices_of(world: TinyWorld, rounds: list[Round]) -> list[LoggedChoices]:
    return [logged_choices(world, *one) for one in rounds]


def rankings_of(world: TinyWorld, rounds: list[Round]) -> list[LoggedRankings]:
    return [logged_rankings(world, *one) for one in rounds]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_probabilities_of_choices_are_lawful(name: str, epsilon: float) -> None:
    logs = choices_of(*explored())
    target = make_target(name, epsilon=epsilon)
    assert target.name == name
    assert target.learns == (name in MODELS)
    target.fit(logs[0])
    pmf = target.pmf(logs[1])
    check_pmf(pmf, logs[1].eligible())
    chosen = target.chosen_probability(logs[1])
    check_chosen(chosen, len(logs[1]))
    np.testing.assert_array_equal(chosen, pmf[np.arange(len(pmf)), logs[1].action])
    if epsilon:
        least = np.where(logs[1].eligible(), epsilon / logs[1].action_counts()[:, None], 0.0)
        assert (pmf >= least - 1e-12).all()


@pytest.mark.parametrize("name", TARGETS)
def test_the_order_of_rounds_and_what_is_around_them_do_not_matter(name: str) -> None:
    logs = choices_of(*explored())
    target = make_target(name)
    target.fit(logs[0])
    whole = target.pmf(logs[1])
    shuffled = np.random.default_rng(0).permutation(len(logs[1]))
    np.testing.assert_allclose(target.pmf(logs[1].take(shuffled)), whole[shuffled], atol=1e-5)
    np.testing.assert_allclose(target.pmf(logs[1].take(slice(5, 6)))[0], whole[5], atol=1e-5)


def all_seen(one: Round) -> Displays:
    """Return displays of all that was served, of which nothing came."""
    pages, served, displays = one
    rows = np.maximum(served.order, 0)[:, :, None].astype(np.intp)
    titles = np.take_along_axis(pages.titles, rows, 1)
    there = (titles >= 0) & (served.order >= 0)[:, :, None]
    page, position, column = (axis.astype(np.int32) for axis in np.nonzero(there))
    return displays._replace(
        page=page, position=position, column=column, reward=np.zeros(len(page))
    )


REPEATS = 200


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_tells_what_the_frozen_policy_serves(name: str) -> None:
    world, rounds = explored()
    settings = {"epsilon": 0.1, "temperature": 0.05} if name == "popularity" else {}
    known = {"propensities": True} if name in MODELS else {}
    policy = make_policy(name, **known, **settings)
    policy.reset(world, 1)
    policy.learn(*rounds[0])
    target = make_target(name, **settings)
    target.fit(logged_choices(world, *rounds[0]))
    pages, _, displays = rounds[1]
    served = policy.serve(pages)
    seen = all_seen(Round(pages, served, displays))
    logged = logged_choices(world, pages, served, seen)
    # What is told of each choice is what the target says, ...
    np.testing.assert_allclose(target.chosen_probability(logged), logged.propensity, atol=1e-5)
    # ... and what is served again and again comes as often.
    pmf = target.pmf(logged)
    row = served.order[seen.page, seen.position]
    counts = np.zeros(pmf.shape)
    for _ in range(REPEATS):
        drawn = policy.serve(pages).artworks[seen.page, row, seen.column]
        counts += drawn[:, None] == np.arange(pmf.shape[1])
    variance = REPEATS * pmf * (1 - pmf)
    open_to_chance = variance > 1e-9
    gap = counts - REPEATS * pmf
    np.testing.assert_allclose(gap[~open_to_chance], 0.0, atol=1e-6)
    if open_to_chance.any():
        # Over thousands of choices, ten standard deviations and more: alpha below 1e-9.
        ratio = (gap**2)[open_to_chance].sum() / variance[open_to_chance].sum()
        assert ratio == pytest.approx(1.0, abs=0.2)


RANKERS = ("uniform", "editorial", "popularity", "linucb", "linucb-disjoint")


@pytest.mark.parametrize("name", RANKERS)
@pytest.mark.parametrize("size", [HOMEPAGE, CAROUSEL], ids=["homepage", "carousel"])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_what_is_asked_of_rankings_agrees(name: str, size: Size, epsilon: float) -> None:
    logs = rankings_of(*explored(size))
    target = make_target(name, epsilon=epsilon)
    target.fit(logs[0])
    judged = logs[1].take(slice(0, 20))
    placed = judged.placed()
    conditional = target.conditional_probability(judged)
    pmf = target.conditional_pmf(judged)
    index = np.maximum(judged.items, 0)[:, :, None].astype(np.intp)
    chosen = np.take_along_axis(pmf, index, 2)[:, :, 0]
    np.testing.assert_allclose(
        np.where(placed, chosen, 1.0).cumprod(axis=1), conditional.cumprod(axis=1), atol=1e-12
    )
    np.testing.assert_allclose(pmf.sum(axis=2), placed.astype(float), atol=1e-12)
    marginal = target.marginal_probability(judged)
    np.testing.assert_allclose(marginal[:, 0], conditional[:, 0], atol=1e-9)
    placements = target.placement_probability(judged)
    every = np.arange(judged.items.shape[1])
    np.testing.assert_allclose(
        np.where(placed, placements[:, every, every], 1.0), marginal, atol=1e-12
    )


@pytest.mark.parametrize("name", RANKERS)
def test_a_target_tells_how_likely_the_frozen_policy_was_to_order_so(name: str) -> None:
    world, rounds = explored()
    settings = {"epsilon": 0.3, "temperature": 0.1} if name == "popularity" else {}
    policy = make_policy(name, **settings)
    target = make_target(name, **settings)
    policy.reset(world, 1)
    policy.learn(*rounds[0])
    target.fit(logged_rankings(world, *rounds[0]))
    pages, _, displays = rounds[1]
    served = policy.serve(pages)
    logged = logged_rankings(world, pages, served, displays._replace(
        page=displays.page[:0], position=displays.position[:0], reward=displays.reward[:0]
    ))  # fmt: skip
    np.testing.assert_allclose(
        target.conditional_probability(logged), served.order_propensities, atol=1e-6
    )


@pytest.mark.parametrize("name", ["lints", "lints-disjoint", "segment-ts"])
def test_thompson_sampling_refuses_rankings(name: str) -> None:
    logs = rankings_of(*explored())
    target = make_target(name)
    target.fit(logs[0])
    with pytest.raises(TargetError, match="cannot be worked out"):
        target.conditional_probability(logs[1])


def test_rounds_without_context_segment_or_features_will_do() -> None:
    logs = [
        replace(log, context=None, segment=None, item_features=None)
        for log in choices_of(*explored())
    ]
    for name in TARGETS:
        target = make_target(name)
        target.fit(logs[0])
        check_pmf(target.pmf(logs[1]), logs[1].eligible())


def test_rounds_that_all_have_the_same_actions_will_do() -> None:
    rng = np.random.default_rng(5)
    count, actions = 400, 6
    logged = LoggedChoices(
        action=rng.integers(0, actions, count).astype(np.int32),
        reward=rng.random(count),
        propensity=np.full(count, 1 / actions),
        action_count=actions,
        context=rng.normal(size=(count, 2)).astype(np.float32),
    )
    for name in TARGETS:
        target = make_target(name)
        target.fit(logged)
        check_pmf(target.pmf(logged), logged.eligible())


def test_what_cannot_be_made_or_asked_is_told() -> None:
    logs = choices_of(*explored())
    with pytest.raises(SimulationError, match="no target 'oracle' on logged data"):
        make_target("oracle")
    with pytest.raises(SimulationError, match="popularity has no setting 'alpha'"):
        make_target("popularity", alpha=1)
    target = make_target("popularity")
    with pytest.raises(TargetError, match="was not trained"):
        target.pmf(logs[0])
    few = logs[0].take(np.flatnonzero(logs[0].items() < 10))
    assert few.candidates is not None
    target.fit(replace(few, item_features=None, names=NO_NAMES))
    with pytest.raises(TargetError, match="learned of 12 items, the rounds have 96"):
        target.pmf(logs[1])
