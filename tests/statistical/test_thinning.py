"""Learning a share of the displays without reward is, nearly on average, learning all of them.

Salts are fixed, so that each test gives the same verdict always; alpha is the chance that fresh
ones would have failed a right implementation. Sums are unbiased up to one factor for all displays.
A learned model differs on average, because VW cuts steps short and divides by the root of a drawn
sum: the bound on that is stated beside the test, in parts of the mean reward.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Literal

import numpy as np
import pytest
import vowpal_wabbit_next as vw

from bandit.config.schema import ModelConfig
from bandit.engine import Candidate, TrainingExample
from bandit.events import FeedbackRecord
from bandit.features import encode, encode_id
from bandit.model import VowpalEngine
from bandit.scoring import ModelShape
from bandit.thinning import Display, weights
from bandit.types import FloatArray

ALPHA = 1e-3
LIMIT = NormalDist().inv_cdf(1 - ALPHA / 2)
SHARE = 0.25
DISPLAYS = 3000
SALTS = 30
KINDS = 4
RANDOM = np.random.default_rng(0)
CHANCE = RANDOM.uniform(0.02, 0.25, (KINDS, KINDS))
MOOD = RANDOM.integers(KINDS, size=DISPLAYS)
LOOK = RANDOM.integers(KINDS, size=DISPLAYS)
REWARD = np.where(
    RANDOM.random(DISPLAYS) < CHANCE[MOOD, LOOK], RANDOM.uniform(0.5, 1, DISPLAYS), 0.0
)
CONTEXTS = [{"context": encode("context", {"mood": f"m{kind}"})} for kind in range(KINDS)]
CANDIDATES = [
    Candidate({"artwork": encode("artwork", {"look": f"l{kind}"}), "id": encode_id(f"a{kind}")})
    for kind in range(KINDS)
]


def _event(place: int) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"e{place}", decision_id="d", type="impression", title=f"t{place}"
    )


SHOWN = [(f"t{place}", Display(float(REWARD[place]), [_event(place)])) for place in range(DISPLAYS)]


def _weights(salt: int, share: float = SHARE) -> FloatArray:
    drawn = weights(SHOWN, share, salt=f"s{salt}", surface="artwork", decision_id="d")
    return np.array(drawn)


def _engine(config: ModelConfig, weight: FloatArray) -> VowpalEngine:
    engine = VowpalEngine(ModelShape.of("artwork", config), config)
    bandit = config.cb_type != "regression"
    engine.learn(
        [
            TrainingExample(
                CONTEXTS[MOOD[place]],
                CANDIDATES if bandit else [CANDIDATES[LOOK[place]]],
                int(LOOK[place]) if bandit else 0,
                1.0 / KINDS,
                float(REWARD[place]),
                float(weight[place]),
            )
            for place in np.flatnonzero(weight)
        ]
    )
    return engine


def _predictions(engine: VowpalEngine) -> FloatArray:
    return np.array([engine.predict(context, CANDIDATES) for context in CONTEXTS])


def test_each_display_is_learned_with_the_configured_probability() -> None:
    kept = np.array([_weights(salt) > 0 for salt in range(400)])
    untouched = REWARD == 0
    assert kept[:, ~untouched].all()
    shares = kept[:, untouched].mean(axis=0)
    spread = np.sqrt(SHARE * (1 - SHARE) / len(kept))
    # over displays: none far off (Bonferroni), and the mean of all right
    each = NormalDist().inv_cdf(1 - ALPHA / 2 / untouched.sum())
    assert np.abs(shares - SHARE).max() < each * spread + 0.5 / len(kept)
    assert abs(shares.mean() - SHARE) < LIMIT * spread / np.sqrt(untouched.sum())


def test_neighbouring_displays_and_surfaces_are_drawn_apart() -> None:
    untouched = np.flatnonzero(REWARD == 0)
    kept = np.array([_weights(salt)[untouched] > 0 for salt in range(200)])
    pairs = (kept[:, 1:] & kept[:, :-1]).mean()
    assert abs(pairs - SHARE**2) < LIMIT * np.sqrt(3 * SHARE**2 / kept.size)
    other = weights(SHOWN, SHARE, salt="s0", surface="rows", decision_id="d")
    both = (kept[0] & (np.array(other)[untouched] > 0)).mean()
    assert abs(both - SHARE**2) < LIMIT * np.sqrt(SHARE**2 / len(untouched))


@pytest.mark.parametrize("share", [0.5, 0.25, 0.1])
def test_weighted_counts_and_rewards_are_those_of_all_displays(share: float) -> None:
    drawn = np.array([_weights(salt, share) for salt in range(SALTS)])
    drawn /= np.sqrt(share)  # the factor of all
    counts, rewards = drawn.sum(axis=1), drawn @ REWARD
    # every reward is learned as it is; the number of displays is right on average
    np.testing.assert_allclose(rewards, np.full(SALTS, REWARD.sum()), rtol=1e-12)
    spread = np.sqrt((REWARD == 0).sum() * (1 - share) / share / SALTS)
    assert abs(counts.mean() - DISPLAYS) < LIMIT * spread


@pytest.mark.parametrize(
    ("cb_type", "learning_rate", "share", "bias_max"),
    [
        ("regression", 0.05, 0.5, 0.03),
        ("regression", 0.05, 0.25, 0.05),
        ("regression", 0.05, 0.1, 0.06),
        ("regression", 0.05, 0.05, 0.06),
        # at the largest step that a configuration may take; then past it, where it is refused
        ("regression", 0.5, 0.5, 0.06),
        ("regression", 0.5, 0.1, 0.25),
        ("mtr", 0.05, 0.25, 0.05),
        ("mtr", 0.05, 0.1, 0.06),
        ("ips", 0.05, 0.25, 0.05),
        ("dr", 0.05, 0.25, 0.06),
        ("dr", 0.05, 0.1, 0.06),
    ],
)
def test_what_is_predicted_is_within_a_bound_of_what_all_displays_teach_on_average(
    cb_type: Literal["regression", "mtr", "ips", "dr"],
    learning_rate: float,
    share: float,
    bias_max: float,
) -> None:
    config = ModelConfig(bits=12, cb_type=cb_type, learning_rate=learning_rate)
    whole = _predictions(_engine(config, np.ones(DISPLAYS)))
    drawn = np.array(
        [_predictions(_engine(config, _weights(salt, share))) for salt in range(SALTS)]
    )
    error = drawn.mean(axis=(1, 2)) - whole.mean()
    noise = error.std(ddof=1) / np.sqrt(SALTS)
    assert abs(error.mean()) < bias_max * REWARD.mean() + LIMIT * noise
    # salts are many enough that what is allowed for noise stays small
    assert noise < (0.03 if learning_rate < 0.1 else 0.075) * REWARD.mean()


def test_weights_of_one_and_its_inverse_share_would_be_further_off() -> None:
    config = ModelConfig(bits=12)
    share = 0.1
    whole = _predictions(_engine(config, np.ones(DISPLAYS))).mean()
    taken, heavy = (
        np.array(
            [_predictions(_engine(config, factor * _weights(salt, share))) for salt in range(SALTS)]
        ).mean(axis=(1, 2))
        - whole
        for factor in (1.0, 1 / np.sqrt(share))
    )
    assert abs(taken.mean()) < abs(heavy.mean())
    assert taken.std() < heavy.std()


def test_without_the_weight_predictions_would_be_far_too_high() -> None:
    config = ModelConfig(bits=12)
    whole = _predictions(_engine(config, np.ones(DISPLAYS)))
    unweighted = _predictions(_engine(config, np.sign(_weights(0))))
    assert unweighted.mean() > 2 * whole.mean()


def test_sums_of_squared_gradients_are_on_average_those_of_all_displays() -> None:
    config = ModelConfig(bits=12)

    def squares(engine: VowpalEngine) -> float:
        state = vw.Workspace(["--quiet"], model_data=engine.serialize())
        return float(state.weights()[:, 0, 1].sum())

    whole = squares(_engine(config, np.ones(DISPLAYS)))
    weighted = (_weights(salt) / np.sqrt(SHARE) for salt in range(SALTS))
    drawn = np.array([squares(_engine(config, weight)) for weight in weighted])
    # The error of a prediction that is itself noisier adds to the gradient: at most 5 %.
    assert abs(drawn.mean() / whole - 1) < 0.05
    assert drawn.std() / whole < 0.2


def test_one_heavy_display_ends_where_as_many_light_ones_do_and_never_past_the_label() -> None:
    config = ModelConfig(bits=12, learning_rate=0.5)

    def after(count: int, weight: float) -> float:
        engine = VowpalEngine(ModelShape.of("artwork", config), config)
        example = TrainingExample(CONTEXTS[0], [CANDIDATES[0]], 0, 1.0, 1.0, weight)
        engine.learn([example] * count)
        return engine.predict(CONTEXTS[0], [CANDIDATES[0]])[0]

    once, heavy, many = after(1, 1.0), after(1, 4.0), after(4, 1.0)
    # A step four times as long would go to 4 * once; AdaGrad's sum grows before the step, so that
    # the one heavy display goes less far than four light ones, but as far as they on the whole.
    assert once < heavy <= many < 1.0
    assert after(1, 1e4) <= 1.0
