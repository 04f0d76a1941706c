"""True values, their errors, and runs recorded as logged data."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.reward import RewardRule
from simulator.environments import ENVIRONMENTS, make_environment, truth
from simulator.environments.carousel import Carousel, CarouselSettings
from simulator.environments.recording import artwork_names, logged_choices, logged_rankings
from simulator.environments.registry import setting_infos
from simulator.environments.supervised import Supervised, SupervisedSettings
from simulator.errors import SimulationError
from simulator.pages import Displays, Environment, Pages, Served
from tests.simulator.environment_cases import deezer_like, uniform_served


class Uniform:
    """Chooses at random, and counts what it is asked to do."""

    name = "uniform"

    def __init__(self) -> None:
        self.resets = self.lessons = 0

    def reset(self, environment: Environment, seed: int) -> None:
        self.resets += 1
        self._environment = environment
        self._random = np.random.default_rng([seed, 99])

    def serve(self, pages: Pages) -> Served:
        return uniform_served(self._environment, pages, self._random)

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        self.lessons += 1


class Best(Uniform):
    name = "best"

    def serve(self, pages: Pages) -> Served:
        return self._environment.best(pages)


def _homepage(pages: int, **settings: object) -> Environment:
    return make_environment("homepage", pages=pages, batch=500, world_seed=3, **settings)


def test_the_truth_is_what_runs_come_to() -> None:
    # Alpha 1e-4, with the errors of both: 6,000 other pages of the same world.
    environment, policy = _homepage(6000), Uniform()
    found = truth(environment, policy, pages=6000, seed=1)
    policy.reset(environment, 2)
    pages: Pages | None = environment.reset(2)
    total = shown = 0.0
    while pages is not None:
        step = environment.step(policy.serve(pages))
        total, shown = total + step.displays.reward.sum(), shown + len(step.displays.page)
        pages = step.pages
    drawn = np.sqrt(0.04 * 0.4 / shown) * 2
    assert abs(total / shown - found.value) < 3.9 * np.hypot(found.standard_error, drawn)
    assert found.page_value == pytest.approx(found.value * shown / 6000, rel=0.02)
    assert found.pages == 6000


def test_the_stated_error_is_how_far_truths_lie_apart() -> None:
    # 60 truths: their spread's relative error is 9 %; alpha 1e-4.
    environment = _homepage(400, viewers=500)
    found = [truth(environment, Uniform(), pages=400, seed=seed) for seed in range(60)]
    spread = np.std([one.value for one in found], ddof=1)
    stated = np.mean([one.standard_error for one in found])
    assert 0.62 < spread / stated < 1.5


def test_a_policy_is_judged_as_it_stands() -> None:
    environment, policy = _homepage(1000), Uniform()
    policy.reset(environment, 1)
    truth(environment, policy, pages=1000, seed=1, fresh=False)
    assert (policy.resets, policy.lessons) == (1, 0)
    truth(environment, policy, pages=1000, seed=1)
    assert policy.resets == 2


def test_only_so_many_pages_are_taken() -> None:
    assert truth(_homepage(2000), Uniform(), pages=700, seed=1).pages == 700
    assert truth(_homepage(600), Uniform(), pages=700, seed=1).pages == 600


def test_the_best_is_worth_more_than_chance() -> None:
    environment = _homepage(500)
    best, chance = (truth(environment, one(), pages=500, seed=1) for one in (Best, Uniform))
    assert best.value > 2 * chance.value


def test_the_truth_of_right_answers_has_no_error() -> None:
    environment = Supervised(300, 100, SupervisedSettings(data="iris"))
    found = truth(environment, Best(), pages=300, seed=1)
    assert (found.value, found.standard_error) == (1.0, 0.0)


def _round(environment: Environment, seed: int = 1) -> tuple[Environment, Pages, Served, Displays]:
    pages = environment.reset(seed)
    served = uniform_served(environment, pages, np.random.default_rng(1))
    return environment, pages, served, environment.step(served).displays


def test_displays_are_recorded_as_choices() -> None:
    environment, pages, served, displays = _round(_homepage(300))
    logged = logged_choices(environment, pages, served, displays)
    assert len(logged) == len(displays.page)
    names = artwork_names(environment.document)
    for at in (0, 17, len(logged) - 1):
        page = int(displays.page[at])
        row = int(served.order[page, displays.position[at]])
        card = page, row, int(displays.column[at])
        title = environment.document.titles[int(pages.titles[card])]
        artwork = title.artworks[int(served.artworks[card])]
        assert names[int(logged.items()[at])] == f"{title.id}/{artwork.id}"
        assert logged.propensity[at] == pytest.approx(1 / len(title.artworks))
        assert logged.action_counts()[at] == len(title.artworks)
        assert logged.cluster is not None
        assert logged.cluster[at] == pages.viewers[page]
        assert np.array_equal(logged.context[at], pages.contexts[page])  # type: ignore[index]
    assert np.array_equal(logged.reward, displays.reward)
    assert logged.position is not None
    assert np.array_equal(logged.position, displays.position)


def test_a_share_of_displays_is_the_same_share_again() -> None:
    found = _round(_homepage(300))
    whole = logged_choices(*found)
    some = logged_choices(*found, share=0.1, seed=4)
    # Alpha 1e-4.
    assert abs(len(some) - 0.1 * len(whole)) < 3.9 * np.sqrt(0.09 * len(whole))
    assert np.array_equal(some.reward, logged_choices(*found, share=0.1, seed=4).reward)


@pytest.mark.parametrize("how", ["max", "sum", "mean"])
def test_row_orders_are_recorded_with_their_rows_rewards(how: str) -> None:
    rule = RewardRule(row_aggregation=how)  # type: ignore[arg-type]
    environment, pages, served, displays = _round(_homepage(200, rule=rule, rows_served=5))
    logged = logged_rankings(environment, pages, served, displays)
    assert logged.reward.shape == (200, 5)
    assert np.array_equal(logged.items, served.order)
    assert logged.seen is not None
    for page in range(40):
        for position in range(5):
            there = (displays.page == page) & (displays.position == position)
            assert logged.seen[page, position] == there.any()
            if there.any():
                wanted = rule.row_reward(displays.reward[there].tolist())
                assert logged.reward[page, position] == pytest.approx(wanted)
            else:
                assert logged.reward[page, position] == 0
    assert logged.reward.max() > 0


def test_sessions_are_recorded_as_rankings_alone() -> None:
    environment = Carousel(50, 50, CarouselSettings(slots=4), data=deezer_like())
    found = _round(environment)
    logged = logged_rankings(*found)
    assert logged.candidates is None
    assert logged.item_count == 20
    assert logged.reward.sum() == found[3].reward.sum()
    with pytest.raises(SimulationError, match="hold no titles"):
        logged_choices(*found)


def test_unknown_environments_and_settings_are_named() -> None:
    with pytest.raises(SimulationError, match="'homepages'"):
        make_environment("homepages", pages=1, batch=1)
    with pytest.raises(SimulationError, match="'row'"):
        make_environment("homepage", pages=1, batch=1, row=3)
    with pytest.raises(SimulationError, match="drift cannot be 2"):
        make_environment("homepage", pages=1, batch=1, drift=2.0)
    with pytest.raises(SimulationError, match="pages is 0"):
        make_environment("homepage", pages=0, batch=1)


def test_settings_may_be_given_as_text() -> None:
    environment = make_environment("homepage", pages=1, batch=1, rows="5", leaves_after_play="true")
    assert environment.reset(1).rows.shape == (1, 5)


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_every_setting_is_described(name: str) -> None:
    infos = setting_infos(name)
    assert infos
    assert all(info.description for info in infos)
