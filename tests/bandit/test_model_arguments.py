from __future__ import annotations

import msgspec
import pytest

from bandit.config.schema import ModelConfig
from bandit.errors import ConfigError
from bandit.model import VowpalEngine
from bandit.model_arguments import identity, vw_arguments
from bandit.namespaces import NAMESPACES
from bandit.scoring import ModelShape

SHAPE = ModelShape.of("artwork", ModelConfig())


def shape_of(config: ModelConfig) -> ModelShape:
    return ModelShape.of("artwork", config)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--l1=0.1", "--ftlr"], "'--ftlr' is not an allowed argument; did you mean --ftrl?"),
        (["--l1=0.1", "--final_regressor=x"], "not an allowed argument"),
        (["--l1=0.1", "--random_seed=x"], "a whole number from 0 to 18446744073709551615"),
        (["--l1=0.1", "--random_seed=18446744073709551616"], "a whole number from 0 to"),
        (["--l1=0.1", "--random_seed=\u0663"], "a whole number from 0 to"),
        (["--l1=0.1", "--initial_t"], "'' is not a value of --initial_t"),
        (["--l1=0.1", "--initial_t=1e300"], "a number from 0 to 3e+38"),
        (["--l1=0.1", "--initial_t=1_0"], "a number from 0 to"),
        (["--l1=0.1", "--initial_t= 1"], "a number from 0 to"),
        (["--l1=0.1", "--ftrl_alpha=-1"], "a number from 0 to"),
        (["--l1=0.1", "--ftrl_beta=nan"], "a number from 0 to"),
        (["--l1=0.1", "--loss_function=logistic"], "one of squared, classic, quantile"),
        (["--l1=0.1", "--quantile_tau=0.3"], "needs --loss_function=quantile"),
        (["--l1=0.1", "--coin=1"], "--coin takes no value"),
        (["--l1=0.1", "--l1=0.2"], "--l1 stands there twice"),
        (["--coin", "--ftrl"], "--ftrl and --coin exclude each other"),
    ],
)
def test_an_argument_that_is_not_allowed_is_named(arguments: list[str], message: str) -> None:
    config = ModelConfig(arguments=arguments)
    for make in (shape_of, lambda config: vw_arguments(SHAPE, config)):
        with pytest.raises(ConfigError) as caught:
            make(config)
        assert caught.value.path == "surfaces.artwork.model.arguments[1]"
        assert message in caught.value.message
        assert caught.value.hint


def test_coin_and_crosses_of_three_do_not_go_together() -> None:
    config = ModelConfig(arguments=["--coin"], interactions=[["context", "title", "artwork"]])
    with pytest.raises(ConfigError, match="leave out --coin") as caught:
        vw_arguments(SHAPE, config)
    assert caught.value.path == "surfaces.artwork.model.arguments"


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(learning_rate=1e6, bits=10),
        ModelConfig(learning_rate=5e-324, l2=1e6, bits=10),
        ModelConfig(arguments=["--random_seed=18446744073709551615", "--l1=3e38"], bits=10),
        ModelConfig(arguments=["--quantile_tau=.5", "--loss_function=quantile"], bits=10),
        ModelConfig(arguments=["--ftrl", "--ftrl_alpha=1e-300", "--ftrl_beta=1."], bits=10),
        ModelConfig(arguments=["--coin", "--ftrl_alpha=0", "--initial_t=1E+2"], bits=10),
        ModelConfig(arguments=["--decay_learning_rate=0.5", "--loss_function=classic"], bits=10),
    ],
)
@pytest.mark.parametrize("cb_type", ["regression", "mtr", "dr"])
def test_what_the_check_lets_through_vw_takes(config: ModelConfig, cb_type: str) -> None:
    config = msgspec.structs.replace(config, cb_type=cb_type)
    VowpalEngine(shape_of(config), config)


def test_first_letters_tell_namespaces_apart_as_vw_does() -> None:
    for names in NAMESPACES.values():
        assert len({name[0] for name in names}) == len(names)


def test_identity_changes_with_what_indices_mean_and_not_with_step_sizes() -> None:
    def named(**changes: object) -> str:
        config = ModelConfig(**changes)  # type: ignore[arg-type]
        return identity(shape_of(config), config)

    same = named()
    assert named(learning_rate=0.5, power_t=0.1, l2=0.01, arguments=["--l1=0.1"]) == same
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
    assert caught.value.message.endswith(f"at most {largest}")
