"""Explanations of real decisions by the real service: nothing changed, things gone, feedback."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from queue import Queue
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from werkzeug.test import TestResponse

from bandit.catalog import CatalogStore, empty_catalog
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.serving import Serving
from bandit.snapshots import MemorySnapshotStore
from server import explainer as explainer_module
from server.app import create_app
from server.explain_wire import ExplainAnswer
from server.explainer import Explainer, Line
from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    LEEWAY_S,
    PAGE,
    WINDOW_S,
    Node,
    Site,
    event,
    site_at,
    value,
)


def told(node: Node, decision_id: str) -> Any:
    """Ask for an explanation that must be there, of the type that is promised."""
    response = node.http.get(f"/v1/decisions/{decision_id}/explain")
    assert response.status_code == 200, response.text
    msgspec.json.decode(response.data, type=ExplainAnswer)
    return value(response)


def learned_page(site: Site, node: Node) -> Any:
    """Teach a little, serve what was learned, and return a page decided with it."""
    for number in range(20):
        page = node.rank(viewer_id=f"pupil-{number}")
        title = page["rows"][0]["titles"][0]
        likes = title["artwork"] == "a1"
        seen = event(f"i-{number}", page, "impression", title["id"])
        play = event(f"p-{number}", page, "play", title["id"], seconds=300.0, fraction=0.9)
        node.report(*([seen, play] if likes else [seen]))
    site.close_windows()
    site.learn()
    node.service._serving.refresh()
    return node.rank(viewer_id="viewer-a")


def test_what_did_not_change_is_explained_exactly(site: Site, node: Node) -> None:
    page = learned_page(site, node)
    assert set(page["snapshots"]) == {"artwork", "rows"}
    answer = told(node, page["decision_id"])
    assert answer["exact"], answer["notes"]
    assert answer["notes"] == []
    assert answer["snapshots"] == page["snapshots"]
    assert answer["context"] == PAGE["context"]
    assert answer["viewer_id"] == "viewer-a"
    served = {title["id"]: title for row in page["rows"] for title in row["titles"]}
    assert [title["id"] for title in answer["titles"]] == list(served)
    for title in answer["titles"]:
        shown = next(one for one in title["artworks"] if one["id"] == title["artwork"])
        assert shown["probability"] == served[title["id"]]["propensity"] == title["propensity"]
        assert sum(one["probability"] for one in title["artworks"]) == pytest.approx(1)
        for one in title["artworks"]:
            total = sum(part["value"] for part in one["contributions"]) + one["rest"]
            assert total == pytest.approx(one["score"], abs=1e-12)
            sizes = [abs(part["value"]) for part in one["contributions"]]
            assert sizes == sorted(sizes, reverse=True)
            assert len(sizes) <= 10
    for row, shown in zip(answer["rows"], page["rows"], strict=True):
        assert (row["id"], row["position"]) == (shown["id"], shown["position"])
        assert row["probability"] == pytest.approx(shown["propensity"], abs=1e-12)
        total = sum(part["value"] for part in row["contributions"]) + row["rest"]
        assert total == pytest.approx(row["score"], abs=1e-12)
    names = {
        part["feature"]
        for title in answer["titles"]
        for one in title["artworks"]
        for part in one["contributions"]
    }
    assert "context.tastes=noir × artwork.mood=m1" in names
    assert "context.hour:21 × artwork.mood=m1" in names


def test_the_first_pages_have_probabilities_and_no_scores(node: Node) -> None:
    answer = told(node, node.rank()["decision_id"])
    assert answer["exact"]
    for title in answer["titles"]:
        assert [one["probability"] for one in title["artworks"]] == [0.25] * 4
        assert all(one["score"] is None for one in title["artworks"])
    assert all(row["score"] is None for row in answer["rows"])


def test_changed_settings_are_told(site: Site, node: Node) -> None:
    page = learned_page(site, node)
    changed = site.node(settings={"MARQUEE__SURFACES__ARTWORK__EXPLORATION__TYPE": "uniform"})
    answer = told(changed, page["decision_id"])
    assert not answer["exact"]
    (note,) = answer["notes"]
    assert "differ from those recomputed under today's settings" in note
    assert {one["probability"] for one in answer["titles"][0]["artworks"]} == {0.25}


def test_a_pruned_snapshot_is_told_of(site: Site, node: Node) -> None:
    page = learned_page(site, node)
    other = site.node()
    version = page["snapshots"]["artwork"]
    gone = Explainer(
        {"champion": Line(site.config, site.snapshots)},
        reader=SqliteEventReader(site.config.log.directory, site.clock),
        catalogs=CatalogStore(site.config.catalog.directory, site.config.limits),
        serving=lambda: Serving(empty_catalog()),
    )
    shutil.rmtree(Path(site.config.snapshots.directory) / "artwork" / version)
    answer = gone.explain(page["decision_id"])
    gone.close()
    assert not answer.exact
    assert any(f"snapshot {version} of artwork is not to be had" in note for note in answer.notes)
    assert all(one.probability is None for title in answer.titles for one in title.artworks)
    # The worker that serves it still holds it.
    assert told(other, page["decision_id"])["rows"] == msgspec.to_builtins(answer.rows)


def test_what_the_challenger_decided_is_explained_by_its_own_line(site: Site, node: Node) -> None:
    page = learned_page(site, node)
    record = site.reader.find_decision(page["decision_id"])
    assert record is not None
    moved = replace(record, decision_id="by-challenger", line="challenger", deferred=True)
    site.append(moved)
    (strange,) = {note for note in told(node, "by-challenger")["notes"] if "rows" in note}
    assert "the challenger decided, and none is configured now" in strange
    greedy = site.configured({"MARQUEE__SURFACES__ARTWORK__EXPLORATION__TYPE": "uniform"})
    explainer = Explainer(
        {
            "champion": Line(greedy, MemorySnapshotStore()),
            "challenger": Line(site.config, site.snapshots),
        },
        reader=SqliteEventReader(site.config.log.directory, site.clock),
        catalogs=CatalogStore(site.config.catalog.directory, site.config.limits),
        serving=lambda: node.service._serving.current,
    )
    assert explainer.explain("by-challenger").exact
    assert not explainer.explain(page["decision_id"]).exact
    explainer.close()


def test_viewers_stand_as_they_are_stored(tmp_path: Path) -> None:
    with site_at(tmp_path, {**EVERYBODY_LEARNED, "MARQUEE__PRIVACY__VIEWER_IDS": "hashed"}) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        answer = told(node, node.rank(viewer_id="viewer-7")["decision_id"])
        assert answer["exact"]
        assert len(answer["viewer_id"]) == 32
        assert "viewer-7" not in str(answer)


def test_a_lost_catalog_leaves_what_the_record_says(site: Site, node: Node) -> None:
    page = node.rank()
    node.http.put("/v1/catalog", json={**CATALOG, "rows": []})
    (Path(site.config.catalog.directory) / f"{page['catalog']}.msgpack").unlink()
    (Path(site.config.catalog.directory) / f"{page['catalog']}.arrays").unlink()
    node.service._serving.refresh()
    answer = told(node, page["decision_id"])
    assert not answer["exact"]
    assert "is not to be had" in answer["notes"][0]
    assert [title["artworks"] for title in answer["titles"]] == [[]] * 6
    assert [title["row"] for title in answer["titles"]] == ["r0", "r0", "r1", "r1", "r2", "r2"]


def test_feedback_is_joined_as_the_learner_does(site: Site, node: Node) -> None:
    page = node.rank()
    fresh = told(node, page["decision_id"])
    assert fresh["feedback"]["state"].startswith("open")
    assert fresh["feedback"]["events"] == []
    assert fresh["rewards"] == {"titles": {}, "rows": {}}
    closes_at = site.clock.now_us() / 1e6 + WINDOW_S + LEEWAY_S
    assert fresh["feedback"]["closes_at"] == pytest.approx(closes_at, abs=0.1)
    node.report(
        event("e1", page, "impression", "t0", row="r0"),
        event("e2", page, "impression", "t1", row="r0"),
        event("e3", page, "click", "t1", row="r0"),
    )
    answer = told(node, page["decision_id"])
    assert [one["taken_as"] for one in answer["feedback"]["events"]] == ["joined"] * 3
    assert answer["feedback"]["complete"]
    assert answer["rewards"]["titles"] == {
        "t0": {"reward": 0.0, "why": "seen, nothing done: default reward 0"},
        "t1": {"reward": 0.2, "why": "clicked (0.2): reward 0.2"},
    }
    assert answer["rewards"]["rows"]["r0"]["reward"] == 0.2
    node.report(event("e4", page, "play", "t1", row="r0", seconds=120.0, fraction=1.0))
    closing = told(node, page["decision_id"])
    assert closing["feedback"]["state"].startswith("closing")
    assert closing["rewards"]["titles"]["t1"]["reward"] == 1.0
    site.pass_s(2)
    node.report(event("e5", page, "click", "t0", row="r0"))
    closed = told(node, page["decision_id"])
    assert closed["feedback"]["state"] == "closed: it was played"
    assert closed["feedback"]["closes_at"] is None
    assert closed["feedback"]["events"][-1]["taken_as"] == "late"
    assert closed["rewards"] == closing["rewards"]
    assert site.learn().learned.shares["artwork"]["learned"].displays == 2


def test_feedback_in_another_workers_spool_is_found(site: Site, node: Node) -> None:
    other = site.node()
    page = node.rank()
    other.report(event("e1", page, "impression", "t3"))
    answer = told(node, page["decision_id"])
    assert [one["event_id"] for one in answer["feedback"]["events"]] == ["e1"]


def test_a_deferred_decision_waits_and_expires(site: Site, node: Node) -> None:
    shown, forgotten = node.rank(defer=True), node.rank(defer=True, viewer_id="v2")
    assert told(node, shown["decision_id"])["feedback"]["state"].startswith("deferred")
    node.post(f"/v1/decisions/{shown['decision_id']}/activate", None)
    assert told(node, shown["decision_id"])["feedback"]["state"].startswith("open")
    site.close_windows()
    node.rank(viewer_id="v3")
    assert told(node, forgotten["decision_id"])["feedback"]["state"].startswith("expired")
    assert told(node, shown["decision_id"])["feedback"]["state"] == "closed: its window is over"


@pytest.mark.parametrize("decision_id", ["a/explain", "x/activate", "explain", "/v1/decisions/a"])
def test_ids_may_look_like_addresses(node: Node, decision_id: str) -> None:
    node.rank(decision_id=decision_id)
    assert told(node, decision_id)["decision_id"] == decision_id


def test_what_is_not_committed_yet_is_found(tmp_path: Path) -> None:
    settings = {**EVERYBODY_LEARNED, "MARQUEE__LOG__RANK_WAITS_FOR_COMMIT": "false"}
    with site_at(tmp_path, settings) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        answer = told(node, node.rank()["decision_id"])
        assert answer["exact"]
        assert answer["feedback"]["state"].startswith("open")


def test_unknown_and_erased_decisions_are_not_there(node: Node) -> None:
    response = node.http.get("/v1/decisions/never/explain")
    assert response.status_code == 404
    problem = value(response)
    assert problem["type"].endswith(":decision")
    assert "erased" in problem["hint"]


def test_one_explanation_is_made_at_a_time_and_one_waits(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explainer_module, "BUSY_S", 30.0)
    page = node.rank()
    inside, go_on = threading.Event(), threading.Event()
    answers: Queue[TestResponse] = Queue()
    explainer = node.service._explainer

    def held(_key: str) -> None:
        inside.set()
        assert go_on.wait(30)

    first = threading.Thread(target=explainer.explain, args=(page["decision_id"], held))
    first.start()
    assert inside.wait(30)
    url = f"/v1/decisions/{page['decision_id']}/explain"
    others = [
        threading.Thread(
            target=lambda: answers.put(create_app(node.service).test_client().get(url))
        )
        for _ in range(3)
    ]
    for other in others:
        other.start()
    refused = [answers.get(timeout=30) for _ in range(2)]
    go_on.set()
    waited = answers.get(timeout=30)
    for thread in [first, *others]:
        thread.join(30)
    assert [one.status_code for one in refused] == [503, 503]
    assert {one.headers["Retry-After"] for one in refused} == {"1"}
    assert waited.status_code == 200
    assert told(node, page["decision_id"])["exact"]


def test_who_waits_too_long_is_told_to_come_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explainer_module, "BUSY_S", 0.0)
    page = node.rank()
    with node.service._explainer._alone():
        assert node.http.get(f"/v1/decisions/{page['decision_id']}/explain").status_code == 503
    assert told(node, page["decision_id"])["exact"]


def test_weights_are_named(site: Site, node: Node) -> None:
    nothing = value(node.http.get("/v1/weights/artwork"))
    assert nothing["snapshot"] is None
    page = learned_page(site, node)
    answer = value(node.http.get("/v1/weights/artwork"))
    assert answer["snapshot"] == page["snapshots"]["artwork"]
    names = [one["feature"] for one in answer["weights"]]
    assert len(names) == len(set(names)) <= 50
    assert "context.tastes=noir × artwork.mood=m1" in names
    assert answer["unnamed"] == 0
    assert answer["named"] >= len(names)
    rows = value(node.http.get("/v1/weights/rows"))
    assert {one["feature"] for one in rows["weights"]} & {
        "row.kind=k0",
        "context.hour × row.kind=k0",
    }


def test_other_surfaces_have_no_weights(node: Node) -> None:
    response = node.http.get("/v1/weights/posters")
    assert response.status_code == 422
    assert value(response)["field"] == "surface"
