"""Scores from arrays against VW's own predictions, the oracle."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import vowpal_wabbit_next as vw
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.config.schema import ModelConfig
from bandit.engine import Candidate, TrainingExample
from bandit.features import Encoded, FeatureMatrix, encode, stack, to_vw_text
from bandit.model import VowpalEngine
from bandit.namespaces import NAMESPACES
from bandit.scoring import ModelShape, scores, spreads
from bandit.types import Features, FeatureValue, FloatArray, Surface

CbType = Literal["regression", "mtr", "ips", "dr"]
Importance = Literal["none", "clipped", "full"]
RELATIVE = 1e-5
CANCELLED = 0.1
"""Where terms cancel, the error is measured against this share of the sum of their sizes."""

Raw = dict[str, Features]
"""Features by namespace."""

values: st.SearchStrategy[FeatureValue] = (
    st.floats(-20, 20)
    | st.sampled_from(["a", "b", "New York", "50%", "日本"])
    | st.lists(st.floats(-5, 5), max_size=3).map(list[float | str])
    | st.lists(st.sampled_from(["x", "y", "z"]), max_size=3).map(list[float | str])
)
feature_maps = st.dictionaries(
    st.sampled_from(["p", "q", "r", "7", "42", "s/t"]), values, max_size=4
)


@st.composite
def configurations(draw: st.DrawFn, surface: Surface) -> ModelConfig:
    known = NAMESPACES[surface]
    arguments = draw(st.sampled_from([[], ["--l1=0.0001"], ["--ftrl"], ["--coin"]]))
    widest = 2 if "--coin" in arguments else 3
    crossed = st.lists(st.sampled_from(known), min_size=2, max_size=widest, unique=True)
    cb_type: CbType = draw(st.sampled_from(["regression", "mtr", "ips", "dr"]))
    importance: Importance = draw(st.sampled_from(["none", "clipped", "full"]))
    bounded = cb_type == "regression" and importance != "full"
    return ModelConfig(
        bits=draw(st.integers(10, 18) | st.integers(10, 22)),
        interactions=draw(st.none() | st.lists(crossed, max_size=3, unique_by=frozenset)),
        constant=draw(st.booleans()),
        cb_type=cb_type,
        learning_rate=0.1,
        l2=draw(st.sampled_from([0.0, 2e-3 if bounded else 4e-6])),
        importance=importance,
        arguments=arguments,
    )


@st.composite
def displays(draw: st.DrawFn, surface: Surface) -> tuple[Raw, list[Raw]]:
    """Draw a context, and candidates that may or may not share what they all could share."""
    _, shareable, *rest = NAMESPACES[surface]
    own = rest if draw(st.booleans()) else [shareable, *rest]
    shared: Raw = {name: draw(feature_maps) for name in NAMESPACES[surface] if name not in own}
    count = draw(st.integers(1, 4))
    return shared, [{name: draw(feature_maps) for name in own} for _ in range(count)]


def encoded(raw: Raw) -> dict[str, Encoded]:
    return {name: encode(name, features) for name, features in raw.items()}


def trained(
    shape: ModelShape, config: ModelConfig, seen: list[tuple[Raw, list[Raw]]], seed: int
) -> VowpalEngine:
    engine = VowpalEngine(shape, config)
    rng = np.random.default_rng(seed)
    for shared, candidates in seen * 5:
        example = TrainingExample(
            encoded(shared),
            [Candidate(encoded(one)) for one in candidates],
            chosen=int(rng.integers(len(candidates))),
            propensity=float(rng.uniform(0.05, 1.0)),
            reward=float(rng.uniform()),
        )
        engine.learn([example])
    return engine


def groups_of(shared: Raw, candidates: list[Raw]) -> dict[str, Encoded | FeatureMatrix]:
    own = {name: stack([encode(name, one[name]) for one in candidates]) for name in candidates[0]}
    return {**encoded(shared), **own}


def sizes(
    weights: FloatArray, shape: ModelShape, groups: dict[str, Encoded | FeatureMatrix], count: int
) -> FloatArray:
    """Return the sum of the sizes of each candidate's terms."""
    positive = {
        name: type(group)(group.hashes, np.abs(group.values)) for name, group in groups.items()
    }
    return scores(np.abs(weights).astype(np.float32), shape, positive, count)


