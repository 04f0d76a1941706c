"""A production configuration as a target: what it would have decided on logged pages.

Probabilities come from :class:`bandit.policy.Policy` itself, asked about each logged decision. What
it serves is learned from the part of the log that trains it, by production's trainer and engines:
each logged display becomes one report of a play, under a rule by which the fraction played is the
reward, so that exactly the logged rewards are learned. With a snapshots directory nothing is
learned here, and what stands there is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from bandit.catalog import Catalog, CatalogDocument, CatalogStore
from bandit.config.schema import Config
from bandit.engines import Engines, shape_of
from bandit.errors import CatalogError
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.joiner import Outcome
from bandit.policy import LoggedArtworks, Policy, ServedModel, Serving
from bandit.reward import RewardRule
from bandit.scoring import ModelShape
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, MemorySnapshotStore
from bandit.training import Trainer
from bandit.types import SURFACES, FloatArray, Surface
from simulator.errors import TargetError
from simulator.logged import DecisionOrigin, LoggedChoices, LoggedRankings
from simulator.policies.lotteries import Lotteries, LotteryTarget
from simulator.policies.named_rounds import origin_of

Logged = LoggedChoices | LoggedRankings

_FRACTION_IS_REWARD: Final = RewardRule(
    default=0.0,
    click=0.0,
    play=0.0,
    play_seconds=0.0,
    play_fraction=1.0,
    quick_abandon_s=0.0,
    aggregation="max",
)


class JudgedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How production's policy is judged on logs."""

    shares: Annotated[
        Literal["learned", "configured"],
        Meta(description="Judged for: everybody as learned, or shares as configured."),
    ] = "learned"
    snapshots: Annotated[
        str | None,
        Meta(description="Directory of models to judge; none: one that learns from the log."),
    ] = None


class ProductionTarget(LotteryTarget):
    """A production configuration, judged on a log."""

    def __init__(
        self, config: Config, *, name: str, settings: JudgedSettings | None = None
    ) -> None:
        """Load the snapshots that are to be judged, if any.

        Raises:
            SnapshotError: a snapshot is damaged.
        """
        settings = settings or JudgedSettings()
        self.name = name
        self.learns = settings.snapshots is None
        self._config = _judged(config, settings.shares)
        self._policy = Policy(self._config)
        self._models: Mapping[Surface, ServedModel] = {}
        if settings.snapshots is not None:
            self._models = _load(Path(settings.snapshots), config)

    def fit(self, training: Logged | None) -> None:
        """Learn from logged rounds, in their order.

        Raises:
            TargetError: a reward is not within [0, 1], or a catalog is lost.
        """
        if not self.learns or training is None or not len(training):
            return
        origin = origin_of(training)
        trainer = Trainer(_training(self._config), _catalogs(self._config, origin))
        engines = Engines(self._config, MemorySnapshotStore())
        engines.restore({})
        learned = dict.fromkeys(SURFACES, 0)
        for outcome in _outcomes(training, origin):
            for surface, examples in trainer.train(outcome).examples.items():
                learned[surface] += len(engines.learn(surface, examples).examples)
        surfaces = self._config.surfaces
        self._models = {
            surface: ServedModel(
                self.name,
                ModelShape.of(surface, getattr(surfaces, surface).model),
                engines.arrays(surface),
            )
            for surface, count in learned.items()
            if count
        }

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """Return (n,); see :class:`simulator.targets.ChoiceTarget`."""
        chosen = np.empty(len(logged))
        for rounds, rows, found in self._judged(logged):
            chosen[rounds] = found.pmf[rows, logged.action[rounds]]
        return chosen

    def pmf(self, logged: LoggedChoices) -> FloatArray:
        """Return (n, K); see :class:`simulator.targets.ChoiceTarget`."""
        pmf = np.zeros((len(logged), logged.action_count))
        for rounds, rows, found in self._judged(logged):
            width = min(found.pmf.shape[1], pmf.shape[1])
            pmf[rounds, :width] = found.pmf[rows, :width]
        return pmf

    def _judged(
        self, logged: LoggedChoices
    ) -> Iterator[tuple[list[int], list[int], LoggedArtworks]]:
        """Yield for each decision its rounds, their titles' rows, and what is made of them."""
        origin = origin_of(logged)
        serving_of = self._servings(origin)
        counts = logged.action_counts()
        for index, rounds in _by_record(origin):
            record = origin.records[index]
            found = self._policy.artwork_pmf(record, serving_of(record))
            row_of = {title: row for row, title in enumerate(found.titles)}
            rows = [row_of.get(record.titles[origin.title_of[one]].title, -1) for one in rounds]
            known = found.eligible.sum(axis=1)
            fits = [
                row >= 0
                and int(known[row]) == int(counts[one])
                and int(found.logged[row]) == int(logged.action[one])
                for row, one in zip(rows, rounds, strict=True)
            ]
            if not all(fits):
                raise TargetError(
                    f"decision {record.decision_id!r} has other artworks than the log says",
                    hint=f"give the catalog version {record.catalog} as it was",
                )
            yield rounds, rows, found

    def lotteries(self, logged: LoggedRankings) -> Lotteries:
        """Return how each logged page's rows would be ordered."""
        origin = origin_of(logged)
        serving_of = self._servings(origin)
        count, positions = logged.items.shape
        numbers = np.full((count, logged.item_count), -np.inf)
        greedy = np.zeros(count, np.bool_)
        pinned = np.full((count, positions), -1, np.int32)
        for number, index in enumerate(origin.record_of.tolist()):
            record = origin.records[index]
            strategy, scores, pins, _ = self._policy.row_lottery(record, serving_of(record))
            held = list(pins.values())
            free = np.setdiff1d(np.arange(len(scores)), held)
            logits = strategy.logits(scores[free])
            greedy[number] = logits is None
            numbers[number, free] = _ranks(scores[free]) if logits is None else logits
            if held:
                # Pinned rows stand where they do whatever else is drawn.
                order = strategy.rank(scores, np.full(len(scores), 0.5), pins, positions).order
                pinned[number, : len(order)] = np.where(np.isin(order, held), order, -1)
        return Lotteries(numbers, greedy, pinned)

    def _servings(self, origin: DecisionOrigin) -> Callable[[DecisionRecord], Serving]:
        catalog_of = _catalogs(self._config, origin)

        @cache
        def serving(version: str) -> Serving:
            try:
                return Serving(catalog_of(version), self._models)
            except CatalogError as error:
                raise TargetError(error.message, hint=error.hint) from error

        return lambda record: serving(record.catalog)


