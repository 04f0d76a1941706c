"""Several learners of a simulated log: who learns what, and what is served between two merges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bandit.catalog import Catalog
from bandit.clock import Clock
from bandit.cluster.names import partition_of
from bandit.config.schema import Config
from bandit.model_merging import Merging
from simulator.loop import Round, run
from simulator.policies import production
from simulator.policies.partitioned import PartitionedLearners
from simulator.policies.production import ProductionPolicy
from simulator.policies.registry import make_policy
from tests.simulator.tiny_world import HOMEPAGE, TinyWorld

SMALL = "[surfaces.artwork.model]\nbits = 12\n[surfaces.rows.model]\nbits = 12\n"
PAGES = 40
BATCHES = 4
P = 3


class Watched(PartitionedLearners):
    """Learners of the run begun last."""

    made: PartitionedLearners

    def __init__(self, config: Config, catalog: Catalog, clock: Clock, partitions: int) -> None:
        super().__init__(config, catalog, clock, partitions)
        Watched.made = self


def policy_of(root: Path, **settings: object) -> ProductionPolicy:
    path = root / "site.toml"
    path.write_text(SMALL)
    made = make_policy(str(path), **settings)
    assert isinstance(made, ProductionPolicy)
    return made


def rounds_of(policy: ProductionPolicy) -> list[Round]:
    return list(run(TinyWorld(HOMEPAGE, batches=BATCHES, batch=PAGES), policy, 3))


def test_one_partition_serves_and_earns_what_one_learner_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = rounds_of(policy_of(tmp_path))
    monkeypatch.setattr(
        production,
        "OneLearner",
        lambda config, catalog, clock: PartitionedLearners(config, catalog, clock, 1),
    )
    merged = rounds_of(policy_of(tmp_path))
    for one, other in zip(alone, merged, strict=True):
        np.testing.assert_array_equal(one.served.artworks, other.served.artworks)
        np.testing.assert_array_equal(one.served.order, other.served.order)
        np.testing.assert_array_equal(one.displays.reward, other.displays.reward)


def test_each_learner_learns_its_share_and_goes_on_from_what_all_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production, "PartitionedLearners", Watched)
    policy = policy_of(tmp_path, partitions=P)
    ids: list[str] = []
    displays = 0
    for one in run(TinyWorld(HOMEPAGE, batches=BATCHES, batch=PAGES), policy, 3):
        ids += [decision.decision_id for decision in policy.decisions]
        displays += len(one.displays.page)
    learners = Watched.made._learners
    assert len(ids) == len(set(ids)) == BATCHES * PAGES
    for number, learner in enumerate(learners):
        own = sum(partition_of(decision_id, P) == number for decision_id in ids)
        learned = learner.status(0).learned
        assert sum(learned.outcomes.values()) == own > 0
        assert 0 < learned.examples["artwork"] < displays
        assert learner.engines.examples_learned["artwork"] == displays
    surface = Watched.made._surfaces["artwork"]
    handed_out = Merging(surface._config, P).handed_out(surface._merged.state)
    assert {learner.engines.states()["artwork"] for learner in learners} == {handed_out}


def test_between_two_merges_the_last_merged_model_is_served(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, partitions=P, publish_batches=2)
    served = [
        {name: model.version for name, model in policy.serving.models.items()}
        for _ in run(TinyWorld(HOMEPAGE, batches=BATCHES, batch=PAGES), policy, 3)
    ]
    first, second = "merged-000001", "merged-000002"
    assert served[0] == {}
    assert served[1] == served[2] == {"artwork": first, "rows": first}
    assert served[3] == {"artwork": second, "rows": second}
