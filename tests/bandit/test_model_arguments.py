from __future__ import annotations

import pytest

from bandit.config.schema import ModelConfig
from bandit.errors import ConfigError
from bandit.model_arguments import identity, vw_arguments
from bandit.scoring import ModelShape


def shape_of(config: ModelConfig) -> ModelShape:
    return ModelShape.of("artwork", config)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--l1=0.1", "--ftlr"], "--ftlr.* not an allowed", "--ftrl"),
        (["--l1=0.1", "--final_regressor=x"], "not an allowed", "list of arguments"),
        (["--l1=0.1", "--random_seed=x"], "not a value of --random_seed", "whole number"),
        (["--l1=0.1", "--initial_t"], "not a value of --initial_t", "finite number"),
        (["--l1=0.1", "--ftrl_beta=nan"], "not a value of --ftrl_beta", "finite number"),
        (["--l1=0.1", "--loss_function=logistic"], "not a value", "squared"),
        (["--l1=0.1", "--coin=1"], "takes no value", "--coin"),
        (["--l1=0.1", "--l1=0.2"], "twice", "leave one"),
    ],
)
def test_an_argument_that_is_not_allowed_is_named(
    arguments: list[str], message: str, hint: str
) -> None:
    config = ModelConfig(arguments=arguments)
    with pytest.raises(ConfigError, match=message) as caught:
        vw_arguments(shape_of(config), config)
    assert caught.value.path == "surfaces.artwork.model.arguments[1]"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(arguments=["--ftrl", "--coin"]),
        ModelConfig(arguments=["--coin"], interactions=[["context", "title", "artwork"]]),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="--coin"):
        vw_arguments(shape_of(config), config)


def test_identity_changes_with_what_indices_mean_and_not_with_step_sizes() -> None:
    def named(**changes: object) -> str:
        config = ModelConfig(**changes)  # type: ignore[arg-type]
        return identity(shape_of(config), config)

    same = named()
    assert named(learning_rate=0.5, power_t=0.1, l2=0.1, arguments=["--l1=0.1"]) == same
    others = [
        named(bits=17),
        named(constant=True),
        named(interactions=[["context", "artwork"]]),
        named(cb_type="mtr"),
        named(arguments=["--ftrl"]),
        named(arguments=["--initial_t=3"]),
    ]
    assert len({same, *others}) == 7


@pytest.mark.parametrize(
    ("config", "largest"),
    [
        (ModelConfig(l2=0.2), "0.1"),
        (ModelConfig(l2=0.02, importance="clipped"), "0.005"),
        (ModelConfig(l2=1e-3, cb_type="mtr"), "1e-05"),
    ],
)
def test_regularisation_that_would_overshoot_is_refused(config: ModelConfig, largest: str) -> None:
    with pytest.raises(ConfigError, match="every weight") as caught:
        vw_arguments(shape_of(config), config)
    assert caught.value.path == "surfaces.artwork.model.l2"
    assert caught.value.hint.endswith(f"at most {largest}")
