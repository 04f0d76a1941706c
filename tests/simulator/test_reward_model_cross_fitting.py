"""Cross-fitting: honest, deterministic, whole viewers, and the same for every chunk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bandit.types import FloatArray
from simulator.encoding import Pairs
from simulator.errors import EstimationError, NoOverlapError, TargetError
from simulator.logged import CodeArray, LoggedChoices
from simulator.reward_models import MODELS, CrossFitted, cross_fit
from simulator.reward_models.folds import fold_of_rounds
from tests.simulator.reward_world import ITEMS, Softmax, World

LOG = World(0.5).log(600, viewers=100)


def with_sets(logged: LoggedChoices) -> tuple[LoggedChoices, CodeArray]:
    """Return the same choices out of shuffled action sets of three to six items each."""
    rng = np.random.default_rng(4)
    rows = np.arange(len(logged))
    order = np.argsort(rng.random((len(logged), ITEMS)), axis=1).astype(np.int32)
    sizes = rng.integers(3, ITEMS + 1, len(logged))
    candidates = np.where(np.arange(ITEMS) < sizes[:, None], order, -1).astype(np.int32)
    place = rng.integers(0, 3, len(logged))
    there = (candidates == logged.action[:, None]).any(axis=1)
    place = np.where(there, (candidates == logged.action[:, None]).argmax(axis=1), place)
    candidates[rows[~there], place[~there]] = logged.action[~there]
    return replace(logged, action=place.astype(np.int32), candidates=candidates), candidates


@pytest.mark.parametrize("model", MODELS)
def test_a_fold_s_rewards_do_not_reach_its_own_predictions(model: str) -> None:
    before = cross_fit(LOG, model, seed=3)
    own = before.fitted.fold_of == 1
    changed = replace(LOG, reward=np.where(own, 1 - LOG.reward, LOG.reward))
    after = cross_fit(changed, model, seed=3)
    np.testing.assert_array_equal(after.predicted()[own], before.predicted()[own])
    np.testing.assert_array_equal(after.expected(Softmax())[own], before.expected(Softmax())[own])
    assert (after.predicted()[~own] != before.predicted()[~own]).mean() > 0.9


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_numbers_and_another_does_not(model: str) -> None:
    first, again, other = (cross_fit(LOG, model, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.predicted(), again.predicted())
    np.testing.assert_array_equal(first.expected(Softmax()), again.expected(Softmax()))
    assert (first.predicted() != other.predicted()).any()


@pytest.mark.parametrize("model", MODELS)
def test_numbers_do_not_depend_on_how_many_threads_there_are(model: str) -> None:
    logged, found = World(0.5).log(4000), []
    for threads in (1, 3):
        with threadpool_limits(limits=threads):
            fitted = cross_fit(logged, model, seed=3)
            found.append((fitted.predicted(), fitted.expected(Softmax(by_context=True))))
    np.testing.assert_array_equal(found[0], found[1])


def test_folds_never_split_a_viewer_and_are_of_one_size() -> None:
    assert LOG.cluster is not None
    fold_of = fold_of_rounds(len(LOG), 4, 3, LOG.cluster)
    for viewer in np.unique(LOG.cluster):
        assert len(set(fold_of[LOG.cluster == viewer])) == 1
    of_viewers = [len(np.unique(LOG.cluster[fold_of == fold])) for fold in range(4)]
    assert max(of_viewers) - min(of_viewers) <= 1
    sizes = np.bincount(fold_of_rounds(101, 4, 3))
    assert sizes.tolist() == [26, 25, 25, 25]


@pytest.mark.parametrize(("count", "folds"), [(2, 3), (100, 1), (1000, 101)])
def test_folds_that_cannot_be_filled_are_refused(count: int, folds: int) -> None:
    with pytest.raises(EstimationError):
        fold_of_rounds(count, folds, 0)


def test_few_viewers_cannot_fill_folds() -> None:
    with pytest.raises(EstimationError, match="2 viewers"):
        fold_of_rounds(100, 3, 0, np.arange(100) % 2)


def by_pairs(fitted: CrossFitted, logged: LoggedChoices, pmf: FloatArray) -> FloatArray:
    """Average one action after the other."""
    total = np.zeros(len(logged))
    codes = np.tile(np.arange(ITEMS, dtype=np.int32), (len(logged), 1))
    if logged.candidates is not None:
        codes = logged.candidates
    for column in range(ITEMS):
        pairs = Pairs(np.maximum(codes[:, column], 0), logged.context, logged.position)
        total += pmf[:, column] * fitted.fitted.predict(pairs)
    return total


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sets", [False, True])
def test_expectations_are_sums_over_all_actions(model: str, sets: bool) -> None:
    logged = with_sets(LOG)[0] if sets else LOG
    fitted, target = cross_fit(logged, model, seed=1), Softmax(by_context=True)
    expected = by_pairs(fitted, logged, target.pmf(logged))
    np.testing.assert_allclose(fitted.expected(target), expected, rtol=1e-9)
    np.testing.assert_allclose(fitted.expected(target, chunk=7), expected, rtol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_sets_change_nothing_of_what_is_learned(model: str) -> None:
    with_all, some = cross_fit(LOG, model, seed=1), cross_fit(with_sets(LOG)[0], model, seed=1)
    np.testing.assert_array_equal(with_all.predicted(), some.predicted())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bare", [True, False])
def test_items_may_be_numbered_in_any_way(model: str, bare: bool) -> None:
    """An item's code is a name: numbering items anew changes no prediction."""
    logged = replace(LOG, item_features=None) if bare else LOG
    renamed = np.random.default_rng(2).permutation(ITEMS).astype(np.int32)
    features = logged.item_features
    if features is not None:
        features = features[np.argsort(renamed)]
    other = replace(logged, action=renamed[logged.action], item_features=features)
    found = [cross_fit(one, model, seed=1).predicted() for one in (logged, other)]
    # VW's hashes of two names may share a weight; the others are equal but for rounding
    np.testing.assert_allclose(found[0], found[1], atol=0.02 if model == "vw" else 1e-3)


