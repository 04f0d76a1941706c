"""The whole service in one process: catalog and snapshot lifecycle, status figures, a hung log."""

from __future__ import annotations

import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from bandit.eventlog.sqlite_schema import spool_path
from bandit.events import DecisionRecord
from bandit.features import feature_hash
from bandit.sampling import share_of
from bandit.types import SHARES, SURFACES
from server.local import wait_until
from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    PAGE,
    WAIT_S,
    Node,
    Site,
    event,
    site_at,
    value,
)

MSGPACK = "application/msgpack"


def learn_a_page(site: Site, node: Node, viewer: str = "v1") -> None:
    """Have a viewer play a title, and what comes of it served."""
    decision = node.rank(viewer_id=viewer)
    node.report(event(f"play-{viewer}", decision, "play", "t0", row="r0", seconds=600))
    site.close_windows()
    site.learn()
    newest = {surface: site.snapshots.versions(surface)[0].version for surface in SURFACES}
    wait_until(lambda: served(node) == newest, WAIT_S, "serving the new snapshots")


def served(node: Node) -> dict[str, str]:
    snapshots: dict[str, str] = node.rank(viewer_id="somebody")["snapshots"]
    return snapshots


def test_a_title_added_by_patch_is_served_and_explored_at_once(tmp_path: Path) -> None:
    strategy = '{"type": "epsilon_greedy", "epsilon": 0.2}'
    settings = {**EVERYBODY_LEARNED, "MARQUEE__SURFACES__ARTWORK__EXPLORATION": strategy}
    fresh = {
        "id": "fresh",
        "artworks": [{"id": f"f{art}", "features": {"mood": f"m{art}"}} for art in range(4)],
    }
    with site_at(tmp_path, settings) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        learn_a_page(site, node)
        assert node.rank(titles=["fresh"])["omitted"] == ["fresh"]
        assert node.http.patch("/v1/catalog", json={"titles": [fresh]}).status_code == 200
        seen: dict[str, float] = {}
        for batch in range(2):
            pages = [
                {"viewer_id": f"viewer-{batch}-{page}", "titles": ["fresh"]} for page in range(100)
            ]
            for item in value(node.post("/v1/rank/batch", {"pages": pages}))["pages"]:
                assert item["decision"]["snapshots"].keys() == {"artwork", "rows"}
                (title,) = item["decision"]["titles"]
                seen[title["artwork"]] = title["propensity"]
        assert seen.keys() == {"f0", "f1", "f2", "f3"}
        # Without context all these viewers get the same probabilities.
        assert math.isclose(sum(seen.values()), 1.0)
        assert min(seen.values()) >= 0.2 / 4


def test_a_removed_title_is_omitted_and_its_old_decision_is_still_learned(
    site: Site, node: Node
) -> None:
    decision = node.rank()
    old = decision["catalog"]
    removed = node.http.patch("/v1/catalog", json={"remove_titles": ["t0"]})
    assert value(removed)["titles"] == 5
    after = node.rank(viewer_id="v2")
    assert after["omitted"] == ["t0"]
    assert "t0" not in {title["id"] for row in after["rows"] for title in row["titles"]}
    assert after["catalog"] == value(removed)["version"] != old
    node.report(event("e1", decision, "play", "t0", row="r0", seconds=600))
    site.close_windows()
    learned = site.learn().learned
    assert (learned.examples["artwork"], learned.missing_items) == (1, 0)
    # What was learned is of the removed title's own features, which only the old version has.
    shown = {title["id"]: title["artwork"] for row in decision["rows"] for title in row["titles"]}
    weights = site.learner.engines.arrays("artwork").weights
    mood = feature_hash("artwork", f"mood=m{shown['t0'][1:]}")
    assert weights[mood & (len(weights) - 1)] > 0


