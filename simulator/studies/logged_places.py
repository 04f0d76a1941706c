"""Where the policy that wrote a log would have put its rows: what iips, sniips and pbm-iips need.

A log tells how likely each row was at its place *given those above it*. How likely it was there
whatever stands above follows from how the whole page was drawn, which is told page by page:

* Uniform orders are known by their propensities, 1 / (rows left) all the way down: a free row is
  anywhere alike. So are the explore share, a uniform baseline and a cold start with one.
* What was ordered without chance stands where it stands.
* An order drawn by a learned model is drawn anew from the very snapshot that the page names, by
  the service's own policy and configuration, and believed only if its propensities come out as
  logged. Without that snapshot nothing is known of the page.

Pinned rows take no part in a draw. Rounds that come without production's records are taken to
have no pins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandit.catalog import Catalog, CatalogDocument
from bandit.config import Config
from bandit.engines import shape_of
from bandit.errors import MarqueeError
from bandit.events import DecisionRecord
from bandit.policy import Policy, ServedModel, Serving
from bandit.secret_keys import known_snapshot_keys
from bandit.snapshots import FileSnapshotStore
from bandit.types import BoolArray, FloatArray
from simulator.errors import SimulatorError
from simulator.logged import CodeArray, LoggedRankings
from simulator.policies.lotteries import Lotteries, of_logged

TOLERANCE: Final = 1e-6
"""Relative: how far propensities that are worked out anew may be from those logged."""
_LIKE_UNIFORM: Final = 1e-9

_NO_RECORDS: Final = "were not drawn uniformly, and the log does not tell by what policy"
_NO_SNAPSHOTS: Final = (
    "were drawn by a learned model: name the service's configuration by --config and, where it "
    "does not, the directory of its snapshots by --snapshots"
)
_OTHERWISE: Final = (
    "have other propensities than their snapshot gives under this configuration: name the one "
    "that the service had by --config"
)


class Snapshots(NamedTuple):
    """Where the models are that a log's orders were drawn by."""

    directory: Path
    config: Config
    """The service's."""


class LoggedPlaces(NamedTuple):
    """Where the policy that wrote a log would have put its rows."""

    placements: FloatArray | None
    """Shape (n, L, R): the probability of each candidate at each position; None: not known."""
    unknown: str = ""
    """Of which rounds it is not known, and why."""


