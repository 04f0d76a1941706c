from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from bandit.config.schema import ModelConfig
from bandit.errors import ConfigError, ModelError
from bandit.features import CONSTANT_HASH, CROSS_PRIME, Encoded, FeatureMatrix, encode, stack
from bandit.namespaces import DEFAULT_INTERACTIONS
from bandit.scoring import Groups, ModelShape, scores, spreads

SHAPE = ModelShape("artwork", 12, (("context", "artwork"),), constant=True)
MASK = (1 << SHAPE.bits) - 1


def random_matrix(rng: np.random.Generator, rows: int, width: int) -> FeatureMatrix:
    hashes = rng.integers(0, 1 << 32, (rows, width), dtype=np.uint32)
    return FeatureMatrix(hashes, rng.normal(size=(rows, width)).astype(np.float32))


def random_encoded(rng: np.random.Generator, width: int) -> Encoded:
    return random_matrix(rng, 1, width).one(0)


def test_a_score_is_the_sum_that_its_definition_says() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=1 << SHAPE.bits).astype(np.float32)
    context, artwork = random_encoded(rng, 3), random_matrix(rng, 4, 2)
    result = scores(weights, SHAPE, {"context": context, "artwork": artwork}, 4)
    for row in range(4):
        own = artwork.one(row)
        expected = float(weights[CONSTANT_HASH & MASK])
        for one in (context, own):
            expected += sum(weights[h & MASK] * v for h, v in zip(*one, strict=True))
        for h1, v1 in zip(*context, strict=True):
            for h2, v2 in zip(*own, strict=True):
                index = ((CROSS_PRIME * int(h1)) ^ int(h2)) & MASK
                expected += float(weights[index] * v1 * v2)
        assert result[row] == pytest.approx(expected, rel=1e-5)


def test_what_is_shared_scores_as_if_it_stood_in_every_row() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=1 << 12).astype(np.float32)
    crosses = (("context", "artwork", "title"), ("title", "id"), ("context", "title"))
    shape = ModelShape("artwork", 12, crosses, constant=False)
    names = ("context", "title", "artwork", "id")
    shared = {name: random_encoded(rng, 3) for name in names[:2]}
    own = {name: random_matrix(rng, 5, 4) for name in names[2:]}
    everywhere = {name: stack([one] * 5) for name, one in shared.items()}
    np.testing.assert_allclose(
        scores(weights, shape, {**shared, **own}, 5),
        scores(weights, shape, {**everywhere, **own}, 5),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("odd", [[], [0], [3, 250], list(range(200)), list(range(299))])
def test_the_same_features_with_other_values_score_as_each_candidate_alone(odd: list[int]) -> None:
    rng = np.random.default_rng(4)
    weights = rng.normal(size=1 << 12).astype(np.float32)
    names = ("context", "artwork", "title")
    shape = ModelShape("artwork", 12, (names, names[:2], ("title", "context")), constant=True)
    artwork, title = random_matrix(rng, 300, 9), random_matrix(rng, 300, 6)
    artwork.hashes[:], title.hashes[:] = artwork.hashes[1], title.hashes[1]
    # Those that lack some features are packed to the left.
    artwork.hashes[odd], artwork.values[odd] = 0, 0
    artwork.hashes[odd, :4] = artwork.hashes[299 if odd else 0, 5:]
    artwork.values[odd, :4] = rng.normal(size=(len(odd), 4))
    groups: Groups = {"context": random_encoded(rng, 50), "artwork": artwork, "title": title}
    for sums in (scores, spreads):
        table = np.abs(weights)
        alone = [
            sums(
                table,
                shape,
                {"context": groups["context"], "artwork": artwork.one(at), "title": title.one(at)},
                1,
            )[0]
            for at in range(300)
        ]
        np.testing.assert_allclose(sums(table, shape, groups, 300), alone, rtol=2e-5, atol=1e-3)


def test_spread_is_the_standard_deviation_of_scores_under_the_posterior() -> None:
    rng = np.random.default_rng(2)
    variances = rng.uniform(0, 0.1, 1 << SHAPE.bits).astype(np.float32)
    groups: Groups = {"context": random_encoded(rng, 4), "artwork": random_matrix(rng, 3, 3)}
    draws = np.sqrt(variances) * rng.normal(size=(4000, len(variances))).astype(np.float32)
    drawn = np.array([scores(weights, SHAPE, groups, 3) for weights in draws])
    # the error of a standard deviation from n draws is about 1/sqrt(2n), 1.1 % here
    np.testing.assert_allclose(spreads(variances, SHAPE, groups, 3), drawn.std(axis=0), rtol=0.06)


def test_memory_is_bounded_and_parts_add_up() -> None:
    rng = np.random.default_rng(3)
    shape = ModelShape("artwork", 12, (("context", "title", "artwork"),), constant=False)
    weights = rng.normal(size=1 << 12).astype(np.float32)
    artwork = random_matrix(rng, 7, 100)
    groups: Groups = {
        "context": random_encoded(rng, 200),
        "title": random_encoded(rng, 150),
        "artwork": artwork,
    }
    tracemalloc.start()
    try:
        whole = scores(weights, shape, groups, 7)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 64e6  # the whole gather would take 250 MB
    for row in range(7):
        one = scores(weights, shape, {**groups, "artwork": artwork.one(row)}, 1)
        np.testing.assert_allclose(one[0], whole[row], rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("groups", [{}, {"context": encode("context", {})}])
def test_nothing_known_scores_the_constant(groups: dict[str, Encoded]) -> None:
    weights = np.zeros(1 << SHAPE.bits, np.float32)
    weights[CONSTANT_HASH & MASK] = 0.25
    assert scores(weights, SHAPE, groups, 3).tolist() == [0.25] * 3


def test_no_candidates_have_no_scores() -> None:
    weights = np.ones(1 << SHAPE.bits, np.float32)
    groups: Groups = {"context": encode("context", {"a": 1.0}), "artwork": stack([])}
    assert scores(weights, SHAPE, groups, 0).shape == (0,)


def test_arrays_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(4)
    with pytest.raises(ModelError, match="12 bits"):
        scores(np.zeros(1 << 11, np.float32), SHAPE, {}, 1)
    with pytest.raises(ModelError, match="3 rows for 4 candidates"):
        scores(np.zeros(1 << 12, np.float32), SHAPE, {"artwork": random_matrix(rng, 3, 2)}, 4)


def test_a_shape_takes_the_surfaces_default_crosses() -> None:
    shape = ModelShape.of("rows", ModelConfig(bits=14, constant=True))
    assert shape == ModelShape("rows", 14, DEFAULT_INTERACTIONS["rows"], constant=True)
    assert ModelShape.of("artwork", ModelConfig(interactions=[])).interactions == ()


@pytest.mark.parametrize(
    ("crosses", "index", "message"),
    [
        ([["context", "artwork"], ["context", "row"]], 1, "expected some of .*, got 'row'"),
        ([["context"]], 0, "two or three distinct"),
        ([["context", "context"]], 0, "two or three distinct"),
        ([["context", "title", "artwork", "id"]], 0, "two or three distinct"),
        ([["context", "artwork"], ["artwork", "context"]], 1, "crossed twice"),
    ],
)
def test_a_wrong_cross_is_an_error_with_its_path(
    crosses: list[list[str]], index: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        ModelShape.of("artwork", ModelConfig(interactions=crosses))
    assert caught.value.path == f"surfaces.artwork.model.interactions[{index}]"
    assert caught.value.hint
