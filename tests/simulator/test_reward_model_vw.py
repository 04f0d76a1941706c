"""The model by VW is what production's engine learns from the same examples, fed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.engine import Candidate, TrainingExample
from bandit.features import Encoded, encode, encode_id, encode_position
from bandit.model import VowpalEngine
from bandit.scoring import ModelShape
from bandit.types import Features
from simulator.encoding import Sets, Space, logged_pairs, space_of
from simulator.reward_models.model import Training
from simulator.reward_models.vw import fit_vw, model_config
from tests.simulator.reward_world import ITEMS, World

SEED = 17
LOG = World(0.6).log(800)


def by_hand(space: Space, index: int, item: int) -> tuple[dict[str, Encoded], Candidate]:
    assert LOG.context is not None
    assert LOG.position is not None
    context: Features = {f"c{c}": float(value) for c, value in enumerate(LOG.context[index])}
    groups = {"id": encode_id(str(item)), "position": encode_position(int(LOG.position[index]))}
    if space.features is not None:
        features: Features = {f"f{f}": float(value) for f, value in enumerate(space.features[item])}
        groups["row"] = encode("row", features)
    return {"context": encode("context", context)}, Candidate(groups)


@pytest.mark.parametrize("with_features", [True, False])
def test_predictions_are_those_of_a_stock_engine_fed_by_hand(with_features: bool) -> None:
    space = space_of(LOG)
    if not with_features:
        space = space._replace(features=None)
    config = model_config(space)
    engine = VowpalEngine(ModelShape.of("rows", config), config)
    for index in np.random.default_rng(SEED).permutation(len(LOG)).tolist():
        shared, candidate = by_hand(space, index, int(LOG.action[index]))
        example = TrainingExample(shared, [candidate], 0, 1.0, float(LOG.reward[index]))
        engine.learn([example])
    fitted = fit_vw(Training(space, logged_pairs(LOG), LOG.reward, None), SEED)
    table = fitted.table(
        Sets(LOG.context, LOG.position, None), np.ones((len(LOG), ITEMS), np.bool_)
    )
    for index in range(0, len(LOG), 40):
        shared = by_hand(space, index, 0)[0]
        expected = engine.predict(shared, [by_hand(space, index, i)[1] for i in range(ITEMS)])
        np.testing.assert_allclose(table[index], np.clip(expected, 0, 1), atol=2e-6)


def test_a_model_has_room_for_every_cross() -> None:
    small = model_config(Space(3, 0, 0, None))
    assert small.bits == 14
    assert small.interactions == []
    large = model_config(Space(10_000, 50, 3, None))
    assert large.bits == 22
    assert large.interactions == [["context", "id"]]
    features = np.zeros((10_000, 8), np.float32)
    assert model_config(Space(10_000, 50, 3, features)).interactions == [["context", "row"]]


def test_rounds_with_weights_are_drawn_in_proportion_to_them() -> None:
    """One round of each kind, the second a hundred times as heavy."""
    logged = World(0.0).log(400)
    pairs = logged_pairs(logged)._replace(context=None, position=None)
    space = Space(ITEMS, 0, 0, None)
    reward = (np.arange(400) % 2).astype(np.float64)
    weight = np.where(reward == 1, 100.0, 1.0)
    fitted = fit_vw(Training(space, pairs, reward, weight), SEED)
    assert fitted.predict(pairs).min() > 0.8
