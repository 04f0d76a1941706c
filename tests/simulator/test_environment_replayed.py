"""Logs replayed by rejection: what is accepted is what the policy would have met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.environments.replayed import Replayed, ReplayedSettings
from simulator.errors import SimulationError
from simulator.logged import LoggedChoices
from simulator.pages import Pages, Served
from tests.simulator.environment_cases import uniform_log


def _play(environment: Replayed, pages: Pages, artworks: np.ndarray) -> Served:
    order = np.zeros((pages.size, 1), np.int32)
    shown = artworks.astype(np.int32)[:, None, None]
    return Served(order, np.ones(order.shape), shown, np.ones(shown.shape))


def _accepted(log: LoggedChoices, choice: int, seed: int = 1) -> tuple[float, float]:
    """Return the share of rounds accepted, and their mean reward, of always one action."""
    environment = Replayed(len(log), len(log), logged=log)
    pages = environment.reset(seed)
    displays = environment.step(_play(environment, pages, np.full(pages.size, choice))).displays
    return len(displays.page) / len(log), float(displays.reward.mean())


def _skewed(rounds: int) -> LoggedChoices:
    """A log over four actions that prefers each context's own, whose value is known."""
    random = np.random.default_rng(5)
    kind = random.integers(0, 4, rounds)
    pmf = np.full((rounds, 4), 0.1)
    pmf[np.arange(rounds), kind] = 0.7
    action = (random.random(rounds)[:, None] > pmf.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    chance = np.where(action == kind, 0.6, 0.2)
    return LoggedChoices(
        action=action.astype(np.int32),
        reward=(random.random(rounds) < chance).astype(np.float64),
        propensity=pmf[np.arange(rounds), action],
        action_count=4,
        context=np.eye(4, dtype=np.float32)[kind],
    )


def test_uniform_logs_accept_whatever_matches() -> None:
    log = uniform_log(6000, sets=1)
    share, mean = _accepted(log, 1)
    matched = log.action == 1
    assert share == matched.mean()
    assert mean == pytest.approx(log.reward[matched].mean())


def test_logs_of_other_policies_are_replayed_without_bias() -> None:
    # Alpha 1e-4. Always action 2: its value is (0.6 + 3 · 0.2) / 4; every choice of the policy is
    # accepted with the smallest propensity.
    rounds = 60_000
    share, mean = _accepted(_skewed(rounds), 2)
    assert abs(share - 0.1) < 3.9 * np.sqrt(0.1 * 0.9 / rounds)
    assert abs(mean - 0.3) < 3.9 * np.sqrt(0.3 * 0.7 / (share * rounds))


def test_sets_of_several_sizes_are_accepted_alike() -> None:
    # Alpha 1e-4 for each size of set.
    log = uniform_log(30_000)
    environment = Replayed(len(log), len(log), logged=log)
    pages = environment.reset(1)
    page = environment.step(_play(environment, pages, np.zeros(pages.size))).displays.page
    for size in (2, 3, 4):
        of_size = log.action_counts() == size
        count = int(of_size.sum())
        share = of_size[page].sum() / count
        assert abs(share - 0.25) < 3.9 * np.sqrt(0.25 * 0.75 / count)


def test_rewards_are_those_logged_and_rounds_come_in_order() -> None:
    log = uniform_log(200)
    environment = Replayed(200, 50, logged=log)
    pages: Pages | None = environment.reset(1)
    accepted = 0
    while pages is not None:
        at = np.arange(pages.first, pages.first + pages.size)
        step = environment.step(_play(environment, pages, log.action[at]))
        assert np.array_equal(step.displays.reward, log.reward[at][step.displays.page])
        assert np.array_equal(pages.contexts[:, :2], log.context[at])  # type: ignore[index]
        accepted += len(step.displays.page)
        pages = step.pages
    assert accepted > 100


def test_actions_stand_for_the_logged_items() -> None:
    log = uniform_log(160)
    environment = Replayed(160, 160, logged=log)
    pages = environment.reset(1)
    for index, code in enumerate(pages.titles[:, 0, 0].tolist()):
        shown = [art.id for art in environment.document.titles[code].artworks]
        candidates = log.candidates[index]  # type: ignore[index]
        assert shown == [f"item-{item}" for item in candidates if item >= 0]
    assert environment.context_names[-2:] == ("position=0", "position=1")


def test_a_run_has_no_more_pages_than_the_log() -> None:
    environment = Replayed(1000, 1000, logged=uniform_log(160))
    assert environment.reset(1).size == 160


def test_rounds_may_be_shuffled() -> None:
    log = uniform_log(160)
    environment = Replayed(160, 160, ReplayedSettings(shuffled=True), logged=log)
    one, two = environment.reset(1), environment.reset(2)
    assert not np.array_equal(one.contexts, two.contexts)
    assert sorted(one.viewers.tolist()) == list(range(160))


def test_what_cannot_be_replayed_is_refused() -> None:
    log = uniform_log(200)
    rare = log.propensity.copy()
    rare[3] = 0.001
    for wrong, told in (
        (replace(log, propensity_source="estimated"), "estimated"),
        (replace(log, reward=log.reward * 2), "outside"),
        (replace(log, propensity=rare), "accept about 0.2"),
    ):
        with pytest.raises(SimulationError, match=told):
            Replayed(10, 10, logged=wrong)