def _ranks(scores: FloatArray) -> FloatArray:
    """Return distinct numbers that stand as scores do: of equals production takes the first."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = -np.arange(float(len(scores)))
    return ranks


def _judged(config: Config, shares: str) -> Config:
    """Return the configuration with the shares asked for."""
    if shares == "configured":
        return config
    replace = msgspec.structs.replace
    surfaces = replace(
        config.surfaces,
        artwork=replace(config.surfaces.artwork, holdout=0.0, explore=0.0),
        rows=replace(config.surfaces.rows, holdout=0.0, explore=0.0),
    )
    return replace(config, surfaces=surfaces)


def _training(config: Config) -> Config:
    """Return the configuration by which exactly what was logged is learned."""
    replace = msgspec.structs.replace
    surfaces = replace(
        config.surfaces,
        artwork=replace(config.surfaces.artwork, exposure="reported"),
        rows=replace(config.surfaces.rows, exposure="reported"),
    )
    rule = replace(_FRACTION_IS_REWARD, row_aggregation=config.reward.row_aggregation)
    return replace(config, surfaces=surfaces, reward=rule)


def _load(directory: Path, config: Config) -> dict[Surface, ServedModel]:
    store = FileSnapshotStore(directory, snapshot_keys(config))
    models: dict[Surface, ServedModel] = {}
    for surface in SURFACES:
        pointer = store.pointer(surface)
        if pointer is not None:
            snapshot = store.load(surface, pointer.version)
            models[surface] = ServedModel(
                pointer.version, shape_of(snapshot.manifest), snapshot.arrays
            )
    return models


def _catalogs(config: Config, origin: DecisionOrigin) -> Callable[[str], Catalog]:
    """Return what finds catalog versions: with the log, or where the configuration keeps them."""
    given: Mapping[str, CatalogDocument] = origin.catalogs or {}

    @cache
    def found(version: str) -> Catalog:
        if version in given:
            return Catalog.build(given[version], version=version)
        directory = Path(config.catalog.directory)
        if not directory.is_dir():
            raise CatalogError(
                "",
                f"the log names catalog {version}, which did not come with it",
                hint="set catalog.directory to where the service keeps its catalogs",
            )
        return CatalogStore(directory, config.limits).load(version)

    return found


def _by_record(origin: DecisionOrigin) -> Iterator[tuple[int, list[int]]]:
    """Yield each decision's index and rounds, in the order of their first rounds."""
    rounds: dict[int, list[int]] = {}
    for number, index in enumerate(origin.record_of.tolist()):
        rounds.setdefault(index, []).append(number)
    yield from rounds.items()


def _outcomes(logged: Logged, origin: DecisionOrigin) -> Iterator[Outcome]:
    """Yield logged rounds as outcomes, by the rule that a fraction is a reward."""
    if ((logged.reward < 0) | (logged.reward > 1)).any():
        raise TargetError(
            "production learns rewards between 0 and 1 only", hint="scale the rewards to [0, 1]"
        )
    for index, rounds in _by_record(origin):
        record = origin.records[index]
        if isinstance(logged, LoggedChoices):
            events = [
                _report(record, record.titles[origin.title_of[one]].title, None, reward)
                for one, reward in zip(rounds, logged.reward[rounds].tolist(), strict=True)
            ]
        else:
            events = list(_row_reports(record, logged, rounds[0]))
        yield Outcome(record, record.decided_at_us, tuple(events), "window")


def _row_reports(
    record: DecisionRecord, logged: LoggedRankings, number: int
) -> Iterator[FeedbackRecord]:
    shown = logged.placed()[number]
    if logged.seen is not None:
        shown = shown & logged.seen[number]
    for position in np.flatnonzero(shown).tolist():
        row = record.rows[position]
        title = row.titles[0] if row.titles else row.id
        yield _report(record, title, row.id, float(logged.reward[number, position]))


def _report(record: DecisionRecord, title: str, row: str | None, reward: float) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{record.decision_id}.{row or ''}.{title}",
        decision_id=record.decision_id,
        type="play",
        title=title,
        row=row,
        fraction=reward,
    )
