"""Settings of policies and environments: what may be set, and what is told of what may not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from simulator.cli.root import main
from simulator.environments.registry import make_environment
from simulator.errors import SimulationError
from simulator.logged import LoggedChoices
from simulator.policies.array_policy import ArrayPolicy
from simulator.policies.production import Settings
from simulator.policies.production_target import JudgedSettings
from simulator.policies.registry import MODELS, POLICIES, make_policy
from simulator.policies.targets import TARGETS, make_target
from simulator.settings import described

WRONG = [
    ("linucb", {"alpha": "abc"}, "alpha cannot be 'abc'", "a number from 0"),
    ("linucb", {"alpha": float("nan")}, "alpha cannot be nan", "a number from 0"),
    ("linucb", {"alpha": float("inf")}, "alpha cannot be inf", "a number from 0"),
    ("linucb", {"epsilon": 2}, "epsilon cannot be 2", "a number from 0 up to 1"),
    ("popularity", {"epsilon": -1}, "epsilon cannot be -1", "a number from 0 up to 1"),
    ("popularity", {"prior": "low"}, "prior cannot be 'low'", "from 0 up to 1 or none"),
    ("uniform", {"epsilon": 2}, "epsilon cannot be 2", "a number from 0 up to 1"),
    ("linucb-disjoint", {"crosses_max": 9}, "no setting 'crosses_max'", "noise, alpha"),
    ("segment-ts", {"successes": 0}, "successes cannot be 0", "a number above 0"),
    ("segment-etc", {"displays": 0}, "displays cannot be 0", "a number above 0"),
    ("lints", {"propensities": "maybe"}, "cannot be 'maybe'", "true or false"),
]


@pytest.mark.parametrize(("name", "settings", "told", "hint"), WRONG)
def test_wrong_settings_are_named_with_what_they_may_be(
    name: str, settings: dict[str, object], told: str, hint: str
) -> None:
    for make in (make_policy, make_target):
        with pytest.raises(SimulationError, match=f"the policy {name}") as caught:
            make(name, **settings)
        assert told in caught.value.message
        assert hint in caught.value.hint


def test_production_s_settings_are_checked_before_its_file_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "none.toml")
    with pytest.raises(SimulationError, match="shares cannot be 'all'") as caught:
        make_target(path, shares="all")
    assert caught.value.hint == "give one of configured, learned"
    with pytest.raises(SimulationError, match="no setting 'snapshots'") as caught:
        make_policy(path, snapshots="here")
    assert "publish_batches" in caught.value.hint


def test_environments_tell_what_a_setting_may_be() -> None:
    with pytest.raises(SimulationError, match="users cannot be 'foo'") as caught:
        make_environment("carousel", pages=1, batch=1, users="foo")
    assert caught.value.hint == "give one of nine, synthetic"
    with pytest.raises(SimulationError, match=r"rule\.click: Expected `float`"):
        make_environment("homepage", pages=1, batch=1, rule={"click": "much"})
    unset = make_environment("homepage", pages=1, batch=1, world_seed="none", rows=2)
    assert unset.reset(1).rows.shape == (1, 2)


@pytest.mark.parametrize("name", list(POLICIES))
def test_every_setting_is_listed(name: str) -> None:
    done = CliRunner().invoke(main, ["policies", name])
    assert done.exit_code == 0, done.stderr
    infos = described(POLICIES[name].settings)
    assert {info.name for info in infos} <= set(done.stdout.split())
    assert all(info.description and info.values for info in infos)
    assert bool(infos) == (name != "oracle")


def test_production_s_settings_are_listed_for_simulations_and_logs() -> None:
    listed = CliRunner().invoke(main, ["policies", "site.toml"]).stdout
    infos = [*described(Settings), *described(JudgedSettings)]
    assert all(info.description for info in infos)
    assert {info.name for info in infos} <= set(listed.split())


def test_settings_reach_the_models() -> None:
    given = {
        "popularity": {"strength": 2.0, "prior": 0.5, "temperature": 0.1},
        "linucb": {"alpha": 0.7},
        "segment-ts": {"successes": 2.0},
        "segment-etc": {"displays": 3.0},
    }
    for name, settings in given.items():
        inside = vars(MODELS[name].make(**settings)).values()
        told = [value for one in inside for value in (one if isinstance(one, tuple) else (one,))]
        numbers = [float(value) for value in told if isinstance(value, float | np.floating)]
        assert set(np.round(list(settings.values()), 6)) <= set(np.round(numbers, 6)), name


def test_a_share_of_uniform_choices_makes_editorial_order_a_lottery() -> None:
    assert isinstance(make_policy("editorial", epsilon=0.1), ArrayPolicy)
    assert make_policy("editorial", epsilon=0.1).name == make_policy("editorial").name


@pytest.mark.parametrize("name", [name for name in TARGETS if name in ("uniform", "editorial")])
@pytest.mark.parametrize("epsilon", [0.0, 0.25])
def test_fixed_targets_tell_of_what_was_logged_as_of_everything(name: str, epsilon: float) -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 6, 50)
    logged = LoggedChoices(
        action=(rng.random(50) * counts).astype(np.int32),
        reward=np.zeros(50),
        propensity=np.ones(50),
        action_count=5,
        candidates=np.where(np.arange(5) < counts[:, None], np.arange(5), -1).astype(np.int32),
    )
    target = make_target(name, epsilon=epsilon)
    wanted = np.take_along_axis(target.pmf(logged), logged.action[:, None].astype(np.intp), 1)
    np.testing.assert_allclose(target.chosen_probability(logged), wanted[:, 0], rtol=1e-15)
