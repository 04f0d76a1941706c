from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest
import vowpal_wabbit_next as vw

from bandit.config.model_rules import IMPORTANCE_MAX, WEIGHT_MAX
from bandit.config.schema import ModelConfig
from bandit.engine import Candidate, LearningEngine, TrainingExample
from bandit.errors import ConfigError, ModelError
from bandit.example_checks import TERM_MAX
from bandit.features import Encoded, encode, encode_id, encode_position, stack
from bandit.model import PRIOR_VARIANCE, VowpalEngine, _Line, engine_version
from bandit.scoring import ModelShape, scores, spreads

CROSSES = [["context", "artwork"], ["title", "context"]]
CONFIGS = {
    "regression": ModelConfig(bits=12, interactions=CROSSES),
    "constant step": ModelConfig(bits=12, interactions=CROSSES, power_t=0.0, constant=True),
    "weighted": ModelConfig(bits=12, interactions=CROSSES, importance="full"),
    "l1 and l2": ModelConfig(bits=12, interactions=CROSSES, l2=1e-3, arguments=["--l1=1e-4"]),
    "late start": ModelConfig(bits=12, interactions=CROSSES, arguments=["--initial_t=3"]),
    "quantile": ModelConfig(bits=12, arguments=["--loss_function=quantile", "--quantile_tau=0.3"]),
    "ftrl": ModelConfig(bits=12, interactions=CROSSES, arguments=["--ftrl", "--ftrl_alpha=0.1"]),
    "coin": ModelConfig(bits=12, interactions=CROSSES, arguments=["--coin"]),
    "mtr": ModelConfig(bits=12, interactions=CROSSES, cb_type="mtr", l2=1e-6),
    "ips": ModelConfig(bits=12, interactions=CROSSES, cb_type="ips"),
    "dr": ModelConfig(bits=12, interactions=CROSSES, cb_type="dr", constant=True),
    "dr by ftrl": ModelConfig(bits=12, cb_type="dr", arguments=["--ftrl"]),
    "dr by coin": ModelConfig(bits=12, cb_type="dr", arguments=["--coin"]),
}


def engine_of(config: ModelConfig, state: bytes | None = None) -> VowpalEngine:
    return VowpalEngine(ModelShape.of("artwork", config), config, state)


def random_examples(seed: int, count: int) -> list[TrainingExample]:
    """Make examples of which some lack the title, and all have numbers of many sizes."""
    rng = np.random.default_rng(seed)

    def features(namespace: str) -> Encoded:
        kind, size = f"k{rng.integers(5)}", float(rng.normal() * 10.0 ** rng.integers(-2, 3))
        return encode(namespace, {"kind": kind, "size": size, f"f{rng.integers(9)}": 1.0})

    examples = []
    for _ in range(count):
        shared = {"context": features("context")}
        if rng.random() < 0.5:
            shared["title"] = features("title")
        candidates = [
            Candidate({"artwork": features("artwork"), "id": encode_id(f"a{rng.integers(9)}")})
            for _ in range(4)
        ]
        chosen = int(rng.integers(4))
        propensity, reward = float(rng.uniform(0.05, 1)), float(rng.uniform())
        examples.append(TrainingExample(shared, candidates, chosen, propensity, reward))
    return examples


