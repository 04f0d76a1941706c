"""Several learners of one simulated log, whose models are merged whenever models are published.

Records are divided by decision id, as a cluster divides them. Between two merges each learner sees
its share alone, and what is served is what was merged last: as late as a cluster would have it that
merges at such an interval, but for the time that a merge itself takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bandit.catalog import Catalog
from bandit.clock import Clock
from bandit.cluster.names import partition_of
from bandit.config.schema import Config, ModelConfig
from bandit.events import Record
from bandit.model import VowpalEngine
from bandit.model_merging import Merging, Stand, Turn
from bandit.policy import ServedModel
from bandit.scoring import ModelShape
from bandit.status import LearnerStatus
from bandit.types import Surface
from simulator.policies.learners import OneLearner


class PartitionedLearners:
    """As :class:`simulator.policies.learners.Learners`: so many learners, each of its share."""

    def __init__(self, config: Config, catalog: Catalog, clock: Clock, partitions: int) -> None:
        """Learn into directories under ``config.learner.directory``, from nothing."""
        self._learners = [
            OneLearner(_in_directory(config, f"partition-{number}"), catalog, clock)
            for number in range(partitions)
        ]
        models: dict[Surface, ModelConfig] = {
            "artwork": config.surfaces.artwork.model,
            "rows": config.surfaces.rows.model,
        }
        nothing = self._learners[0].engines.states()
        self._surfaces = {
            surface: _MergedSurface(surface, model, partitions, nothing[surface])
            for surface, model in models.items()
        }

    def append(self, record: Record) -> None:
        """Log a record now, where its decision belongs."""
        self._learners[partition_of(record.decision_id, len(self._learners))].append(record)

    def learn(self, now_us: int) -> None:
        """Learn all that is there, each learner its share.

        Raises:
            SimulationError: a learner failed.
        """
        for learner in self._learners:
            learner.learn(now_us)

    def publish(self, now_us: int) -> Mapping[Surface, ServedModel]:
        """Merge what was learned, hand it out to all learners, and return it."""
        served = {
            surface: one.merge(self._learners, now_us) for surface, one in self._surfaces.items()
        }
        return {surface: model for surface, model in served.items() if model is not None}

    def status(self, now_us: int) -> LearnerStatus:
        """Return what the first learner has to tell."""
        return self._learners[0].status(now_us)


class _MergedSurface:
    """The merged model of one surface."""

    def __init__(
        self, surface: Surface, config: ModelConfig, partitions: int, nothing: bytes
    ) -> None:
        self._surface = surface
        self._config = config
        self._shape = ModelShape.of(surface, config)
        self._merging = Merging(config, partitions)
        self._merged = Stand(nothing)
        self._merges = 0

    def merge(self, learners: list[OneLearner], now_us: int) -> ServedModel | None:
        """Merge, and return the model, if anything was learned by now."""
        surface = self._surface
        turns = [Turn(self._merged, _stand(learner, surface)) for learner in learners]
        self._merged = self._merging.merged(self._merged, turns)
        self._merges += 1
        handed_out = self._merging.handed_out(self._merged.state)
        for learner in learners:
            learner.engines.take_up(surface, handed_out, self._merged.faded_until_us)
        engine = VowpalEngine(self._shape, self._config, self._merged.state)
        if not engine.examples_learned:
            return None
        return ServedModel(f"merged-{self._merges:06}", self._shape, engine.arrays(), now_us)


def _stand(learner: OneLearner, surface: Surface) -> Stand:
    engines = learner.engines
    return Stand(engines.states()[surface], engines.faded_until_us.get(surface))


def _in_directory(config: Config, name: str) -> Config:
    directory = str(Path(config.learner.directory) / name)
    learner = msgspec.structs.replace(config.learner, directory=directory)
    return msgspec.structs.replace(config, learner=learner)
