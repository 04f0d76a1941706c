"""One learner among simulated viewers, in one process: the production path without log and HTTP.

Pages are decided by :class:`bandit.policy.Policy`, outcomes become examples by
:class:`bandit.training.Trainer`, the engine learns them at once, and its arrays are served anew
every few pages.

The figure of merit is the share of the best possible lift. On a page, the lift of an artwork is
what its chance of a play is above the mean over its title's artworks, and the best possible lift
that of the title's most appealing artwork for this very viewer. Both are summed over the titles of
all pages so far of viewers in the learned share. Chances are the world's own, not draws: the
figure has no noise but that of what was learned. A share of 1 is out of reach wherever part of a
taste stays hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from bandit.catalog import Catalog
from bandit.config.schema import (
    ArtworkSurfaceConfig,
    Config,
    ModelConfig,
    RowsSurfaceConfig,
    SurfacesConfig,
)
from bandit.engine import ModelArrays, TrainingExample
from bandit.events import DecisionRecord
from bandit.exploration import EpsilonGreedy, Exploration
from bandit.features import CROSS_PRIME, Encoded
from bandit.joiner import Outcome
from bandit.model import PRIOR_VARIANCE, VowpalEngine
from bandit.policy import Policy, ServedModel, Serving
from bandit.ranking import PlackettLuce, Ranking
from bandit.scoring import ModelShape
from bandit.training import Trainer
from bandit.types import Float32Array, Surface
from benchmarks.learning_worlds import Visit, World, WorldName, world_of

PUBLISH_EVERY_PAGES: Final = 10
PAGE_EVERY_US: Final = 60_000_000
_NOISE_PRIOR: Final = 0.25


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared."""

    surface: Surface = "artwork"
    model: ModelConfig = ModelConfig()
    exploration: Exploration = EpsilonGreedy()
    ranking: Ranking = PlackettLuce()
    variances: Literal["adagrad", "squares"] = "adagrad"
    prior_variance: float = PRIOR_VARIANCE


class Trial(NamedTuple):
    """One run."""

    settings: Settings
    world: WorldName
    seed: int
    horizons: Sequence[int]


class SumsOfSquares:
    """The other source of variances: Σ x² of each weight kept beside VW, and the noise."""

    def __init__(self, shape: ModelShape, prior_variance: float) -> None:
        self._shape = shape
        self._prior = prior_variance
        self._squares = np.zeros(1 << shape.bits)
        self._sums = np.zeros(3)

    def learn(self, examples: Sequence[TrainingExample]) -> None:
        """Add the squares of the features and crosses of what was shown, and the rewards."""
        mask = np.uint32(len(self._squares) - 1)
        for example in examples:
            self._sums += (1.0, example.reward, example.reward**2)
            groups = {**example.shared, **example.candidates[example.chosen].groups}
            for names in ((name,) for name in self._shape.namespaces):
                self._add([groups[name] for name in names if name in groups], 1, mask)
            for crossed in self._shape.interactions:
                factors = [groups[name] for name in crossed if name in groups]
                self._add(factors, len(crossed), mask)

    def _add(self, factors: list[Encoded], wanted: int, mask: np.uint32) -> None:
        if len(factors) < wanted:
            return
        hashes, values = factors[0]
        for factor in factors[1:]:
            hashes = ((hashes * np.uint32(CROSS_PRIME))[:, None] ^ factor.hashes).ravel()
            values = (values[:, None] * factor.values).ravel()
        np.add.at(self._squares, hashes & mask, np.square(values))

    def variances(self) -> Float32Array:
        """Return 1 / (1/prior + Σ x² / σ²), with the variance of the rewards for σ²."""
        count, total, squares = self._sums
        mean = total / max(count, 1.0)
        noise = (_NOISE_PRIOR + squares - count * mean**2) / (1 + count)
        return (1 / (1 / self._prior + self._squares / max(noise, 1e-4))).astype(np.float32)


