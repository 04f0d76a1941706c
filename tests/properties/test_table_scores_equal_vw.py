"""Scores of candidates that lie in tables against VW's predictions, through swaps of all parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit import vocabulary_sums
from bandit.catalog import Catalog, CatalogDocument, CatalogPatch, apply_patch
from bandit.catalog.arrays import identity
from bandit.catalog.encoding import encode_many
from bandit.config.schema import ModelConfig
from bandit.engine import Candidate, ModelArrays, TrainingExample
from bandit.feature_tables import Chosen
from bandit.features import (
    ARTWORK,
    CONTEXT,
    ID,
    TITLE,
    Encoded,
    FeatureMatrix,
    encode,
    encode_id,
    identities,
    stack,
)
from bandit.model import VowpalEngine
from bandit.namespaces import NAMESPACES
from bandit.scoring import Groups, ModelShape, scores, spreads
from bandit.types import Artwork, Features, FeatureValue, FloatArray, Surface, Title

RELATIVE: Final = 1e-5
CANCELLED: Final = 0.1
"""Where terms cancel, the error is measured against this share of the sum of their sizes."""

names = st.sampled_from(["p", "q", "r", "7", "s/t"])
feature_values: st.SearchStrategy[FeatureValue] = (
    st.floats(-20, 20)
    | st.sampled_from(["a", "b", "New York"])
    | st.lists(st.sampled_from([0.0, 1.5, -2.0]), min_size=3, max_size=3).map(list[float | str])
    | st.lists(st.sampled_from(["x", "y", "z"]), max_size=3).map(list[float | str])
)
feature_maps = st.dictionaries(names, feature_values, max_size=4)


@st.composite
def configurations(draw: st.DrawFn, surface: Surface) -> ModelConfig:
    crossed = st.lists(st.sampled_from(NAMESPACES[surface]), min_size=2, max_size=3, unique=True)
    return ModelConfig(
        bits=draw(st.integers(10, 20)),
        interactions=draw(st.none() | st.lists(crossed, max_size=4, unique_by=frozenset)),
        constant=draw(st.booleans()),
        learning_rate=0.1,
    )


def positive(group: Encoded | FeatureMatrix | Chosen) -> Encoded | FeatureMatrix | Chosen:
    if not isinstance(group, Chosen):
        return type(group)(group.hashes, np.abs(group.values))
    table = group.table
    sizes = np.abs(table.values), np.abs(table.dense_values)
    return group._replace(table=table._replace(values=sizes[0], dense_values=sizes[1]))


def assert_equal(
    found: FloatArray,
    expected: Sequence[float] | FloatArray,
    weights: np.ndarray,
    shape: ModelShape,
    groups: Groups,
) -> None:
    sizes = {name: positive(group) for name, group in groups.items()}
    size = scores(np.abs(weights), shape, sizes, len(found))
    bound = RELATIVE * np.maximum(np.abs(found), CANCELLED * size) + 1e-12
    assert (np.abs(found - np.array(expected)) <= bound).all(), (found, expected)


def learned(
    shape: ModelShape, config: ModelConfig, shared: Encoded, candidates: list[Candidate], seed: int
) -> VowpalEngine:
    engine = VowpalEngine(shape, config)
    rng = np.random.default_rng(seed)
    for chosen in [*range(len(candidates))] * 3:
        reward = float(rng.uniform())
        engine.learn([TrainingExample({CONTEXT: shared}, candidates, chosen, 0.5, reward)])
    return engine


@pytest.mark.parametrize(("small", "few"), [(128, 512), (0, 512), (0, 0)])
@pytest.mark.parametrize("surface", ["artwork", "rows"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whatever_is_crossed(surface: Surface, small: int, few: int, data: st.DataObject) -> None:
    config = data.draw(configurations(surface))
    shape = ModelShape.of(surface, config)
    context = encode(CONTEXT, data.draw(feature_maps))
    own = [name for name in NAMESPACES[surface] if name != CONTEXT]
    things = {name: data.draw(st.lists(feature_maps, min_size=1, max_size=5)) for name in own}
    count = data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    picked = {name: rng.integers(0, len(things[name]), count) for name in own}
    groups: dict[str, Encoded | FeatureMatrix | Chosen] = {CONTEXT: context}
    for name in own:
        groups[name] = Chosen(encode_many(name, things[name]), picked[name])
    candidates = [
        Candidate(
            {
                name: encode(name, dict(sorted(things[name][picked[name][place]].items())))
                for name in own
            }
        )
        for place in range(count)
    ]
    engine = learned(shape, config, context, candidates, seed=count)
    arrays = engine.arrays()
    straight: Groups = {
        CONTEXT: context,
        **{name: stack([each.groups[name] for each in candidates]) for name in own},
    }
    with pytest.MonkeyPatch.context() as patch:
        # The whole vocabulary is weighed, or each feature of the page, or the distinct ones.
        patch.setattr(vocabulary_sums, "_SMALL", small)
        patch.setattr(vocabulary_sums, "_FEW", few)
        found = scores(arrays.weights, shape, groups, count)
        spread = spreads(arrays.variances, shape, groups, count)
    theirs = engine.predict({CONTEXT: context}, candidates)
    assert_equal(found, theirs, arrays.weights, shape, groups)
    expected = spreads(arrays.variances, shape, straight, count)
    np.testing.assert_allclose(spread, expected, rtol=1e-5)


def features(rng: np.random.Generator, *, rare: int) -> Features:
    """Make features of which many are rare, one is missing now and then, and some are a vector."""
    made: Features = {
        "kind": f"k{rng.integers(5)}",
        "tags": [f"t{tag}" for tag in rng.integers(0, 2000, rare)],
        "vector": [float(x) for x in np.maximum(0, rng.normal(size=3))],
    }
    if rng.random() < 0.2:
        del made["kind"]
    return made


def title(name: str, rng: np.random.Generator, *, rare: int) -> Title:
    made = [Artwork(f"a{place}", features(rng, rare=rare)) for place in range(rng.integers(1, 6))]
    return Title(name, made, features(rng, rare=rare))


def groups_of(catalog: Catalog, titles: list[str], context: Encoded) -> tuple[Groups, int]:
    indices = np.array([catalog.title_index_of[name] for name in titles])
    counts = np.diff(catalog.artwork_offsets)[indices]
    artworks = np.concatenate(
        [np.arange(*catalog.artwork_offsets[index : index + 2]) for index in indices]
    )
    groups: Groups = {
        CONTEXT: context,
        TITLE: Chosen(catalog.title_features, indices, counts),
        ARTWORK: Chosen(catalog.artwork_features, artworks),
        ID: identities(catalog.artwork_hashes[artworks]),
    }
    return groups, len(artworks)


def candidates_of(document: CatalogDocument, titles: list[str]) -> list[Candidate]:
    by_id = {each.id: each for each in document.titles}
    return [
        Candidate(
            {
                TITLE: encode(TITLE, by_id[name].features),
                ARTWORK: encode(ARTWORK, artwork.features),
                ID: encode_id(identity(name, artwork.id)),
            }
        )
        for name in titles
        for artwork in by_id[name].artworks
    ]


def test_catalogs_patched_and_mapped_and_models_swapped() -> None:
    rng = np.random.default_rng(5)
    crosses = [["context", "artwork"], ["title", "context"], ["artwork", "title"]]
    config = ModelConfig(bits=18, interactions=crosses, learning_rate=0.1)
    shape = ModelShape.of("artwork", config)
    names = [f"t{index}" for index in range(300)]
    first = CatalogDocument([title(name, rng, rare=3) for name in names])
    changed = [title(name, rng, rare=1) for name in ["t3", "t7", "new"]]
    second = apply_patch(first, CatalogPatch(titles=changed, remove_titles=["t0"]))
    context = encode(CONTEXT, features(rng, rare=4))
    pages = [["t3", "t9", "t7"], [name for name in names if name != "t0"]]
    models: list[tuple[VowpalEngine, ModelArrays]] = []
    for seed in (1, 2):
        engine = learned(shape, config, context, candidates_of(second, pages[0]), seed)
        models.append((engine, engine.arrays()))
    for document in (first, second, first):
        built = Catalog.build(document, version="v")
        assert len(built.artwork_features.vocabulary) > 1000
        for catalog in (built, Catalog.from_arrays("v", built.to_arrays())):
            for engine, arrays in models:
                for page in pages:
                    groups, count = groups_of(catalog, page, context)
                    theirs = engine.predict({CONTEXT: context}, candidates_of(document, page))
                    found = scores(arrays.weights, shape, groups, count)
                    assert_equal(found, theirs, arrays.weights, shape, groups)
