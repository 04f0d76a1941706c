"""The learning engines of all surfaces: made, restored, and published when they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bandit.config.schema import Config
from bandit.engine import ModelArrays, TrainingExample
from bandit.errors import ModelError, SnapshotError, UnlearnableError
from bandit.model import VowpalEngine, engine_version
from bandit.scoring import ModelShape
from bandit.snapshots import SnapshotDetails, SnapshotStore
from bandit.status import PublishedModel
from bandit.types import SURFACES, Surface


class LearnedOf(NamedTuple):
    """What was learned of some examples."""

    examples: list[TrainingExample]
    refusal: str | None
    """Why the first of the others was not."""


class Engines:
    """One engine a surface."""

    def __init__(self, config: Config, snapshots: SnapshotStore) -> None:
        self._models = {
            "artwork": config.surfaces.artwork.model,
            "rows": config.surfaces.rows.model,
        }
        self._shapes = {
            surface: ModelShape.of(surface, self._models[surface]) for surface in SURFACES
        }
        self._keep = config.snapshots.keep
        self._snapshots = snapshots
        self._engines: dict[Surface, VowpalEngine] = {}
        self.published: dict[Surface, PublishedModel] = {
            surface: PublishedModel(newest.version, newest.examples_learned)
            for surface in SURFACES
            for newest in snapshots.versions(surface)[:1]
        }
        """The last snapshot of each surface."""

    def restore(self, states: Mapping[Surface, bytes]) -> list[str]:
        """Take up stored states, and start anew where there is none or it does not fit.

        Returns:
            Why states were not taken up.

        Raises:
            ConfigError: an engine cannot be made as configured.
        """
        problems = []
        for surface in SURFACES:
            shape, config = self._shapes[surface], self._models[surface]
            try:
                self._engines[surface] = VowpalEngine(shape, config, states.get(surface))
            except ModelError as error:
                problems.append(f"the model of {surface} starts anew: {error}")
                self._engines[surface] = VowpalEngine(shape, config)
        return problems

    def learn(self, surface: Surface, examples: Sequence[TrainingExample]) -> LearnedOf:
        """Learn examples in order, but for those that no model can be taught.

        Lawful features may cross to numbers that would ruin a model: such an example says nothing
        of those beside it, and would not be learned at any later attempt either.
        """
        learned = []
        refusal = None
        for example in examples:
            try:
                self._engines[surface].learn([example])
            except UnlearnableError as error:
                refusal = refusal or str(error)
            else:
                learned.append(example)
        return LearnedOf(learned, refusal)

    def states(self) -> dict[Surface, bytes]:
        """Return what restores the engines."""
        return {surface: engine.serialize() for surface, engine in self._engines.items()}

    def arrays(self, surface: Surface) -> ModelArrays:
        """Return what a surface learned.

        Raises:
            ModelError: a weight is not finite.
        """
        return self._engines[surface].arrays()

    def publish(
        self, surface: Surface, examples: int, log_clock_us: int, now_us: int
    ) -> str | None:
        """Publish a surface's model if it has learned since it was published last.

        Returns:
            What was wrong with the store and is mended by now, if anything was.

        Raises:
            ModelError: a weight is not finite.
            SnapshotError: the store refused it.
            OSError: the store cannot be written.
        """
        before = self.published.get(surface)
        if examples == (before.examples if before else 0):
            return None
        problem = self._pointer_problem(surface)
        shape, engine = self._shapes[surface], self._engines[surface]
        manifest = self._snapshots.publish(
            surface,
            engine.arrays(),
            engine.serialize(),
            SnapshotDetails(
                created_at_us=now_us,
                bits=shape.bits,
                interactions=[list(names) for names in shape.interactions],
                constant=shape.constant,
                engine_version=engine_version(),
                examples_learned=examples,
                log_clock_us=log_clock_us,
                parent=before.version if before else None,
            ),
        )
        self._snapshots.prune(surface, self._keep)
        self.published[surface] = PublishedModel(manifest.version, examples)
        return problem

    def _pointer_problem(self, surface: Surface) -> str | None:
        try:
            self._snapshots.pointer(surface)
        except SnapshotError as error:
            return f"{error.message}; it was written anew, pinned to nothing"
        return None
