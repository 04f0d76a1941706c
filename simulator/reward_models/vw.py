"""VW itself as a reward model: production's engine, trained on the logged rounds in one pass.

The engine learns the surface ``rows``, which has a namespace for each part of a pair: ``context``
with features ``c0``, ``c1``, …, ``row`` with the item's features ``f0``, ``f1``, …, ``position``,
and ``id``. The context is crossed with the item's features, or with its identity where there are
none. What was learned leaves the engine as an array, and predictions are made from that.

Rounds come in a seeded order. An engine of production's weighs an example by an importance of at
least 1 or not at all, so that where rounds have weights they are drawn with replacement instead, in
proportion to their weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from bandit.config.schema import ModelConfig
from bandit.engine import Candidate, TrainingExample
from bandit.features import (
    CONSTANT_HASH,
    CONTEXT,
    CROSS_PRIME,
    ID,
    POSITION,
    ROW,
    VALUE_LEAST,
    Encoded,
    encode_id,
    encode_position,
    feature_hash,
)
from bandit.model import VowpalEngine
from bandit.scoring import ModelShape
from bandit.types import Float32Array, FloatArray, HashArray
from simulator.encoding import Space
from simulator.reward_models.linear import LinearModel
from simulator.reward_models.model import RewardRange, Training

LEARNING_RATE: Final = 0.1
"""Twice production's default: one pass over a log must do. Of 0.02 to 0.5 it came first or second
on logs of 5,000 to 100,000 rounds, with and without interactions."""

_WEIGHTS_PER_TERM: Final = 8
"""Weights for each feature and cross, so that few of them share one."""
_BITS_LEAST, _BITS_MOST = 14, 24


class _Hashes(NamedTuple):
    """The hash of every feature that the log can hold."""

    context: HashArray
    feature: HashArray
    item: HashArray
    position: HashArray


def model_config(space: Space) -> ModelConfig:
    """Return the configuration of the engine for a log."""
    others = space.items if space.features is None else space.features.shape[1]
    terms = space.items + space.positions + space.contexts + others * (1 + space.contexts)
    bits = math.ceil(math.log2(_WEIGHTS_PER_TERM * terms))
    crosses = [[CONTEXT, ID if space.features is None else ROW]] if space.contexts else []
    return ModelConfig(
        bits=min(max(bits, _BITS_LEAST), _BITS_MOST),
        learning_rate=LEARNING_RATE,
        constant=True,
        interactions=crosses,
    )


def fit_vw(training: Training, seed: int) -> LinearModel:
    """Train an engine and read its model."""
    config = model_config(training.space)
    engine = VowpalEngine(ModelShape.of("rows", config), config)
    hashes = _hashes(training.space)
    rewards = RewardRange.of(training.reward)
    order = _order(training, np.random.default_rng(seed))
    for example in _examples(training, rewards.to_unit(training.reward), hashes, order):
        engine.learn([example])
    return _linear(engine.arrays().weights, training.space, hashes, rewards)


def _order(training: Training, rng: np.random.Generator) -> np.ndarray:
    count = len(training.reward)
    if training.weight is None:
        return rng.permutation(count)
    return rng.choice(count, size=count, p=training.weight / training.weight.sum())


def _hashes(space: Space) -> _Hashes:
    features = 0 if space.features is None else space.features.shape[1]
    return _Hashes(
        np.array(
            [feature_hash(CONTEXT, f"c{index}") for index in range(space.contexts)], np.uint32
        ),
        np.array([feature_hash(ROW, f"f{index}") for index in range(features)], np.uint32),
        np.array([encode_id(str(code)).hashes[0] for code in range(space.items)], np.uint32),
        np.array([encode_position(at).hashes[0] for at in range(space.positions)], np.uint32),
    )


def _examples(
    training: Training, reward: FloatArray, hashes: _Hashes, order: np.ndarray
) -> Iterator[TrainingExample]:
    pairs, features = training.pairs, training.space.features
    known: dict[tuple[int, int], list[Candidate]] = {}
    for index in order.tolist():
        item = int(pairs.item[index])
        position = -1 if pairs.position is None else int(pairs.position[index])
        candidates = known.get((item, position))
        if candidates is None:
            groups = {ID: encode_id(str(item))}
            if features is not None:
                groups[ROW] = _encoded(hashes.feature, features[item])
            if position >= 0:
                groups[POSITION] = encode_position(position)
            candidates = known[item, position] = [Candidate(groups)]
        shared = {}
        if pairs.context is not None:
            shared[CONTEXT] = _encoded(hashes.context, pairs.context[index])
        yield TrainingExample(shared, candidates, 0, 1.0, float(reward[index]))


def _encoded(hashes: HashArray, values: Float32Array) -> Encoded:
    """Return features without zeros, which VW leaves out as well."""
    told = np.abs(values) >= VALUE_LEAST
    return Encoded(hashes[told], values[told])


def _linear(
    weights: Float32Array, space: Space, hashes: _Hashes, rewards: RewardRange
) -> LinearModel:
    """Gather the weights of every feature and cross; they are linear in the context."""
    mask = np.uint32(len(weights) - 1)
    item = weights[hashes.item & mask].astype(np.float64)
    cross = None
    if space.features is not None:
        item += space.features @ weights[hashes.feature & mask].astype(np.float64)
    if space.contexts:
        crossed = hashes.item if space.features is None else hashes.feature
        indices = hashes.context[:, None] * np.uint32(CROSS_PRIME) ^ crossed
        cross = weights[indices & mask].astype(np.float64)
        if space.features is not None:
            cross = np.ascontiguousarray(cross @ space.features.T)
    return LinearModel(
        rewards,
        "identity",
        float(weights[CONSTANT_HASH & int(mask)]),
        weights[hashes.context & mask].astype(np.float64),
        weights[hashes.position & mask].astype(np.float64),
        item,
        cross,
    )
