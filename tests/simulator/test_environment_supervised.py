"""Classification as a bandit: which examples come, what is right, what noise does."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.environments import make_environment
from simulator.environments.supervised import Supervised, SupervisedSettings, load
from simulator.errors import SimulationError
from simulator.pages import Pages


def _examples(environment: Supervised, seed: int) -> list[int]:
    found: list[int] = []
    pages: Pages | None = environment.reset(seed)
    while pages is not None:
        found += pages.viewers.tolist()
        pages = environment.step(environment.best(pages)).pages
    return found


def test_every_example_comes_once_each_time_round() -> None:
    found = _examples(Supervised(400, 37, SupervisedSettings(data="iris")), 1)
    assert sorted(found[:150]) == list(range(150))
    assert sorted(found[150:300]) == list(range(150))
    assert found[:150] != found[150:300]
    assert len(set(found[300:])) == 100


def test_the_right_class_earns_one_and_any_other_nothing() -> None:
    environment = Supervised(150, 150, SupervisedSettings(data="iris"))
    pages = environment.reset(1)
    right = environment.best(pages)
    assert environment.step(right).displays.reward.tolist() == [1.0] * 150
    environment.reset(1)
    wrong = right._replace(artworks=(right.artworks + 1) % 3)
    assert not environment.step(wrong).displays.reward.any()


def test_noise_is_shared_by_all_classes() -> None:
    environment = Supervised(150, 150, SupervisedSettings(data="iris", noise=0.3))
    pages = environment.reset(1)
    right = environment.best(pages)
    wrong = right._replace(artworks=(right.artworks + 1) % 3)
    assert np.allclose(environment.expected(pages, right).reward, 0.8)
    assert np.allclose(environment.expected(pages, wrong).reward, 0.1)


@pytest.mark.parametrize(
    ("name", "examples", "classes"),
    [("digits", 1797, 10), ("iris", 150, 3), ("wine", 178, 3), ("breast_cancer", 569, 2)],
)
def test_the_bundled_data_are_whole(name: str, examples: int, classes: int) -> None:
    features, labels, names = load(name)  # type: ignore[arg-type]
    assert len(features) == len(labels) == examples
    assert len(names) == classes
    assert set(labels.tolist()) == set(range(classes))
    assert np.isfinite(features).all()
    assert np.abs(features.mean(axis=0)).max() < 1e-4


def test_other_data_are_refused_by_name() -> None:
    with pytest.raises(SimulationError, match="data"):
        make_environment("supervised", pages=5, batch=5, data="mnist")