def test_nodes_see_each_others_catalog_within_a_refresh(site: Site, node: Node) -> None:
    other = site.node()
    assert other.rank(viewer_id="v2")["catalog"] == node.rank()["catalog"]
    put = other.http.put("/v1/catalog", json={**CATALOG, "rows": CATALOG["rows"][:1]})
    version = value(put)["version"]
    assert other.rank(viewer_id="v3")["catalog"] == version
    wait_until(lambda: node.http.get("/v1/catalog").headers["ETag"] == f'"{version}"',
               WAIT_S, "the other node's catalog")  # fmt: skip
    assert node.rank(viewer_id="v4")["catalog"] == version
    stale = node.http.patch(
        "/v1/catalog", json={"remove_rows": ["r0"]}, headers={"If-Match": '"c0123456789abcdef"'}
    )
    assert stale.status_code == 412


def test_a_snapshot_is_served_rolled_back_pinned_and_followed_again(site: Site, node: Node) -> None:
    learn_a_page(site, node, "first")
    old = served(node)
    learn_a_page(site, node, "second")
    new = served(node)
    assert new["artwork"] > old["artwork"]
    back = node.post(f"/v1/snapshots/{old['artwork']}/activate", None)
    assert value(back)["pinned"]
    assert served(node) == {**new, "artwork": old["artwork"]}
    assert node.status()["models"]["artwork"]["pinned"]
    listed = {one["version"]: one for one in value(node.http.get("/v1/snapshots"))["snapshots"]}
    assert [listed[name]["active"] for name in (old["artwork"], new["artwork"])] == [True, False]

    decision = node.rank(viewer_id="third")
    node.report(event("third", decision, "play", "t1", row="r0", seconds=600))
    site.close_windows()
    site.learn()
    newest = {surface: site.snapshots.versions(surface)[0].version for surface in SURFACES}
    assert newest["artwork"] > new["artwork"]
    wait_until(lambda: served(node)["rows"] == newest["rows"], WAIT_S, "the surface not pinned")
    assert served(node)["artwork"] == old["artwork"]
    forward = node.post(f"/v1/snapshots/{newest['artwork']}/activate", None)
    assert not value(forward)["pinned"]
    assert served(node) == newest


def test_every_route_answers_equal_values_in_both_encodings(site: Site, node: Node) -> None:
    learn_a_page(site, node)
    decision = node.rank(decision_id="d1")
    page = {**PAGE, "decision_id": "d1"}
    known = event("play-v1", decision, "play", "t0", row="r0", seconds=600)
    wrong = {**known, "event_id": "e2", "token": "forged"}
    version = served(node)["artwork"]
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/v1/rank", page),
        ("POST", "/v1/rank", {**page, "max_rows": 1}),
        ("POST", "/v1/rank/batch", {"pages": [page, {"rows": 3}, {**PAGE, "decision_id": "d1"}]}),
        ("POST", "/v1/feedback", {"events": [known, wrong, {"event_id": 3}]}),
        ("PUT", "/v1/catalog", CATALOG),
        ("PATCH", "/v1/catalog", {}),
        ("PATCH", "/v1/catalog", {"remove_titles": ["nobody"]}),
        ("GET", "/v1/catalog", None),
        ("GET", "/v1/status", None),
        ("GET", "/v1/snapshots", None),
        ("POST", f"/v1/snapshots/{version}/activate", None),
        ("POST", "/v1/snapshots/none/activate", None),
        ("POST", "/v1/decisions/d1/activate", None),
        ("GET", "/livez", None),
        ("GET", "/readyz", None),
        ("GET", "/nowhere", None),
    ]
    for method, path, body in calls:
        in_json = node.http.open(path, method=method, json=body) if body is not None else (
            node.http.open(path, method=method)
        )  # fmt: skip
        sent = None if body is None else msgspec.msgpack.encode(body)
        headers = {"Accept": MSGPACK} | ({"Content-Type": MSGPACK} if body is not None else {})
        in_msgpack = node.http.open(path, method=method, data=sent, headers=headers)
        assert in_json.status_code == in_msgpack.status_code, path
        if in_json.status_code != 204:
            assert "msgpack" in in_msgpack.content_type, path
            assert value(in_json) == value(in_msgpack), path