class Learning:
    """A learner of one surface in a world."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        config = _config(settings)
        self._policy = Policy(config)
        self._catalog = Catalog.build(world.document)
        self._trainer = Trainer(config, lambda _: self._catalog)
        self._shape = ModelShape.of(settings.surface, settings.model)
        self._engine = VowpalEngine(self._shape, settings.model)
        self._squares: SumsOfSquares | None = None
        if settings.variances == "squares":
            self._squares = SumsOfSquares(self._shape, settings.prior_variance)
        self._serving = Serving(self._catalog)

    def page(self, visit: Visit) -> DecisionRecord:
        """Serve a visit, learn from it, and return what was served."""
        now_us = visit.number * PAGE_EVERY_US
        decision = self._policy.decide(
            visit.page, decision_id=f"d{visit.number}", now_us=now_us, serving=self._serving
        ).record
        events = tuple(self._world.feedback(visit, decision))
        learned = self._trainer.train(Outcome(decision, now_us, events, "window"))
        examples = learned.examples.get(self._settings.surface, [])
        self._engine.learn(examples)
        if self._squares is not None:
            self._squares.learn(examples)
        if visit.number % PUBLISH_EVERY_PAGES == 0:
            self._publish(visit.number)
        return decision

    def _publish(self, number: int) -> None:
        arrays = self._engine.arrays()
        if self._squares is not None:
            arrays = ModelArrays(arrays.weights, self._squares.variances())
        elif self._settings.prior_variance != PRIOR_VARIANCE:
            variances = _with_prior(arrays.variances, self._settings.prior_variance)
            arrays = ModelArrays(arrays.weights, variances)
        model = ServedModel(f"s{number}", self._shape, arrays)
        self._serving = Serving(self._catalog, {self._settings.surface: model})


def _with_prior(variances: Float32Array, prior_variance: float) -> Float32Array:
    """Return the posterior variances that another prior would have led to."""
    gained = 1 / variances.astype(np.float64) - 1 / PRIOR_VARIANCE
    return (1 / (1 / prior_variance + np.maximum(gained, 0.0))).astype(np.float32)


def run_trial(trial: Trial) -> list[float]:
    """Return the share of the best possible lift, cumulated up to each horizon."""
    world = world_of(trial.world, trial.seed)
    learning = Learning(trial.settings, world)
    lift_of = _artwork_lift if trial.settings.surface == "artwork" else _row_lift
    title_places = {title.id: index for index, title in enumerate(world.document.titles)}
    gained = possible = 0.0
    shares = []
    for number in range(1, max(trial.horizons) + 1):
        visit = world.visit(number)
        decision = learning.page(visit)
        if decision.shares[trial.settings.surface] == "learned":
            gain, best = lift_of(world, visit, decision, title_places)
            gained += gain
            possible += best
        if number in trial.horizons:
            shares.append(gained / possible)
    return shares


def _artwork_lift(
    world: World, visit: Visit, decision: DecisionRecord, title_places: dict[str, int]
) -> tuple[float, float]:
    gain = best = 0.0
    for choice in decision.titles:
        index = title_places[choice.title]
        start, end = world.offsets[index : index + 2].tolist()
        chances = visit.chances[start:end]
        ids = [artwork.id for artwork in world.document.titles[index].artworks]
        mean = float(chances.mean())
        gain += float(chances[ids.index(choice.artwork)]) - mean
        best += float(chances.max()) - mean
    return gain, best


def _row_lift(
    world: World, visit: Visit, decision: DecisionRecord, title_places: dict[str, int]
) -> tuple[float, float]:
    """Return the lift of an order over a random one, and that of the best order.

    An order's worth is the sum over rows of attention at the position times what the row is worth
    to the viewer when it is reached.
    """
    worth = np.array([visit.row_worth[row.id] for row in decision.rows])
    attention = world.row_attention[: len(worth)]
    base = float(attention.sum() * worth.mean())
    best = float(attention @ np.sort(worth)[::-1])
    return float(attention @ worth) - base, best - base


def _config(settings: Settings) -> Config:
    """Return the configuration: the surface under test learns, the other one stands still."""
    if settings.surface == "artwork":
        artwork = ArtworkSurfaceConfig(model=settings.model, exploration=settings.exploration)
        return Config(surfaces=SurfacesConfig(artwork=artwork, rows=_STILL_ROWS))
    rows = RowsSurfaceConfig(model=settings.model, exploration=settings.ranking)
    return Config(surfaces=SurfacesConfig(artwork=_STILL_ARTWORK, rows=rows))


_STILL_ROWS: Final = RowsSurfaceConfig(mode="log_only")
_STILL_ARTWORK: Final = ArtworkSurfaceConfig(mode="log_only", baseline="uniform")