class Placing(NamedTuple):
    """The policy that wrote a log, as :mod:`simulator.rankings.inputs` asks it."""

    placements: FloatArray

    def placement_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, L); see :class:`simulator.rankings.inputs.PlacementTarget`."""
        return of_logged(self.placements, logged.items)


def logged_places(rankings: LoggedRankings, snapshots: Snapshots | None) -> LoggedPlaces:
    """Return where the policy that wrote the log would have put its rows."""
    drawn = _Drawn(rankings)
    if not drawn.known.all():
        reasons = drawn.by_models(snapshots)
        if reasons:
            return LoggedPlaces(None, _told(reasons, len(rankings)))
    lotteries = Lotteries(drawn.numbers, drawn.greedy, drawn.pinned)
    return LoggedPlaces(lotteries.placements(rankings.items.shape[1]))


class _Drawn:
    """How pages were drawn, as far as it is known; arrays as :class:`Lotteries` has them."""

    def __init__(self, rankings: LoggedRankings) -> None:
        self._rankings = rankings
        there, self.pinned = _free_rows(rankings)
        placed = rankings.placed() & (self.pinned < 0)
        open_before: npt.NDArray[np.int64] = np.cumsum(self.pinned < 0, axis=1) - (self.pinned < 0)
        left = there.sum(axis=1, keepdims=True) - open_before
        even = np.abs(rankings.propensity * left - 1) <= _LIKE_UNIFORM
        uniform = np.where(placed, even, True).all(axis=1)
        certain = np.where(placed, rankings.propensity == 1, True).all(axis=1)
        self.greedy: BoolArray = np.asarray(certain & ~uniform)
        self.known: BoolArray = np.asarray(certain | uniform)
        self.numbers: FloatArray = np.where(there, 0.0, -np.inf)
        for number in np.flatnonzero(self.greedy).tolist():
            order = rankings.items[number][placed[number]]
            # Rows that were not served come behind all that were.
            self.numbers[number, there[number]] = -float(rankings.items.shape[1])
            self.numbers[number, order] = -np.arange(len(order), dtype=np.float64)

    def by_models(self, snapshots: Snapshots | None) -> Counter[str]:
        """Take up orders drawn by learned models; return why some of them are not known."""
        origin = self._rankings.origin
        unknown = np.flatnonzero(~self.known).tolist()
        if origin is None:
            return Counter({_NO_RECORDS: len(unknown)})
        if snapshots is None:
            return Counter({_NO_SNAPSHOTS: len(unknown)})
        try:
            models = _Models(snapshots, origin.catalogs or {})
        except MarqueeError as error:
            return Counter({_lost(error): len(unknown)})
        reasons: Counter[str] = Counter()
        for number in unknown:
            try:
                logits = models.logits(origin.records[int(origin.record_of[number])])
            except MarqueeError as error:
                reasons[_lost(error)] += 1
                continue
            if logits is None:
                reasons[_OTHERWISE] += 1
            else:
                self.numbers[number] = -np.inf
                self.numbers[number, : len(logits)] = logits
        return reasons


class _Models:
    """The learned policy that drew logged orders."""

    def __init__(self, snapshots: Snapshots, catalogs: Mapping[str, CatalogDocument]) -> None:
        keys = known_snapshot_keys(snapshots.config)
        if keys is None:
            raise SimulatorError(
                "the key that signs the service's snapshots is not there",
                hint="name the service's configuration by --config, which says where it is",
            )
        self._store = FileSnapshotStore(snapshots.directory, keys)
        self._policy = Policy(_for_the_learned_share(snapshots.config))
        self._catalogs = catalogs
        self._model_of = cache(self._model)
        self._serving_of = cache(self._serving)

    def logits(self, record: DecisionRecord) -> FloatArray | None:
        """Return (R,) what the page's rows were drawn by, -inf for pins; None: by something else.

        Raises:
            MarqueeError: the snapshot or the catalog is lost.
        """
        serving = self._serving_of(record.catalog, record.snapshots.get("rows", ""))
        logged = [row.propensity for row in record.rows]
        found = self._policy.row_propensities(record, serving)
        if not np.allclose(found, logged, rtol=TOLERANCE, atol=0.0):
            return None
        lottery = self._policy.row_lottery(record, serving)
        free = np.setdiff1d(np.arange(len(lottery.scores)), list(lottery.pinned.values()))
        logits = lottery.strategy.logits(lottery.scores[free])
        if logits is None:
            return None
        numbers = np.full(len(lottery.scores), -np.inf)
        numbers[free] = logits
        return numbers

    def _serving(self, catalog: str, version: str) -> Serving:
        if catalog not in self._catalogs:
            raise SimulatorError(f"catalog {catalog} did not come with the log")
        built = Catalog.build(self._catalogs[catalog], version=catalog)
        return Serving(built, {"rows": self._model_of(version)})

    def _model(self, version: str) -> ServedModel:
        snapshot = self._store.load("rows", version)
        return ServedModel(version, shape_of(snapshot.manifest), snapshot.arrays)


def _for_the_learned_share(config: Config) -> Config:
    """Return the configuration under which everybody gets what was learned."""
    replace = msgspec.structs.replace
    rows = replace(config.surfaces.rows, holdout=0.0, explore=0.0, mode="online")
    return replace(config, surfaces=replace(config.surfaces, rows=rows))


def _free_rows(rankings: LoggedRankings) -> tuple[BoolArray, CodeArray]:
    """Return (n, R) which candidates took part in the draw, and (n, L) what was pinned where."""
    count = len(rankings)
    there = np.ones((count, rankings.item_count), np.bool_)
    if rankings.candidates is not None:
        there = rankings.candidates >= 0
    pinned = np.full(rankings.items.shape, -1, np.int32)
    if rankings.origin is None:
        return there, pinned
    for number, index in enumerate(rankings.origin.record_of.tolist()):
        record = rankings.origin.records[index]
        if record.pins:
            there[number] &= ~np.isin(
                np.arange(there.shape[1]), [record.row_candidates.index(one) for one in record.pins]
            )
            at = [place for place, row in enumerate(record.rows) if row.pinned]
            pinned[number, at] = rankings.items[number, at]
    return there, pinned


def _lost(error: MarqueeError) -> str:
    return f"were drawn by a learned model that cannot be asked anew ({error.message})"


def _told(reasons: Mapping[str, int], rounds: int) -> str:
    return "; ".join(f"{count:,} of {rounds:,} orders {why}" for why, count in reasons.items())