def test_a_target_s_unlawful_probabilities_are_refused() -> None:
    class Half(Softmax):
        def pmf(self, logged: LoggedChoices) -> FloatArray:
            return super().pmf(logged) / 2

    with pytest.raises(TargetError, match="sum to 1"):
        cross_fit(LOG, "logistic", seed=1).expected(Half())


def test_strange_models_and_weights_are_refused() -> None:
    with pytest.raises(EstimationError, match="no reward model 'forest'"):
        cross_fit(LOG, "forest", seed=1)
    for wrong in (-1.0, np.nan):
        with pytest.raises(EstimationError, match="weight"):
            cross_fit(LOG, "logistic", seed=1, round_weight=np.full(len(LOG), wrong))
    with pytest.raises(NoOverlapError):
        cross_fit(LOG, "logistic", seed=1, round_weight=np.zeros(len(LOG)))


@pytest.mark.parametrize("model", MODELS)
def test_rounds_without_weight_are_not_learned(model: str) -> None:
    weight = (np.arange(len(LOG)) % 2).astype(np.float64)
    changed = replace(LOG, reward=np.where(weight == 0, 1 - LOG.reward, LOG.reward))
    found = [cross_fit(one, model, seed=1, round_weight=weight) for one in (LOG, changed)]
    np.testing.assert_array_equal(found[0].predicted(), found[1].predicted())


@pytest.mark.parametrize("model", MODELS)
def test_heavier_rounds_pull_predictions_their_way(model: str) -> None:
    weight = np.where(LOG.reward > 0, 9.0, 1.0)
    plain = cross_fit(LOG, model, seed=1).predicted().mean()
    pulled = cross_fit(LOG, model, seed=1, round_weight=weight).predicted().mean()
    assert pulled > plain + 0.1
