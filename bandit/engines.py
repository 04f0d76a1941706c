"""The learning engines of all surfaces: made, restored, and published when they changed.

What is served is never replaced by something that knows less, as far as that can be told. A model
that has learned fewer examples than the last snapshot is held back while it is still catching up
with the log: it learns again what the snapshot knows, after a crash some seconds, without a
checkpoint or under another shape all of it. Once it has caught up there is nothing more to wait
for, and the log may have been replaced, so it is published as soon as it has learned as many
examples as the last snapshot, or :data:`SENSIBLE_EXAMPLES`, whichever are fewer. A model that has
learned nothing is never published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bandit.clock import to_us
from bandit.config.schema import Config
from bandit.engine import ModelArrays, TrainingExample
from bandit.errors import ModelError, SnapshotError, UnlearnableError
from bandit.forgetting import Fading
from bandit.model import VowpalEngine, engine_version
from bandit.scoring import ModelShape
from bandit.snapshots import Manifest, SnapshotDetails, SnapshotStore
from bandit.status import PublishedModel
from bandit.types import SURFACES, Surface

SENSIBLE_EXAMPLES: Final = 1000
"""Examples after which a model that began anew may stand in for one that had learned more."""


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
        self._keep, self._keep_s = config.snapshots.keep, config.snapshots.keep_s
        self._fading: dict[Surface, Fading] = {}
        self._snapshots = snapshots
        self._engines: dict[Surface, VowpalEngine] = {}
        newest = {
            surface: manifest
            for surface in SURFACES
            for manifest in snapshots.versions(surface)[:1]
        }
        self._published_shapes = {surface: shape_of(one) for surface, one in newest.items()}
        self.published = {
            surface: PublishedModel(one.version, one.examples_learned, one.created_at_us)
            for surface, one in newest.items()
        }
        """The last snapshot of each surface."""

    def restore(
        self, states: Mapping[Surface, bytes], faded_until_us: Mapping[Surface, int] = {}
    ) -> list[str]:
        """Take up stored states, and start anew where there is none or it does not fit.

        ``faded_until_us`` is what :attr:`faded_until_us` was at the same moment.

        Returns:
            Why states that were given were not taken up.

        Raises:
            ConfigError: an engine cannot be made as configured.
        """
        problems = []
        for surface in SURFACES:
            shape, config = self._shapes[surface], self._models[surface]
            self._fading[surface] = Fading(config.half_life_s, faded_until_us.get(surface))
            try:
                self._engines[surface] = VowpalEngine(shape, config, states.get(surface))
            except ModelError as error:
                problems.append(f"the model of {surface} starts anew: {error}")
                self._engines[surface] = VowpalEngine(shape, config)
                self._fading[surface] = Fading(config.half_life_s)
        return problems

    def take_up(self, surface: Surface, state: bytes, faded_until_us: int | None = None) -> None:
        """Go on from another state of a surface's model, such as a merge made.

        It takes about as long as loading the model does: VW's memory is made anew.

        Raises:
            ModelError: it is damaged or of another shape; the model stays what it was.
        """
        config = self._models[surface]
        self._engines[surface] = VowpalEngine(self._shapes[surface], config, state)
        self._fading[surface] = Fading(config.half_life_s, faded_until_us)

    def forget(self, at_us: int) -> None:
        """Let the models forget what their half-lives say by an instant of the log's."""
        for surface, fading in self._fading.items():
            share_kept = fading.share_kept(at_us)
            if share_kept < 1.0:
                self._engines[surface].forget(share_kept)

    def learn(self, surface: Surface, examples: Sequence[TrainingExample]) -> LearnedOf:
        """Learn examples in order, but for those that no model can be taught.

        Lawful features may cross to numbers that would ruin a model: such an example says nothing
        of those beside it, and would not be learned at any later attempt either.
        """
        engine = self._engines[surface]
        learned: list[TrainingExample] = []
        refusal = None
        waiting = examples
        while waiting:
            before = engine.examples_learned
            try:
                engine.learn(waiting)
            except UnlearnableError as error:
                refusal = refusal or str(error)
            done = engine.examples_learned - before
            learned += waiting[:done]
            waiting = waiting[done + 1 :]
        return LearnedOf(learned, refusal)

    @property
    def faded_until_us(self) -> dict[Surface, int]:
        """Up to which instant of the log's each model has forgotten."""
        faded = {surface: one.since_us for surface, one in self._fading.items()}
        return {surface: at_us for surface, at_us in faded.items() if at_us is not None}

    @property
    def examples_learned(self) -> dict[Surface, int]:
        """How many examples each model has learned, over its whole life."""
        return {surface: engine.examples_learned for surface, engine in self._engines.items()}

    def states(self) -> dict[Surface, bytes]:
        """Return what restores the engines."""
        return {surface: engine.serialize() for surface, engine in self._engines.items()}

    def arrays(self, surface: Surface) -> ModelArrays:
        """Return what a surface learned.

        Raises:
            ModelError: a weight is not finite.
        """
        return self._engines[surface].arrays()

    def held(self, *, caught_up: bool) -> dict[Surface, str]:
        """Return why models that have learned are not published; see the head of this module.

        ``caught_up`` tells whether the log was taken up to where it stood when learning went on.
        """
        held: dict[Surface, str] = {}
        for surface, before in self.published.items():
            learned = self._engines[surface].examples_learned
            enough = min(before.examples, SENSIBLE_EXAMPLES) if caught_up else before.examples
            if learned < enough:
                when = "" if caught_up else " or the end of the log"
                held[surface] = (
                    f"it has learned {learned} examples since it began anew, the last snapshot "
                    f"{before.examples}; it is published from {enough}{when} on"
                )
        return held

    def publish(
        self, surface: Surface, log_clock_us: int, now_us: int, *, caught_up: bool
    ) -> str | None:
        """Publish a surface's model if it has learned since it was published last, unless held.

        Returns:
            What was wrong with the store and is mended by now, if anything was.

        Raises:
            ModelError: a weight is not finite.
            SnapshotError: the store refused it.
            OSError: the store cannot be written.
        """
        before = self.published.get(surface)
        examples = self._engines[surface].examples_learned
        is_same = (
            before is not None
            and examples == before.examples
            and self._published_shapes[surface] == self._shapes[surface]
        )
        if not examples or is_same or surface in self.held(caught_up=caught_up):
            return None
        problem = self._pointer_problem(surface)
        shape, engine = self._shapes[surface], self._engines[surface]
        arrays, state = engine.snapshot()
        manifest = self._snapshots.publish(
            surface,
            arrays,
            state,
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
        self._published_shapes[surface] = shape
        self.published[surface] = PublishedModel(manifest.version, examples, now_us)
        oldest_us = None if self._keep_s is None else now_us - to_us(self._keep_s)
        self._snapshots.prune(surface, self._keep, oldest_us)
        return problem

    def _pointer_problem(self, surface: Surface) -> str | None:
        try:
            self._snapshots.pointer(surface)
        except SnapshotError as error:
            return f"{error.message}; it was written anew, pinned to nothing"
        return None


def shape_of(manifest: Manifest) -> ModelShape:
    """Return the shape of the model that a manifest describes."""
    interactions = tuple(tuple(names) for names in manifest.interactions)
    return ModelShape(manifest.surface, manifest.bits, interactions, manifest.constant)