SHARED = {
    f"MARQUEE__SURFACES__{surface.upper()}__{share}": "0.3"
    for surface in SURFACES
    for share in ("HOLDOUT", "EXPLORE")
}


def test_status_figures_are_those_of_the_traffic(tmp_path: Path) -> None:
    with site_at(tmp_path, SHARED) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        viewers = [f"viewer-{number}" for number in range(40)]
        told = {share: {"displays": 0, "clicks": 0, "plays": 0} for share in SHARES}
        rewards = dict.fromkeys(SHARES, 0.0)
        events = 0
        for number, viewer in enumerate(viewers):
            decision = node.rank(viewer_id=viewer)
            share = decision["share"]
            assert share == share_of(site.config.surfaces.salt, viewer, 0.3, 0.3)
            sent = [event(f"{viewer}-{t}", decision, "impression", t) for t in ("t0", "t1", "t2")]
            told[share]["displays"] += 3
            if number % 2:
                sent.append(event(f"{viewer}-c", decision, "click", "t1"))
                told[share]["clicks"] += 1
                rewards[share] += 0.2
            if number % 5 == 0:
                # Half of the title watched: 0.5 for the play and half of the 0.5 for the whole.
                sent.append(event(f"{viewer}-p", decision, "play", "t0", seconds=900, fraction=0.5))
                told[share]["plays"] += 1
                rewards[share] += 0.75
            if number % 4 == 0:
                sent.append(event(f"{viewer}-q", decision, "play", "t2", seconds=3))
            assert node.report(*sent) == (len(sent), 0)
            events += len(sent)
        site.close_windows()
        site.learn()
        status = node.status()

    reports = status["shares"]["artwork"]
    for share in SHARES:
        counted, report = told[share], reports[share]
        assert counted["displays"] > 3 * 5
        assert {name: report[name] for name in counted} == counted
        assert report["take_fraction"] == counted["plays"] / counted["displays"]
        assert math.isclose(report["reward_rate"], rewards[share] / counted["displays"])
    rates = {share: rewards[share] / told[share]["displays"] for share in SHARES}
    assert math.isclose(status["lift"]["artwork"], rates["learned"] / rates["holdout"] - 1)
    # Four artworks a title, uniform as long as there is no model: two bits; given rows: none.
    assert math.isclose(status["entropy_bits"]["artwork"], 2.0, rel_tol=1e-6)
    assert status["entropy_bits"]["rows"] is None
    learner = status["learner"]
    # What a play closed half a second after it is over soonest, and is forgotten by now.
    closed_by_play = sum(number % 5 == 0 for number in range(40))
    assert learner["join"] == {
        **dict.fromkeys(learner["join"], 0),
        "opened": 40, "joined": events, "closed": 40, "forgotten": closed_by_play,
    }  # fmt: skip
    assert learner["outcomes"] == {"play": closed_by_play, "window": 40 - closed_by_play}
    learned_from = told["learned"]["displays"] + told["explore"]["displays"]
    assert learner["examples"]["artwork"] == learned_from
    assert (learner["open_decisions"], learner["dead_letters"], learner["missing_items"]) == (
        0, 0, 0,
    )  # fmt: skip
    assert (learner["reported_s_ago"], learner["lag_s"]) == (0.0, 0.0)


