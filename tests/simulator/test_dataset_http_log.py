"""A log that the service wrote over HTTP: what was answered and reported comes back as rounds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.catalog import CatalogStore
from bandit.clock import WallClock
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.outcome_files import export_log
from simulator.datasets import concatenate, concatenate_rankings, open_source
from simulator.datasets.streaming import stream
from tests.server.real_service import CATALOG, Node, Site
from tests.simulator.test_dataset_streaming import Fixed

PAGES = 30


def serve(node: Node) -> dict[tuple[str, str], tuple[str, float, float]]:
    """Serve pages; return artwork, propensity and reward by decision and title."""
    expected = {}
    for number in range(PAGES):
        answer = node.rank(viewer_id=f"v{number % 7}", decision_id=f"d{number}")
        shown = [title for row in answer["rows"][:2] for title in row["titles"]]
        events: list[dict[str, Any]] = []
        for place, title in enumerate(shown):
            event = {"decision_id": f"d{number}", "title": title["id"]}
            events.append({**event, "event_id": f"i{number}.{place}", "type": "impression"})
            reward = 0.0
            if title["artwork"] == "a1":
                play = {"type": "play", "seconds": 600.0, "fraction": 0.5}
                events.append({**event, "event_id": f"p{number}.{place}", **play})
                reward = 0.75
            key = (f"d{number}", title["id"])
            expected[key] = (title["artwork"], title["propensity"], reward)
        assert node.report(*events) == (len(events), 0)
    return expected


@pytest.fixture
def exported(site: Site, node: Node, tmp_path: Path) -> tuple[Path, Any]:
    expected = serve(node)
    site.stop(node)
    catalogs = CatalogStore(site.config.catalog.directory, site.config.limits)
    clock = WallClock()
    with closing(SqliteEventReader(site.config.log.directory, clock)) as reader:
        out = tmp_path / "exported"
        export_log(reader, catalogs, site.config, out, clock.now_us())
    return out, expected


def test_rounds_are_what_was_answered_and_reported(site: Site, exported: tuple[Path, Any]) -> None:
    out, expected = exported
    for source in (
        open_source(site.config.log.directory, config=site.config),
        open_source(out),
    ):
        rounds = concatenate(source.choices())
        assert rounds.origin is not None
        found = {}
        for number, item in enumerate(rounds.items()):
            title, artwork = rounds.names.items[item].split("/")
            name = rounds.origin.records[rounds.origin.record_of[number]].decision_id
            found[name, title] = (artwork, rounds.propensity[number], rounds.reward[number])
        assert found == expected
        assert rounds.cluster is not None
        assert len(set(rounds.cluster.tolist())) == 7
        assert {rounds.names.segments[code] for code in set(np.asarray(rounds.segment))} == {
            "learned"
        }


def test_spool_and_export_give_the_same_estimate(site: Site, exported: tuple[Path, Any]) -> None:
    target = Fixed("second", [0, 1.0, 0, 0])
    estimates = []
    for location in (site.config.log.directory, str(exported[0])):
        source = open_source(location, config=site.config)
        moments = stream(source.choices(), [target])["second"].moments["snips"]
        estimates.append((moments.value(), moments.standard_error()))
    assert estimates[0] == estimates[1]
    assert estimates[0][0] == pytest.approx(0.75)


def test_cold_orders_are_kept_only_if_asked_for(exported: tuple[Path, Any]) -> None:
    out, _ = exported
    assert list(open_source(out).rankings()) == []
    rankings = concatenate_rankings(open_source(out, keep_certain=True).rankings())
    assert (len(rankings), rankings.item_count) == (PAGES, len(CATALOG["rows"]))
    assert (rankings.propensity == 1).all()