@pytest.mark.parametrize("surface", ["artwork", "rows"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_scores_equal_vws_predictions(surface: Surface, data: st.DataObject) -> None:
    config = data.draw(configurations(surface))
    shape = ModelShape.of(surface, config)
    seen = data.draw(st.lists(displays(surface), min_size=1, max_size=4))
    engine = trained(shape, config, seen, seed=data.draw(st.integers(0, 1000)))
    arrays = engine.arrays()
    for shared, candidates in seen:
        groups, count = groups_of(shared, candidates), len(candidates)
        ours = scores(arrays.weights, shape, groups, count)
        theirs = engine.predict(encoded(shared), [Candidate(encoded(one)) for one in candidates])
        sums = sizes(arrays.weights.astype(np.float64), shape, groups, count)
        bound = RELATIVE * np.maximum(np.abs(ours), CANCELLED * sums) + 1e-12
        assert (np.abs(ours - np.array(theirs)) <= bound).all(), (ours, theirs)
        assert np.isfinite(spreads(arrays.variances, shape, groups, count)).all()


def stock_predictions(
    state: bytes, cb_type: CbType, shared: Raw, candidates: list[Raw]
) -> list[float]:
    """Predict from text with nothing but VW and the model file; costs come back negated."""
    workspace = vw.Workspace(["--quiet"], model_data=state)
    parser = vw.TextFormatParser(workspace)
    common, *own = (
        " ".join(to_vw_text(name, features) for name, features in raw.items())
        for raw in (shared, *candidates)
    )
    if cb_type == "regression":
        lines = [parser.parse_line(f"{common} {text}") for text in own]
        return [float(workspace.predict_one(line)) for line in lines]  # type: ignore[arg-type]
    shown = [parser.parse_line(text) for text in (f"shared {common}", *own)]
    costs = dict(workspace.predict_one(shown))  # type: ignore[arg-type]
    return [-costs[index] for index in range(len(own))]


@pytest.mark.parametrize("cb_type", ["regression", "mtr", "ips", "dr"])
@pytest.mark.parametrize("arguments", [[], ["--ftrl"], ["--coin"]])
def test_stock_vw_orders_candidates_alike(cb_type: CbType, arguments: list[str]) -> None:
    rng = np.random.default_rng(11)

    def features(prefix: str) -> Features:
        return {
            "city": f"{prefix} {rng.integers(4)}",
            "n": float(rng.normal()),
            "set": [f"{one}" for one in rng.integers(0, 5, 3)],
            "vector": [float(one) for one in rng.normal(size=2)],
        }

    def display() -> tuple[Raw, list[Raw]]:
        shared = {"context": features("c"), "title": features("t")}
        return shared, [{"artwork": features("a"), "id": {"id": f"i{k}"}} for k in range(5)]

    crosses = [["context", "artwork"], ["title", "context"]]
    if "--coin" not in arguments:
        crosses.append(["artwork", "title", "context"])
    config = ModelConfig(
        bits=16, cb_type=cb_type, interactions=crosses, l2=5e-6, arguments=arguments
    )
    shape = ModelShape.of("artwork", config)
    engine = trained(shape, config, [display() for _ in range(40)], seed=3)
    state, weights = engine.serialize(), engine.arrays().weights
    for _ in range(10):
        shared, candidates = display()
        ours = scores(weights, shape, groups_of(shared, candidates), len(candidates))
        stock = stock_predictions(state, cb_type, shared, candidates)
        np.testing.assert_allclose(ours, stock, rtol=1e-4, atol=1e-6)
        assert np.argsort(ours).tolist() == np.argsort(stock).tolist()