def simple(
    value: float = 1.0,
    propensity: float = 0.5,
    reward: float = 1.0,
    chosen: int = 0,
    name: str = "a",
) -> TrainingExample:
    encoded = Encoded(encode("artwork", {name: 1.0}).hashes, np.array([value], np.float32))
    context = encode("context", {"bias": 1.0})
    return TrainingExample(
        {"context": context}, [Candidate({"artwork": encoded})], chosen, propensity, reward
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_a_line_that_is_used_again_is_learned_as_a_new_one_would_be(name: str) -> None:
    config, examples = CONFIGS[name], random_examples(8, 300)
    # pages of three examples share their context; the namespaces of the next may be others
    examples = [one._replace(shared=examples[i - i % 3].shared) for i, one in enumerate(examples)]
    ours, one_by_one = engine_of(config), engine_of(config)
    ours.learn(examples)
    for example in examples:
        anew = [Candidate(dict(one.groups)) for one in example.candidates]
        one_by_one._line = _Line(ModelShape.of("artwork", config).namespaces)
        one_by_one.learn([example._replace(shared=dict(example.shared), candidates=anew)])
    assert ours.serialize() == one_by_one.serialize()


@pytest.mark.parametrize("cb_type", ["regression", "mtr", "ips", "dr"])
def test_what_stands_for_more_moves_the_model_more(cb_type: str) -> None:
    config = ModelConfig(bits=12, cb_type=cb_type)  # type: ignore[arg-type]
    moved = []
    for weight in (1.0, 2.0, 4.0):
        engine = engine_of(config)
        engine.learn([simple()._replace(weight=weight)])
        moved.append(float(np.abs(engine.arrays().weights).sum()))
    assert 1.2 * moved[0] < moved[1]
    assert 1.2 * moved[1] < moved[2]
    plain = engine_of(config)
    plain.learn([simple()])
    assert moved[0] == float(np.abs(plain.arrays().weights).sum())


def test_weights_of_all_kinds_multiply_and_only_those_of_propensities_are_clipped() -> None:
    def learned(config: ModelConfig, propensity: float, weight: float) -> bytes:
        engine = engine_of(config)
        engine.learn([simple(propensity=propensity)._replace(weight=weight)])
        return engine.serialize()

    full = ModelConfig(bits=12, importance="full")
    clipped = ModelConfig(bits=12, importance="clipped", importance_max=5.0)
    assert learned(full, 0.5, 3.0) == learned(full, 1.0, 6.0)
    assert learned(clipped, 0.1, 3.0) == learned(full, 1.0, 15.0)
    assert learned(ModelConfig(bits=12), 0.1, 3.0) == learned(full, 1.0, 3.0)
    assert learned(full, 1e-3, 20.0) == learned(full, 1.0, 2e4)
    assert learned(full, 1e-5, 20.0) == learned(full, 1.0, 20 * IMPORTANCE_MAX)
    assert learned(full, 1e-3, 1e4) == learned(full, 1.0, WEIGHT_MAX)


def test_regularisation_bounds_the_weight_of_an_example() -> None:
    config = ModelConfig(bits=12, l2=1e-3, learning_rate=0.5)
    engine = engine_of(config)
    engine.learn([simple(reward=float(turn % 2))._replace(weight=1e5) for turn in range(50)])
    assert np.isfinite(engine.arrays().weights).all()
    assert np.abs(engine.arrays().weights).max() < 2


def test_a_state_is_serialised_once_until_more_is_learned() -> None:
    engine = engine_of(CONFIGS["regression"])
    engine.learn([simple()])
    arrays, state = engine.snapshot()
    assert engine.serialize() is state
    np.testing.assert_array_equal(arrays.weights, engine.arrays().weights)
    engine.learn([simple()])
    assert engine.serialize() != state


@pytest.mark.parametrize("name", CONFIGS)
def test_learning_goes_on_bit_for_bit_from_a_state(name: str) -> None:
    config, examples = CONFIGS[name], random_examples(1, 400)
    whole, interrupted = engine_of(config), engine_of(config)
    whole.learn(examples)
    interrupted.learn(examples[:250])
    resumed = engine_of(config, interrupted.serialize())
    interrupted.learn(examples[250:])
    resumed.learn(examples[250:])
    # the model file holds weights, AdaGrad sums, normalisers and all counters
    assert interrupted.serialize() == whole.serialize()
    assert resumed.serialize() == whole.serialize()
    for ours, theirs in zip(resumed.arrays(), whole.arrays(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.count_nonzero(whole.arrays().weights) > 20


@pytest.mark.parametrize("cb_type", ["regression", "mtr", "dr"])
def test_long_learning_with_strong_regularisation_resumes_exactly_and_stays_finite(
    cb_type: str,
) -> None:
    bandit = cb_type != "regression"
    config = ModelConfig(bits=10, l2=1e-6 if bandit else 0.09, cb_type=cb_type)  # type: ignore[arg-type]
    examples = random_examples(9, 60) * 75
    whole, part = engine_of(config), engine_of(config)
    whole.learn(examples)
    part.learn(examples[:4000])
    part.predict(examples[0].shared, examples[0].candidates)
    resumed = engine_of(config, part.serialize())
    resumed.learn(examples[4000:])
    np.testing.assert_array_equal(resumed.arrays().weights, whole.arrays().weights)
    assert 1e-6 < np.abs(whole.arrays().weights).max() < 100
    raw = vw.Workspace(["--quiet"], model_data=whole.serialize()).weights()[: 1 << 10, :, 0]
    assert np.abs(raw).max() < 1e3 * np.abs(whole.arrays().weights).max()


def test_settling_regularisation_leaves_scores_as_they_were() -> None:
    config = CONFIGS["l1 and l2"]
    engine = engine_of(config)
    examples = random_examples(10, 64) * 64
    engine.learn(examples[:-1])
    before = engine.predict(examples[0].shared, examples[0].candidates)
    engine.learn([examples[-1]])
    settled = engine.arrays().weights
    state = engine.serialize()
    raw = vw.Workspace(["--quiet"], model_data=state).weights()[:, 0, 0]
    np.testing.assert_array_equal(raw, settled)
    after = engine.predict(examples[0].shared, examples[0].candidates)
    np.testing.assert_allclose(after, before, atol=0.1)


def test_predicting_and_reading_arrays_do_not_disturb_learning() -> None:
    examples = random_examples(2, 60)
    watched, alone = engine_of(CONFIGS["regression"]), engine_of(CONFIGS["regression"])
    for example in examples:
        watched.predict(example.shared, example.candidates)
        watched.arrays()
        watched.learn([example])
    alone.learn(examples)
    for ours, theirs in zip(watched.arrays(), alone.arrays(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("cb_type", ["regression", "mtr", "ips", "dr"])
def test_a_preference_is_learned_in_units_of_reward(cb_type: str) -> None:
    config = ModelConfig(bits=12, cb_type=cb_type, learning_rate=0.5, interactions=[])  # type: ignore[arg-type]
    engine: LearningEngine = engine_of(config)
    rng = np.random.default_rng(5)
    candidates = [Candidate({"id": encode_id(name)}) for name in ("worse", "better")]
    chosen = rng.integers(2, size=3000)
    rewards = rng.random(3000) < np.where(chosen, 0.8, 0.3)
    engine.learn(
        [
            TrainingExample({}, candidates, int(action), 0.5, float(reward))
            for action, reward in zip(chosen, rewards, strict=True)
        ]
    )
    matrix = stack([one.groups["id"] for one in candidates])
    shape = ModelShape.of("artwork", config)
    learned = scores(engine.arrays().weights, shape, {"id": matrix}, 2)
    np.testing.assert_allclose(learned, [0.3, 0.8], atol=0.2)


def test_the_position_is_learned_on_the_rows_surface() -> None:
    config = ModelConfig(bits=12)
    shape = ModelShape.of("rows", config)
    engine = VowpalEngine(shape, config)
    for place, reward in [(0, 1.0), (1, 0.0)] * 300:
        groups = {"row": encode("row", {"kind": "x"}), "position": encode_position(place)}
        engine.learn([TrainingExample({}, [Candidate(groups)], 0, 1.0, reward)])
    positions = stack([encode_position(0), encode_position(1)])
    first, second = scores(engine.arrays().weights, shape, {"position": positions}, 2)
    assert first > second + 0.3


@pytest.mark.parametrize(
    ("importance", "weights"),
    [("none", (1.0, 1.0)), ("clipped", (2.0, 5.0)), ("full", (2.0, 50.0))],
)
def test_importance_weights_are_as_configured(
    importance: str, weights: tuple[float, float]
) -> None:
    config = ModelConfig(bits=12, importance=importance, importance_max=5.0)  # type: ignore[arg-type]
    engine = engine_of(config)
    engine.learn([simple(propensity=0.5), simple(propensity=0.02)])
    reference = engine_of(ModelConfig(bits=12, importance="full"))
    reference.learn([simple(propensity=1 / weight) for weight in weights])
    assert engine.serialize() == reference.serialize()


def nan_in_another_candidate() -> TrainingExample:
    good = simple()
    bad = Candidate({"id": Encoded(np.array([1], np.uint32), np.array([np.nan], np.float32))})
    return good._replace(candidates=[*good.candidates, bad])


BAD = {
    "propensity 0": simple(propensity=0.0),
    "propensity above 1": simple(propensity=1.5),
    "propensity nan": simple(propensity=float("nan")),
    "propensity negative": simple(propensity=-0.5),
    "reward nan": simple(reward=float("nan")),
    "reward above 1": simple(reward=1.01),
    "reward negative": simple(reward=-0.01),
    "value nan": simple(value=float("nan")),
    "value inf": simple(value=float("inf")),
    "value too large": simple(value=TERM_MAX * 2),
    "weight 0": simple()._replace(weight=0.0),
    "weight infinite": simple()._replace(weight=float("inf")),
    "weight nan": simple()._replace(weight=float("nan")),
    "chosen none": simple(chosen=1),
    "chosen negative": simple(chosen=-1),
    "namespace unknown": simple()._replace(shared={"nonsense": encode("nonsense", {"a": 1.0})}),
    "shared and not": simple()._replace(shared={"artwork": encode("artwork", {"a": 1.0})}),
    "lengths differ": simple()._replace(
        shared={"context": Encoded(np.zeros(2, np.uint32), np.ones(1, np.float32))}
    ),
}


@pytest.mark.parametrize("cb_type", ["regression", "mtr"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_example_is_refused_and_leaves_no_trace(name: str, cb_type: str) -> None:
    engine = engine_of(ModelConfig(bits=12, cb_type=cb_type))  # type: ignore[arg-type]
    engine.learn([simple()])
    before = engine.serialize()
    with pytest.raises(ModelError, match="cannot be learned") as caught:
        engine.learn([BAD[name]])
    assert caught.value.hint
    assert engine.serialize() == before
    engine.learn([simple()])
    assert np.isfinite(engine.arrays().weights).all()


def test_bandit_reductions_check_every_candidate() -> None:
    with pytest.raises(ModelError, match="namespace 'id'"):
        engine_of(ModelConfig(bits=12, cb_type="mtr")).learn([nan_in_another_candidate()])


def test_a_cross_too_large_for_float32_is_refused() -> None:
    shared = {"context": encode("context", {"a": 1e9}), "title": encode("title", {"a": 1e9})}
    example = simple(value=1e9)._replace(shared=shared)
    with pytest.raises(ModelError, match="too large"):
        engine_of(CONFIGS["regression"]).learn([example])


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("sizes", [(1e6, 1.0), (1e-9, 1e-9), (1e6, 1e-9)])
def test_weights_stay_finite_for_extreme_features(name: str, sizes: Sequence[float]) -> None:
    engine = engine_of(CONFIGS[name])
    context = encode("context", {"a": sizes[0]})
    for turn in range(60):
        example = simple(value=sizes[1], reward=float(turn % 2), propensity=1e-30)
        engine.learn([example._replace(shared={"context": context})])
    assert np.isfinite(engine.arrays().weights).all()
    assert np.isfinite(engine.arrays().variances).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_unseen_weights_keep_the_priors_variance_and_seen_ones_fall_below(name: str) -> None:
    engine, prior = engine_of(CONFIGS[name]), np.float32(PRIOR_VARIANCE)
    assert (engine.arrays().variances == prior).all()
    examples = [simple(name=f"n{turn % 7}", reward=float(turn % 2)) for turn in range(70)]
    engine.learn(examples)
    weights, variances = engine.arrays()
    assert (variances[weights == 0] == prior).all()
    assert (variances[weights != 0] < prior).all()
    assert (variances > 0).all()


@pytest.mark.parametrize(
    ("arguments", "tolerance"), [([], 0.1), (["--ftrl"], 0.1), (["--coin"], 0.25)]
)
def test_variance_is_that_of_the_gaussian_posterior(arguments: list[str], tolerance: float) -> None:
    config = ModelConfig(bits=12, learning_rate=0.2, interactions=[], arguments=arguments)
    engine, rng = engine_of(config), np.random.default_rng(8)
    chance, count = 0.3, 4000
    for reward in rng.random(count) < chance:
        engine.learn([simple(reward=float(reward))])
    index = int(simple().candidates[0].groups["artwork"].hashes[0]) & 0xFFF
    expected = 1 / (1 / PRIOR_VARIANCE + count / (chance * (1 - chance)))
    assert engine.arrays().variances[index] == pytest.approx(expected, rel=tolerance)


def test_what_was_shown_less_is_less_certain() -> None:
    engine = engine_of(CONFIGS["regression"])
    engine.learn([simple(name="common", reward=float(turn % 2)) for turn in range(200)])
    engine.learn([simple(name="rare", reward=float(turn % 2)) for turn in range(5)])
    matrix = stack([encode("artwork", {name: 1.0}) for name in ("common", "rare", "new")])
    shape = ModelShape.of("artwork", CONFIGS["regression"])
    common, rare, new = spreads(engine.arrays().variances, shape, {"artwork": matrix}, 3)
    assert common < rare < new


def test_step_sizes_may_change_and_learning_is_kept() -> None:
    engine = engine_of(CONFIGS["regression"])
    engine.learn(random_examples(4, 50))
    changed = ModelConfig(bits=12, interactions=CROSSES, learning_rate=0.5, power_t=0.1, l2=1e-6)
    resumed = engine_of(changed, engine.serialize())
    np.testing.assert_array_equal(resumed.arrays().weights, engine.arrays().weights)
    resumed.learn([simple()])
    engine.learn([simple()])
    assert (resumed.arrays().weights != engine.arrays().weights).any()


def learned_state() -> bytes:
    engine = engine_of(CONFIGS["regression"])
    engine.learn(random_examples(6, 50))
    return engine.serialize()


@pytest.mark.parametrize("kept", [0, 3, 20, 60, 120, 200, -1, -4, -12, -100])
def test_a_truncated_state_is_refused(kept: int) -> None:
    with pytest.raises(ModelError) as caught:
        engine_of(CONFIGS["regression"], learned_state()[:kept])
    assert "snapshot" in caught.value.hint


def test_a_state_with_infinite_weights_is_refused() -> None:
    state = learned_state()
    infinite = state[:-12] + struct.pack("<f", float("inf")) + state[-8:]
    with pytest.raises(ModelError, match="not finite"):
        engine_of(CONFIGS["regression"], infinite)


@pytest.mark.parametrize("changed", ["dr", "mtr", "ftrl", "coin", "constant step", "late start"])
def test_another_shapes_state_is_refused(changed: str) -> None:
    with pytest.raises(ModelError, match="other settings") as caught:
        engine_of(CONFIGS[changed], learned_state())
    assert "learn anew" in caught.value.hint


def test_another_versions_state_is_refused() -> None:
    other = learned_state().replace(engine_version().encode(), b"8.7.6", 1)
    with pytest.raises(ModelError, match=r"VW 8\.7\.6"):
        engine_of(CONFIGS["regression"], other)


def test_a_foreign_model_and_noise_are_refused() -> None:
    for foreign in (vw.Workspace(["--quiet"]).serialize(), b"\xff" * 400, bytes(400)):
        with pytest.raises(ModelError):
            engine_of(CONFIGS["regression"], foreign)


def test_arguments_that_vw_itself_refuses_name_their_key() -> None:
    # Past the key's bounds, which the loader keeps; VW reads float32.
    config = ModelConfig(learning_rate=1e300)
    with pytest.raises(ConfigError, match="VW refuses") as caught:
        engine_of(config)
    assert caught.value.path == "surfaces.artwork.model.arguments"
