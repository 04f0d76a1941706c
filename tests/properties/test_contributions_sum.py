"""Contributions against the scores that are served: together they are the score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.contributions import contributions, crosses, named
from bandit.features import encode, feature_hash, tokens
from bandit.namespaces import NAMESPACES
from bandit.scoring import Groups, ModelShape, scores
from bandit.types import Features, FeatureValue, Surface

values: st.SearchStrategy[FeatureValue] = (
    st.floats(-20, 20)
    | st.sampled_from(["a", "b", "New York", "50%", "日本", "x=y"])
    | st.lists(st.floats(-5, 5), max_size=3).map(list[float | str])
    | st.lists(st.sampled_from(["x", "y", "z"]), max_size=3).map(list[float | str])
)
feature_maps = st.dictionaries(
    st.sampled_from(["p", "q", "r", "7", "42", "s/t"]), values, max_size=4
)


@st.composite
def shapes(draw: st.DrawFn, surface: Surface) -> ModelShape:
    crossed = st.lists(
        st.sampled_from(NAMESPACES[surface]), min_size=2, max_size=3, unique=True
    ).map(tuple)
    interactions = draw(st.lists(crossed, max_size=4, unique_by=frozenset))
    return ModelShape(
        surface, draw(st.integers(10, 20)), tuple(interactions), constant=draw(st.booleans())
    )


def weights_of(shape: ModelShape, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=1 << shape.bits).astype(np.float32)


@pytest.mark.parametrize("surface", ["artwork", "rows"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_they_sum_to_the_score(surface: Surface, data: st.DataObject) -> None:
    shape = data.draw(shapes(surface))
    weights = weights_of(shape, data.draw(st.integers(0, 1000)))
    raw: dict[str, Features] = {name: data.draw(feature_maps) for name in shape.namespaces}
    groups = {name: named(name, features) for name, features in raw.items()}
    encoded: Groups = {name: encode(name, features) for name, features in raw.items()}
    alike = data.draw(st.sets(st.sampled_from(shape.namespaces)))
    found = contributions(weights, shape, groups, alike)
    served = scores(weights, shape, encoded, 1)[0]
    sizes = float(np.abs(found.values).sum())
    assert found.values.sum() == pytest.approx(served, rel=1e-5, abs=1e-6 * max(1.0, sizes))
    assert len(found.values) == crosses(shape, groups) + shape.constant
    told = found.largest(len(found.values))
    assert sum(one.value for one in told) + found.alike == pytest.approx(
        found.values.sum(), rel=1e-9, abs=1e-9 * max(1.0, sizes)
    )
    assert [abs(one.value) for one in told] == sorted(
        (abs(one.value) for one in told), reverse=True
    )
    few = found.largest(3)
    assert few == told[:3]


@settings(max_examples=100, deadline=None)
@given(features=feature_maps)
def test_names_stand_with_their_features(features: Features) -> None:
    found = named("artwork", features)
    assert len(found.names) == len(found.features.hashes) == len(found.features.values)
    by_token = [token for name, value in features.items() for token, _ in tokens(name, value)]
    hashes = [feature_hash("artwork", token) for token in by_token]
    assert found.features.hashes.tolist() == hashes
