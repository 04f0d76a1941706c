"""The half-life of what sizes a model's steps: when, how much, and exactly so after a crash."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.clock import ManualClock
from bandit.config.model_rules import find_model_problems
from bandit.config.schema import Config, ModelConfig
from bandit.engine import Candidate, TrainingExample
from bandit.eventlog.memory import MemoryEventLog
from bandit.features import ARTWORK, CONTEXT, encode
from bandit.forgetting import STEPS_A_HALF_LIFE, Fading
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.model import VowpalEngine
from bandit.scoring import ModelShape
from bandit.snapshots import MemorySnapshotStore
from bandit.types import SURFACES, Float32Array
from tests import learning_world as world

STEP_US = 1_000_000
HALF_LIFE_S = float(STEPS_A_HALF_LIFE)
MODEL = ModelConfig(bits=12)
TASTES = ("calm", "wild")
MOODS = ("dark", "bright")


def engine(state: bytes | None = None, config: ModelConfig = MODEL) -> VowpalEngine:
    return VowpalEngine(ModelShape.of("artwork", config), config, state)


def example(taste: str, mood: str, reward: float) -> TrainingExample:
    candidate = Candidate({ARTWORK: encode(ARTWORK, {"mood": mood})})
    return TrainingExample(
        {CONTEXT: encode(CONTEXT, {"taste": taste})}, [candidate], 0, 1.0, reward
    )


def examples(count: int, *, flipped: bool, seed: int) -> list[TrainingExample]:
    """Return displays of viewers who play what goes with their taste, or what does not."""
    rng = np.random.default_rng(seed)
    tastes, moods = rng.integers(2, size=(2, count)).tolist()
    liked = [(taste == mood) != flipped for taste, mood in zip(tastes, moods, strict=True)]
    played = rng.random(count) < np.where(liked, 0.5, 0.1)
    return [
        example(TASTES[taste], MOODS[mood], float(reward))
        for taste, mood, reward in zip(tastes, moods, played, strict=True)
    ]


def sums(model: VowpalEngine) -> Float32Array:
    return model._table()[:, 1].copy()


@given(st.lists(st.integers(0, 40 * STEP_US), min_size=1, max_size=20), st.integers(0, STEP_US))
def test_what_is_kept_depends_on_the_steps_that_passed_alone(gaps: list[int], start: int) -> None:
    times = list(itertools.accumulate([start, *gaps]))
    fading = Fading(HALF_LIFE_S)
    kept = np.prod([fading.share_kept(at_us) for at_us in times])
    steps = (times[-1] - times[0]) // STEP_US
    assert kept == pytest.approx(0.5 ** (steps / STEPS_A_HALF_LIFE))
    assert Fading(HALF_LIFE_S, fading.since_us).share_kept(times[-1]) == 1.0
    assert Fading(None).share_kept(times[-1]) == 1.0


def test_time_without_a_half_life_fades_nothing_once_there_is_one_again() -> None:
    between = Fading(None, 10 * STEP_US)
    assert between.share_kept(1000 * STEP_US) == 1.0
    again = Fading(HALF_LIFE_S, between.since_us)
    assert again.share_kept(2000 * STEP_US) == 1.0
    assert again.share_kept(2001 * STEP_US) == pytest.approx(0.5 ** (1 / STEPS_A_HALF_LIFE))


def test_a_clock_that_steps_back_forgets_nothing() -> None:
    fading = Fading(HALF_LIFE_S, 10 * STEP_US)
    assert fading.share_kept(0) == 1.0
    assert fading.since_us == 10 * STEP_US


@pytest.mark.parametrize("initial", [[], ["--initial_t=2"]])
def test_sums_fade_towards_what_they_began_with_and_weights_stay(initial: list[str]) -> None:
    config = ModelConfig(bits=12, arguments=initial)
    model = engine(config=config)
    model.learn(examples(300, flipped=False, seed=1))
    before, weights = sums(model), model.arrays().weights
    state = model.serialize()
    model.forget(0.25)
    start = 2.0 if initial else 0.0
    touched = before > start
    assert touched.any()
    np.testing.assert_allclose(
        sums(model)[touched], start + (before[touched] - start) / 4, rtol=1e-6
    )
    np.testing.assert_array_equal(sums(model)[~touched], before[~touched])
    np.testing.assert_array_equal(model.arrays().weights, weights)
    assert model.serialize() != state


@pytest.mark.parametrize("cb_type", ["regression", "mtr", "dr"])
def test_learning_goes_on_exactly_from_a_faded_state(cb_type: str) -> None:
    config = msgspec.convert({"bits": 12, "cb_type": cb_type}, ModelConfig)
    model = engine(config=config)
    model.learn(examples(200, flipped=False, seed=1))
    model.forget(0.5)
    other = engine(model.serialize(), config)
    for one in (model, other):
        one.learn(examples(200, flipped=True, seed=2))
    for mine, theirs in zip(model.arrays(), other.arrays(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_change_of_tastes_is_followed_sooner() -> None:
    """Mean squared error over the 2,000 displays after tastes turned, five seeds.

    The least that can be had is the variance of plays, 0.17. With half-lives of 10,000, 3,000,
    1,000 and 300 displays it came to 0.26, 0.24, 0.22 and 0.20; without one, to 0.27.
    """

    def error_after_turn(half_life_s: float | None, seed: int) -> float:
        model, fading = engine(), Fading(half_life_s)
        shown = examples(20_000, flipped=False, seed=seed)
        later = examples(2_000, flipped=True, seed=seed + 100)
        errors = []
        for number, one in enumerate(shown + later):
            share = fading.share_kept(number * STEP_US)
            if share < 1.0:
                model.forget(share)
            if number >= len(shown):
                (expected,) = model.predict(one.shared, one.candidates)
                errors.append((one.reward - expected) ** 2)
            model.learn([one])
        return float(np.mean(errors))

    for seed in range(5):
        kept, faded = error_after_turn(None, seed), error_after_turn(1_000.0, seed)
        assert faded < kept - 0.01, (kept, faded)


def learned(config: Config, root: Path, *, crash_after: int | None) -> Learner:
    """Learn a seeded log; with ``crash_after`` a second learner goes on from a checkpoint."""
    clock = ManualClock(1_000_000_000)
    catalogs, version = world.store_catalog(root)
    log = MemoryEventLog(clock)
    writers = [log.writer(f"s{index}") for index in range(2)]
    world.write(writers, clock, world.chunks(80, version, spools=2))
    clock.advance_s(1000)

    def new() -> Learner:
        return Learner(config, log.reader(), MemorySnapshotStore(), catalogs, clock, NoMetrics())

    learner = new()
    for step in range(4000):
        if learner.step(clock.now_us()).idle:
            return learner
        if step == crash_after:
            learner.checkpoint(clock.now_us())
            learner.step(clock.now_us())
            learner = new()
    raise AssertionError("the learner found no end")


def forgetful(config: Config, half_life_s: float | None) -> Config:
    surfaces = config.surfaces
    for surface in SURFACES:
        settings = getattr(surfaces, surface)
        model = msgspec.structs.replace(settings.model, half_life_s=half_life_s)
        settings = msgspec.structs.replace(settings, model=model)
        surfaces = msgspec.structs.replace(surfaces, **{surface: settings})
    return msgspec.structs.replace(config, surfaces=surfaces)


def test_a_crash_forgets_nothing_twice_and_leaves_nothing_out(tmp_path: Path) -> None:
    def run(name: str, half_life_s: float | None, batch: int, crash_after: int | None) -> Learner:
        config = world.config(tmp_path / name, batch_records_max=batch)
        return learned(forgetful(config, half_life_s), tmp_path / name, crash_after=crash_after)

    whole = run("whole", 40.0, 5000, None)
    assert whole.engines.faded_until_us.keys() == set(SURFACES)
    for name, batch, crash_after in (("early", 20, 3), ("late", 7, 25)):
        crashed = run(name, 40.0, batch, crash_after)
        assert crashed.engines.faded_until_us == whole.engines.faded_until_us
        for surface in SURFACES:
            for mine, theirs in zip(
                crashed.engines.arrays(surface), whole.engines.arrays(surface), strict=True
            ):
                np.testing.assert_array_equal(mine, theirs)
    kept = run("kept", None, 5000, None)
    assert (whole.engines.arrays("rows").weights != kept.engines.arrays("rows").weights).any()
    assert kept.engines.faded_until_us == {}


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (ModelConfig(half_life_s=60.0, power_t=0.0), "power_t"),
        (ModelConfig(half_life_s=60.0, arguments=["--coin"]), "--coin"),
        (ModelConfig(half_life_s=60.0, arguments=["--ftrl"]), "--ftrl"),
    ],
)
def test_a_half_life_without_effect_is_refused(model: ModelConfig, word: str) -> None:
    (problem,) = find_model_problems("artwork", model)
    assert problem.path == "surfaces.artwork.model.half_life_s"
    assert word in problem.message
    assert not find_model_problems("artwork", ModelConfig(half_life_s=60.0))
