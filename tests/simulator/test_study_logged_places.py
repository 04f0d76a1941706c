"""Where the policy that wrote a log would have put its rows, and of which logs that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandit.catalog import Catalog, CatalogDocument
from bandit.config import Config, parse_config
from bandit.engine import ModelArrays
from bandit.engines import shape_of
from bandit.events import DecisionRecord
from bandit.policy import Policy, ServedModel, Serving
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, SnapshotDetails
from bandit.types import FloatArray, Page, PageRow, Row, Surface
from simulator.logged import DecisionOrigin, LoggedRankings
from simulator.policies.targets import make_target
from simulator.rankings.placement import placement_probabilities
from simulator.studies.asked import asked_estimators
from simulator.studies.judging import judge
from simulator.studies.logged_places import LoggedPlaces, Snapshots, logged_places
from simulator.studies.plans import JudgePlan
from simulator.studies.ranking_case import RankingCase

ROWS = ("new", "noir", "love", "short", "long")
BITS = 10
CATALOG = CatalogDocument([], [Row(name, {"kind": name}) for name in ROWS])
VERSION = "c1"


def config(root: Path, **rows: object) -> Config:
    surfaces = {"rows": {"model": {"bits": BITS}, "holdout": 0.0, "explore": 0.0, **rows}}
    kept = {"snapshots": {"directory": str(root / "snapshots")}}
    secrets = {"auth": {"secrets_directory": str(root / "secrets")}}
    return parse_config({"surfaces": surfaces, **kept, **secrets}, name="test")


def publish(settings: Config, seed: int) -> ServedModel:
    """Publish a model that knows something of every row."""
    weights = np.random.default_rng(seed).normal(0, 0.03, 1 << BITS).astype(np.float32)
    arrays = ModelArrays(weights, np.ones(1 << BITS, np.float32))
    details = SnapshotDetails(
        created_at_us=1,
        bits=BITS,
        interactions=[["context", "row"]],
        constant=True,
        engine_version="1",
        examples_learned=1,
        log_clock_us=1,
    )
    store = FileSnapshotStore(settings.snapshots.directory, snapshot_keys(settings))
    manifest = store.publish("rows", arrays, b"", details)
    return ServedModel(manifest.version, shape_of(manifest), arrays)


def decisions(
    settings: Config, models: list[ServedModel], count: int, *, pins: dict[str, int] | None = None
) -> Iterator[DecisionRecord]:
    policy, catalog = Policy(settings), Catalog.build(CATALOG, version=VERSION)
    asked = [PageRow(name, pinned=(pins or {}).get(name)) for name in ROWS]
    for number in range(count):
        served: dict[Surface, ServedModel] = {}
        if models:
            served["rows"] = models[number % len(models)]
        page = Page(
            viewer_id=f"v{number}", context={"hour": float(number % 3)}, rows=asked, max_rows=4
        )
        serving = Serving(catalog, served)
        yield policy.decide(page, decision_id=f"d{number}", now_us=1, serving=serving).record


def rankings(records: list[DecisionRecord]) -> LoggedRankings:
    shape = (len(records), 4)
    items, propensity = np.full(shape, -1, np.int32), np.ones(shape)
    for number, record in enumerate(records):
        for at, row in enumerate(record.rows):
            items[number, at] = record.row_candidates.index(row.id)
            propensity[number, at] = row.propensity
    every = np.arange(len(records), dtype=np.int32)
    return LoggedRankings(
        items=items,
        propensity=propensity,
        reward=np.zeros(shape),
        item_count=len(ROWS),
        origin=DecisionOrigin(records, every, np.full_like(every, -1), {VERSION: CATALOG}),
    )


def with_pins(logits: FloatArray, positions: int, pinned: dict[int, int]) -> FloatArray:
    """Return (L, R) for one page: rows that are not pinned fill the places that are left."""
    rows = np.setdiff1d(np.arange(len(logits)), list(pinned.values()))
    places = np.setdiff1d(np.arange(positions), list(pinned))
    found = np.zeros((positions, len(logits)))
    found[np.ix_(places, rows)] = placement_probabilities(logits[rows], len(places))
    for position, row in pinned.items():
        if position < positions:
            found[position, row] = 1.0
    return found


def placements(places: LoggedPlaces) -> FloatArray:
    assert places.unknown == ""
    assert places.placements is not None
    return places.placements


def test_uniform_orders_put_free_rows_anywhere_and_pins_where_they_are(tmp_path: Path) -> None:
    settings = config(tmp_path, explore=1.0)
    for pins in ({}, {"love": 1, "new": 9}):
        logged = rankings(list(decisions(settings, [], 20, pins=pins)))
        pinned = {1: 2, 4: 0} if pins else {}
        expected = with_pins(np.zeros(len(ROWS)), 4, pinned)
        found = placements(logged_places(logged, None))
        np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-12)


def test_rounds_without_records_are_known_by_their_propensities() -> None:
    logged = LoggedRankings(
        items=np.array([[2, 0], [0, -1]], np.int32),
        propensity=np.array([[1 / 3, 1 / 2], [1.0, 1.0]]),
        reward=np.zeros((2, 2)),
        item_count=3,
        candidates=np.array([[4, 5, 6], [7, -1, -1]], np.int32),
    )
    found = placements(logged_places(logged, None))
    np.testing.assert_allclose(found[0], np.full((2, 3), 1 / 3))
    np.testing.assert_array_equal(found[1], [[1, 0, 0], [0, 0, 0]])


def test_what_was_ordered_without_chance_stands_where_it_stands(tmp_path: Path) -> None:
    logged = rankings(list(decisions(config(tmp_path, holdout=1.0), [], 3, pins={"short": 0})))
    assert (logged.propensity == 1).all()
    found = placements(logged_places(logged, None))
    expected = np.eye(len(ROWS))[logged.items]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pins", [{}, {"love": 2}])
def test_learned_orders_are_drawn_anew_from_the_snapshot_that_they_name(
    tmp_path: Path, pins: dict[str, int]
) -> None:
    settings = config(tmp_path, explore=0.2, holdout=0.1)
    models = [publish(settings, seed) for seed in (1, 2)]
    records = list(decisions(settings, models, 60, pins=pins))
    logged = rankings(records)
    shares = {record.shares["rows"] for record in records}
    assert shares == {"learned", "explore", "holdout"}
    snapshots = Snapshots(Path(settings.snapshots.directory), settings)
    found = placements(logged_places(logged, snapshots))
    policy, catalog = Policy(settings), Catalog.build(CATALOG, version=VERSION)
    for number, record in enumerate(records):
        model = models[number % 2]
        lottery = policy.row_lottery(record, Serving(catalog, {"rows": model}))
        free = np.setdiff1d(np.arange(len(ROWS)), list(lottery.pinned.values()))
        logits = lottery.strategy.logits(lottery.scores[free])
        if logits is None:
            expected = np.eye(len(ROWS))[logged.items[number]]
        else:
            padded = np.zeros(len(ROWS))
            padded[free] = logits
            expected = with_pins(padded, 4, dict(lottery.pinned))
        np.testing.assert_allclose(found[number], expected, rtol=1e-9, atol=1e-15)
    # Given nothing above it, the first row's marginal is the propensity that was logged.
    first = np.take_along_axis(found[:, 0], logged.items[:, :1], axis=1)[:, 0]
    np.testing.assert_allclose(first, logged.propensity[:, 0], rtol=1e-9)


def test_what_is_not_known_is_said_with_its_reason(tmp_path: Path) -> None:
    settings = config(tmp_path, explore=0.3)
    model = publish(settings, 1)
    records = list(decisions(settings, [model], 40))
    logged = rankings(records)
    learned = sum(record.shares["rows"] == "learned" for record in records)
    assert 0 < learned < 40
    told = logged_places(logged, None)
    assert told.placements is None
    assert told.unknown.startswith(f"{learned} of 40 orders were drawn by a learned model")
    assert "--snapshots" in told.unknown
    told = logged_places(replace(logged, origin=None), None)
    assert f"{learned} of 40 orders were not drawn uniformly" in told.unknown
    directory = Path(settings.snapshots.directory)
    other = config(tmp_path, exploration={"type": "plackett_luce", "temperature": 0.5})
    assert "other propensities" in logged_places(logged, Snapshots(directory, other)).unknown
    empty = Snapshots(tmp_path / "nothing", settings)
    assert "there is no such snapshot" in logged_places(logged, empty).unknown
    keyless = Snapshots(directory, config(tmp_path / "elsewhere"))
    assert "the key that signs" in logged_places(logged, keyless).unknown


def test_an_estimator_without_marginals_has_no_value_but_the_reason(tmp_path: Path) -> None:
    settings = config(tmp_path)
    logged = rankings(list(decisions(settings, [publish(settings, 1)], 40)))
    plan = JudgePlan(estimators=asked_estimators(("iips", "pbm-iips", "rips"), "rows"))
    case = RankingCase(logged, make_target("uniform"), plan, None, logged_places(logged, None))
    found = {one.estimator: one for one in judge("uniform", case).estimates}
    for name in ("iips", "pbm-iips"):
        assert found[name].value is None
        assert "40 of 40 orders were drawn by a learned model" in found[name].diagnostics.verdict
        assert not found[name].diagnostics.sound
    assert found["rips"].value is not None