def test_a_log_that_hangs_costs_no_page_and_comes_back_by_itself(tmp_path: Path) -> None:
    settings = {
        **EVERYBODY_LEARNED,
        "MARQUEE__LOG__COMMIT_TIMEOUT_S": "0.1",
        "MARQUEE__LOG__RANK_COMMIT_TIMEOUT_S": "2.0",
    }
    with site_at(tmp_path, settings) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        before = node.rank()
        click = {"events": [event("e1", before, "click", "t0")]}
        (spool,) = site.reader.spools()
        file = spool_path(Path(site.config.log.directory), spool)
        # Another process that holds SQLite's write lock: nothing can be committed until it ends.
        with closing(sqlite3.connect(file, isolation_level=None, timeout=WAIT_S)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            refused = node.post("/v1/feedback", click)
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) >= 1
            assert value(refused)["hint"]
            page = node.post("/v1/rank", {**PAGE, "viewer_id": "v2"})
            assert page.status_code == 201
            assert value(page)["logged"] is False
            assert value(page)["rows"]
            assert node.http.get("/livez").status_code == 200
            holder.execute("ROLLBACK")
        wait_until(lambda: node.post("/v1/feedback", click).status_code == 202, WAIT_S, "the log")
        assert node.rank(viewer_id="v3")["logged"] is True
        assert node.report(*click["events"]) == (0, 1)
        metrics = node.http.get("/metrics").text
        assert 'marquee_decisions_unlogged_total{reason="unavailable"} 1.0' in metrics
        sequences = [logged.sequence for logged in site.records()]
        assert sequences == list(range(1, len(sequences) + 1))
        assert sum(not isinstance(each.record, DecisionRecord) for each in site.records()) == 1


def test_a_spool_that_cannot_be_read_costs_no_page_and_no_feedback(site: Site, node: Node) -> None:
    before = node.rank(decision_id="before")
    damaged = spool_path(Path(site.config.log.directory), "spool-001")
    damaged.write_bytes(b"no database" * 1000)
    decision = node.rank(decision_id="d1")
    assert decision["logged"] is True
    click = event("e1", decision, "click", "t0")
    assert node.report(click) == (1, 0)
    # What this node's own spool holds already is still noticed there.
    assert node.report(click) == (0, 1)
    assert node.rank(decision_id="before")["rows"] == before["rows"]
    damaged.unlink()
    assert node.post("/v1/rank", {**PAGE, "decision_id": "d1", "max_rows": 1}).status_code == 409
    site.close_windows()
    joined = site.learn().joined
    assert (joined["opened"], joined["joined"], joined["duplicate"]) == (2, 1, 0)


def test_a_stopped_node_refuses_and_leaves_everything_to_the_next(site: Site, node: Node) -> None:
    decision = node.rank(decision_id="d1")
    click = event("e1", decision, "click", "t0")
    assert node.report(click) == (1, 0)
    site.stop(node)
    assert node.post("/v1/feedback", {"events": [click]}).status_code == 503
    successor = site.node()
    assert len(site.reader.spools()) == 1
    assert successor.rank(decision_id="d1") == decision
    assert successor.report(click) == (0, 1)


def test_pages_asked_at_once_name_one_catalog_and_one_snapshot_each(site: Site, node: Node) -> None:
    learn_a_page(site, node)
    versions = {value(node.http.get("/v1/status"))["catalog"]}
    with ThreadPoolExecutor(4) as pool:
        pages = [
            pool.submit(node.rank, viewer_id=f"v{number}", titles=["t5"]) for number in range(60)
        ]
        for turn in range(10):
            change = {"remove_titles": ["t5"]} if turn % 2 == 0 else {"titles": CATALOG["titles"]}
            versions.add(value(node.http.patch("/v1/catalog", json=change))["version"])
        answers = [page.result(WAIT_S) for page in pages]
    assert len(versions) == 2
    for answer in answers:
        assert answer["catalog"] in versions
        shown = {title["id"] for row in answer["rows"] for title in row["titles"]}
        # A version either has the title or has not: in the row and beside it alike.
        assert ("t5" in shown) == ("t5" in {title["id"] for title in answer["titles"]})
        assert ("t5" in shown) == (answer["omitted"] == [])
