"""From pages and feedback over HTTP, through the log and the learner, to what the figures say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandit.insights.told import FILE_NAME, RESET_NAME
from server.insights_wire import InsightsAnswer, TitleInsightsAnswer
from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    LEEWAY_S,
    PAGE,
    START_US,
    WINDOW_S,
    Node,
    Site,
    event,
    site_at,
    value,
)

SETTINGS = {
    **EVERYBODY_LEARNED,
    "MARQUEE__INSIGHTS__SEGMENTS": '["device"]',
    "MARQUEE__INSIGHTS__INTERVAL_S": "5",
    "MARQUEE__INSIGHTS__CONFIDENCE": "0.9",
}
DEVICES = ("tv", "phone")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, SETTINGS) as made:
        made.node()
        assert made._nodes[0].http.put("/v1/catalog", json=CATALOG).status_code == 200
        yield made


@pytest.fixture
def node(site: Site) -> Node:
    return site._nodes[0]


def _told(node: Node) -> InsightsAnswer:
    response = node.http.get("/v1/insights")
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.data, type=InsightsAnswer)


def _visit(node: Node, number: int) -> Any:
    """Show a page of six titles, of which two are seen, and one of these is played."""
    device = DEVICES[number % 2]
    page = node.rank(viewer_id=f"v{number}", context={**PAGE["context"], "device": device})
    first, second = (page["rows"][0]["titles"][place]["id"] for place in (0, 1))
    row = page["rows"][0]["id"]
    node.report(
        event(f"i{number}", page, "impression", first, row=row),
        event(f"j{number}", page, "impression", second, row=row),
        event(f"c{number}", page, "click", first, row=row),
        event(f"p{number}", page, "play", first, row=row, seconds=600.0, fraction=0.5),
    )
    return page


def test_before_a_learner_told_anything_all_is_empty(node: Node) -> None:
    told = _told(node)
    assert told.series.at == []
    assert told.since is None
    assert told.lift == {"artwork": None, "rows": None}
    assert told.shares["artwork"]["learned"].take is None
    assert (told.alarms, told.titles, told.rows) == ([], [], [])


def test_what_viewers_did_is_told(site: Site, node: Node) -> None:
    for number in range(10):
        _visit(node, number)
    for _ in range(3):
        site.close_windows()
        site.learn()
        _visit(node, 100 + int(site.clock.now_us() - START_US))
    told = _told(node)
    learned = told.shares["artwork"]["learned"]
    # The last visit was not looked at yet; those before it closed half a second after their play.
    assert (learned.displays, learned.clicks, learned.plays) == (24, 12, 12)
    assert learned.reward == pytest.approx(12 * 0.75)
    assert learned.take is not None
    assert learned.reward_rate is not None
    assert learned.take.value == 0.5
    assert learned.take.low <= 0.5 <= learned.take.high
    assert learned.reward_rate.value == pytest.approx(0.375)
    assert told.shares["artwork"]["holdout"].take is None
    assert told.confidence == 0.9
    assert told.interval_s == 5.0

    series = told.series
    assert len(series.at) == len(series.outcomes) == len(series.lag_s)
    assert series.at == [series.at[0] + 5.0 * place for place in range(len(series.at))]
    assert series.at[0] <= START_US / 1e6 + 5.0
    assert sum(series.outcomes) == 12
    of_learned = series.surfaces["artwork"].shares["learned"]
    assert (sum(of_learned.displays), sum(of_learned.plays)) == (24, 12)
    entropies = [bits for bits in series.surfaces["artwork"].entropy_bits if bits is not None]
    assert 0.0 < entropies[0] <= 2.0, "four artworks, drawn alike before anything is learned"
    assert series.lag_s[-1] is not None
    assert series.model_age_s["artwork"][-1] is not None
    assert sum(series.examples) == 24 + 12

    titles = {title.id: title for title in told.titles}
    assert sum(title.displays for title in titles.values()) == 24
    assert [row.displays for row in told.rows] == sorted(
        (row.displays for row in told.rows), reverse=True
    )
    assert sum(row.plays for row in told.rows) == 12
    assert {row.position_mean for row in told.rows} == {0.0}
    assert told.join["closed"] == 12
    assert told.open_decisions == 0
    assert {(alarm.name, alarm.surface) for alarm in told.alarms} == {
        (name, surface)
        for name in ("reward_drop", "entropy_collapse")
        for surface in ("artwork", "rows")
    }
    assert [alarm["state"] for alarm in node.status()["alarms"]] == ["learning_usual"] * 4


def test_a_titles_artworks_are_told_by_segment(site: Site, node: Node) -> None:
    for number in range(12):
        _visit(node, number)
    site.close_windows()
    site.learn()
    told = _told(node)
    for title in told.titles:
        response = node.http.get(f"/v1/insights/titles/{title.id}")
        answer = msgspec.json.decode(response.data, type=TitleInsightsAnswer)
        assert answer.id == title.id
        assert sum(one.displays for one in answer.artworks) == title.displays
        assert sum(one.plays for one in answer.artworks) == title.plays
        assert sum(one.share or 0.0 for one in answer.artworks) == pytest.approx(1.0)
        for one in answer.artworks:
            assert one.take.low <= one.take.value <= one.take.high
            assert one.segments.keys() <= {"device=tv", "device=phone"}
            assert sum(cell.displays for cell in one.segments.values()) == one.displays
            assert sum(cell.plays for cell in one.segments.values()) == one.plays


def test_a_title_that_is_not_counted_is_not_found(node: Node) -> None:
    response = node.http.get("/v1/insights/titles/nobody")
    assert response.status_code == 404
    assert value(response)["type"].endswith("no-such-figures")
    assert "titles_max" in value(response)["hint"]
    assert node.http.get("/v1/insights/titles/no%20id").status_code == 422


def test_a_reset_is_an_order_that_the_learner_takes_up(site: Site, node: Node) -> None:
    directory = Path(site.config.learner.directory)
    site.learn()
    assert node.post("/v1/insights/alarms/reset", None).status_code == 204
    assert (directory / RESET_NAME).exists()
    site.pass_s(5.0)
    site.learner.keep_house(site.clock.now_us(), changed=True)
    assert not (directory / RESET_NAME).exists()
    assert node.post("/v1/insights/alarms/reset", None).status_code == 204


def test_what_cannot_be_written_or_read_is_told(site: Site, node: Node) -> None:
    _visit(node, 1)
    site.close_windows()
    site.learn()
    directory = Path(site.config.learner.directory)
    (directory / FILE_NAME).write_bytes(b"\xc1 no figures")
    assert _told(node).titles == []
    (directory / FILE_NAME).unlink()
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    response = node.post("/v1/insights/alarms/reset", None)
    assert response.status_code == 503
    assert value(response)["type"].endswith("state-unavailable")
    directory.mkdir()


def test_windows_that_are_open_hold_ranges_back(site: Site, node: Node) -> None:
    _visit(node, 1)
    site.pass_s(2.0)
    site.learn()
    told = _told(node).shares["artwork"]["learned"]
    assert (told.plays, told.take) == (1, None)
    site.pass_s(WINDOW_S + LEEWAY_S + 10.0)
    _visit(node, 2)
    site.pass_s(2.0)
    site.learn()
    take = _told(node).shares["artwork"]["learned"].take
    assert take is not None
    assert take.value == 0.5
