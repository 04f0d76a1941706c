"""Duplicates, conflicts, lateness, tokens and bad values, from the request to what is learned."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit.events import DecisionRecord
from bandit.types import SURFACES
from server.local import wait_until
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

TITLES = [f"t{title}" for title in range(6)]
MSGPACK = "application/msgpack"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        yield site


@pytest.fixture
def node(site: Site) -> Node:
    node = site.node()
    assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
    return node


def close_windows(site: Site) -> None:
    """Let all that is open come to its end, but be remembered."""
    site.pass_s(WINDOW_S + LEEWAY_S + 1)


def test_the_same_event_three_times_and_a_retry_is_learned_once(site: Site, node: Node) -> None:
    decision = node.rank()
    play = event("e1", decision, "play", "t0", row="r0", seconds=600)
    # Three times within one request, and once more by a client that missed the answer.
    assert node.report(play, play, play) == (1, 2)
    assert node.report(play) == (0, 1)
    close_windows(site)
    status = site.learn()
    assert (status.joined["opened"], status.joined["joined"]) == (1, 1)
    assert status.learned.examples == {"artwork": 1, "rows": 1}
    shown = status.learned.shares["artwork"]["learned"]
    assert (shown.displays, shown.plays) == (1, 1)
    assert 'marquee_feedback_total{result="duplicate"} 3.0' in node.http.get("/metrics").text


def test_an_event_sent_to_two_nodes_at_once_is_learned_once(site: Site, node: Node) -> None:
    other = site.node()
    decision = node.rank()
    events = [event(f"e{number}", decision, "impression", "t0") for number in range(20)]
    with ThreadPoolExecutor(2) as pool:
        stored = list(pool.map(lambda each: each.report(*events), [node, other]))
    assert sum(new + known for new, known in stored) == 2 * len(events)
    assert sum(new for new, _ in stored) >= len(events)
    close_windows(site)
    joined = site.learn().joined
    assert joined["joined"] == len(events)
    assert joined["joined"] + joined["duplicate"] == sum(new for new, _ in stored)
    assert site.learner.counts.examples["artwork"] == 1


def test_a_decision_id_with_another_body_conflicts_everywhere(site: Site, node: Node) -> None:
    other = site.node()
    node.rank(decision_id="d1")
    before = len(site.records())
    changes: list[dict[str, object]] = [
        {"viewer_id": "v2"}, {"context": {}}, {"max_rows": 2}, {"defer": True},
    ]  # fmt: skip
    for changed in changes:
        for each in (node, other):
            refused = each.post("/v1/rank", {**PAGE, "decision_id": "d1", **changed})
            assert refused.status_code == 409
            assert value(refused)["hint"]
    assert len(site.records()) == before


def test_a_decision_id_with_the_same_body_is_answered_equally_in_both_encodings(
    site: Site, node: Node
) -> None:
    other = site.node()
    first = node.rank(decision_id="d1")
    # The order of keys is the encoder's affair and not the viewer's.
    page = {name: PAGE[name] for name in reversed(PAGE)} | {"decision_id": "d1"}
    for each in (node, other):
        again = each.http.post(
            "/v1/rank", data=msgspec.msgpack.encode(page), headers={"Content-Type": MSGPACK}
        )
        assert again.status_code == 201
        assert again.content_type == MSGPACK
        assert value(again) == first
    assert len(site.records()) == 1


def test_a_repeated_answer_outlives_a_swap_of_snapshot_and_catalog(site: Site, node: Node) -> None:
    first = node.rank(decision_id="d1")
    assert first["snapshots"] == {}
    node.report(event("e1", first, "play", "t0", seconds=600))
    close_windows(site)
    site.learn()
    node.http.patch("/v1/catalog", json={"remove_titles": ["t5"]})
    served = node.rank(viewer_id="v2")
    assert served["snapshots"].keys() == {"artwork", "rows"}
    assert served["catalog"] != first["catalog"]
    assert node.rank(decision_id="d1") == first
    assert site.node().rank(decision_id="d1") == first


def test_the_same_page_from_many_threads_and_two_nodes_is_one_decision(
    site: Site, node: Node
) -> None:
    other = site.node()
    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            nodes = [node, other] * 4
            answers = list(
                pool.map(lambda each, turn=turn: each.rank(decision_id=f"d{turn}"), nodes)
            )
            assert all(answer == answers[0] for answer in answers)
    close_windows(site)
    joined = site.learn().joined
    # Each node may have logged it before it could see the other's; it is opened once all the same.
    assert joined["opened"] == 10
    assert joined["conflict"] == 0
    assert joined["closed"] == 10


def test_late_feedback_is_accepted_and_counted_and_not_learned(site: Site, node: Node) -> None:
    decision = node.rank()
    close_windows(site)
    assert node.report(event("late", decision, "play", "t0", seconds=600)) == (1, 0)
    status = site.learn()
    assert (status.joined["late"], status.joined["joined"]) == (1, 0)
    assert status.learned.examples.get("artwork", 0) == 0
    assert sum(share.displays for share in status.learned.shares["artwork"].values()) == 0


def test_what_was_seen_and_not_touched_earns_the_default_once_at_the_deadline(
    tmp_path: Path,
) -> None:
    settings = {**EVERYBODY_LEARNED, "MARQUEE__REWARD__DEFAULT": "0.25"}
    with site_at(tmp_path, settings) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        decision = node.rank()
        seen = [event(f"e{title}", decision, "impression", title) for title in TITLES[:2]]
        assert node.report(*seen) == (2, 0)
        site.pass_s(WINDOW_S + LEEWAY_S - 0.1)
        assert site.learn().learned.outcomes == {}
        for _ in range(3):
            site.pass_s(0.2)
            status = site.learn()
            assert status.learned.outcomes == {"window": 1}
            shown = status.learned.shares["artwork"]["learned"]
            assert (shown.displays, shown.reward) == (2, 0.5)
            assert status.learned.examples["artwork"] == 2


def test_without_any_feedback_everything_served_earns_the_default_if_all_counts_as_seen(
    tmp_path: Path,
) -> None:
    settings = {
        **EVERYBODY_LEARNED,
        "MARQUEE__REWARD__DEFAULT": "0.25",
        "MARQUEE__SURFACES__ARTWORK__EXPOSURE": "all",
        "MARQUEE__SURFACES__ROWS__EXPOSURE": "all",
    }
    with site_at(tmp_path, settings) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        node.rank()
        for _ in range(2):
            close_windows(site)
            learned = site.learn().learned
            assert learned.examples == {"artwork": 6, "rows": 3}
            assert learned.shares["artwork"]["learned"].reward == 6 * 0.25
            assert learned.shares["rows"]["learned"].reward == 3 * 0.25


def test_feedback_logged_before_its_decision_is_held_and_joined(site: Site, node: Node) -> None:
    # The clock of the node that decides is ahead, so that its decision stands later in the log.
    ahead = site.node(offset_s=4)
    decision = ahead.rank()
    site.pass_s(1)
    assert node.report(event("e1", decision, "play", "t0", seconds=600, row="r0")) == (1, 0)
    times = {type(each.record).__name__: each.at_us for each in site.records()}
    assert times["FeedbackRecord"] < times["DecisionRecord"]
    close_windows(site)
    status = site.learn()
    counts = status.joined
    assert (counts["held"], counts["opened"], counts["joined"], counts["orphan"]) == (1, 1, 1, 0)
    assert status.learned.examples == {"artwork": 1, "rows": 1}
    assert status.learned.shares["artwork"]["learned"].plays == 1


def test_feedback_whose_decision_never_comes_is_counted_as_orphan(site: Site, node: Node) -> None:
    stranger = {"decision_id": "never-made", "token": None}
    assert node.report(event("e1", stranger, "play", "t0", seconds=600)) == (1, 0)
    close_windows(site)
    status = site.learn()
    assert (status.joined["held"], status.joined["orphan"], status.joined["joined"]) == (1, 1, 0)
    assert status.learned.examples == {}


KEYED = {
    **EVERYBODY_LEARNED,
    "MARQUEE__AUTH__CLIENT_KEYS": '["the-client"]',
    "MARQUEE__AUTH__ADMIN_KEYS": '["the-admin"]',
    "MARQUEE__AUTH__TOKEN_AGE_MAX_S": "3600",
}
CLIENT = {"X-API-Key": "the-client"}
ADMIN = {"X-API-Key": "the-admin"}


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, KEYED) as site:
        yield site


def decided(node: Node, **changes: object) -> Any:
    node.http.put("/v1/catalog", json=CATALOG, headers=ADMIN)
    response = node.post("/v1/rank", {**PAGE, **changes}, **CLIENT)
    assert response.status_code == 201
    return value(response)


def test_a_token_lets_feedback_in_without_a_key_and_a_bad_one_changes_nothing(keyed: Site) -> None:
    node = keyed.node()
    stranger = keyed.node(settings={"MARQUEE__AUTH__TENANT": "other"})
    decision = decided(node)
    foreign = decided(stranger, decision_id="theirs")
    token = decision["token"]
    flipped = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    before = keyed.records()
    bad: dict[str, tuple[int, dict[str, object]]] = {
        "forged": (401, {"token": flipped}),
        "unsigned": (401, {"token": token.rpartition(".")[0]}),
        "truncated": (401, {"token": token[: len(token) // 2]}),
        "empty": (401, {"token": ""}),
        "missing": (401, {"token": None}),
        "of another decision": (401, {"decision_id": "another"}),
        "of another tenant": (401, {"token": foreign["token"], "decision_id": "theirs"}),
        "long": (413, {"token": "x" * 100_000}),
        "huge": (413, {"token": "x" * 10_000_000}),
    }
    for name, (status, changed) in bad.items():
        events = {"events": [{**event("e1", decision, "click", "t0"), **changed}]}
        refused = node.post("/v1/feedback", events)
        assert refused.status_code == status, name
        assert value(refused)["hint"], name
    assert keyed.records() == before
    assert node.report(event("e1", decision, "click", "t0")) == (1, 0)


def test_an_expired_token_is_refused_with_a_key_as_well(keyed: Site) -> None:
    node = keyed.node()
    decision = decided(node)
    click = {"events": [event("e1", decision, "click", "t0")]}
    keyed.pass_s(3600 + keyed.config.auth.clock_leeway_s)
    assert node.post("/v1/feedback", click).status_code == 202
    keyed.pass_s(1)
    before = keyed.records()
    late = {"events": [event("e2", decision, "click", "t0")]}
    assert node.post("/v1/feedback", late).status_code == 401
    with_key = node.post("/v1/feedback", late, **CLIENT)
    assert [one["code"] for one in value(with_key)["rejected"]] == ["token_expired"]
    assert keyed.records() == before


def test_tokens_of_an_old_key_are_good_for_as_long_as_it_is_listed(tmp_path: Path) -> None:
    ring = tmp_path / "tokens.keys"
    old, new = "the-old-signing-key", "the-new-signing-key"
    with site_at(tmp_path, {**KEYED, "MARQUEE__AUTH__TOKEN_KEYS_FILE": str(ring)}) as site:
        ring.write_text(f"{old}\n")
        first = decided(site.node(), decision_id="first")
        ring.write_text(f"{old}\n{new}\n")
        both = site.node()
        second = decided(both, decision_id="second")
        assert both.report(event("e1", first, "click", "t0")) == (1, 0)
        assert both.report(event("e2", second, "click", "t0")) == (1, 0)
        ring.write_text(f"{new}\n")
        rotated = site.node()
        before = site.records()
        refused = rotated.post("/v1/feedback", {"events": [event("e3", first, "click", "t0")]})
        assert refused.status_code == 401
        assert "retired" in value(refused)["hint"]
        assert site.records() == before
        assert rotated.report(event("e4", second, "click", "t0")) == (1, 0)


NAN, INF = math.nan, math.inf
BAD_PAGES: dict[str, dict[str, object]] = {
    "not a number": {"context": {"a": NAN}},
    "infinite": {"context": {"a": -INF}},
    "not a number in a list": {"context": {"a": [0.5, NAN]}},
    "not a number in a row": {"rows": [{"id": "r0", "features": {"x": NAN}}]},
    "not a number in an artwork": {
        "titles": [{"id": "t", "artworks": [{"id": "a", "features": {"x": INF}}]}]
    },
    "line break in a feature": {"context": {"a\nb": 1.0}},
    "bar in a feature": {"context": {"a|b": 1.0}},
    "colon in a feature": {"context": {"a:b": 1.0}},
    "line break in a title": {"titles": [{"id": "t\n", "artworks": [{"id": "a"}]}]},
    "bar in a viewer": {"viewer_id": "v|1"},
    "a propensity of one's own": {"titles": [{"id": "t", "propensity": 0.0}]},
}
BAD_EVENTS: dict[str, dict[str, object]] = {
    "not a number of seconds": {"seconds": NAN},
    "infinite seconds": {"seconds": INF},
    "not a number as fraction": {"fraction": NAN},
    "more than the whole": {"fraction": 1.5},
    "negative seconds": {"seconds": -1.0},
    "not a number as time": {"at": NAN},
    "bar in a title": {"title": "t|0"},
    "line break in an id": {"event_id": "e\n"},
    "a propensity of one's own": {"propensity": 0.0},
}


def send(node: Node, path: str, body: object, encoding: str) -> Any:
    """Send a body as careless clients do: msgspec writes NaN into MessagePack, json into JSON."""
    data = msgspec.msgpack.encode(body) if encoding == MSGPACK else json.dumps(body)
    return node.http.post(path, data=data, headers={"Content-Type": encoding})


@pytest.mark.parametrize("encoding", ["application/json", MSGPACK])
def test_after_a_barrage_of_bad_values_all_is_well(site: Site, node: Node, encoding: str) -> None:
    before = site.records()
    for name, changed in BAD_PAGES.items():
        refused = send(node, "/v1/rank", {**PAGE, **changed}, encoding)
        # JSON has no word for NaN: there the body itself is no JSON.
        unwritable = encoding != MSGPACK and ("number" in name or "infinite" in name)
        assert refused.status_code == (400 if unwritable else 422), name
        assert unwritable or value(refused)["field"], name
    for name, changed in BAD_EVENTS.items():
        wrong = {"event_id": "e", "decision_id": "d", "type": "play", "title": "t0", **changed}
        answer = send(node, "/v1/feedback", {"events": [wrong]}, encoding)
        if answer.status_code == 202:
            assert value(answer)["accepted"] == 0, name
            assert [one["code"] for one in value(answer)["rejected"]] == ["invalid"], name
        else:
            assert answer.status_code == 400, name
    assert site.records() == before
    decision = node.rank()
    assert node.report(event("good", decision, "play", "t0", seconds=600)) == (1, 0)
    close_windows(site)
    assert site.learn().learned.examples == {"artwork": 1, "rows": 1}
    for surface in SURFACES:
        arrays = site.learner.engines.arrays(surface)
        assert np.isfinite(arrays.weights).all()
        assert np.abs(arrays.weights).max() > 0
    assert node.rank(viewer_id="v2")["rows"]


@pytest.mark.parametrize("wrong", [0.0, NAN])
@pytest.mark.parametrize(
    "model", [{"CB_TYPE": "mtr"}, {"CB_TYPE": "regression", "IMPORTANCE": "full"}]
)
def test_a_logged_propensity_that_cannot_be_never_reaches_the_weights(
    tmp_path: Path, model: dict[str, str], wrong: float
) -> None:
    changed = {
        f"MARQUEE__SURFACES__{surface.upper()}__MODEL__{name}": each
        for surface in SURFACES
        for name, each in model.items()
    }
    with site_at(tmp_path, {**EVERYBODY_LEARNED, **changed}) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        good = node.rank(decision_id="good")
        (made,) = (logged.record for logged in site.records())
        assert isinstance(made, DecisionRecord)
        damaged = msgspec.structs.replace(
            made,
            decision_id="damaged",
            titles=[msgspec.structs.replace(one, propensity=wrong) for one in made.titles],
        )
        site.append(damaged)
        for name in ("good", "damaged"):
            node.report(event(f"e-{name}", {**good, "decision_id": name, "token": None}, "play",
                              "t0", seconds=600))  # fmt: skip
        close_windows(site)
        status = site.learn(failures_max=site.config.learner.attempts_max)
        assert status.dead_letters == 1
        assert status.learned.examples == {"artwork": 1, "rows": 1}
        for surface in SURFACES:
            arrays = site.learner.engines.arrays(surface)
            assert np.isfinite(arrays.weights).all()
            assert np.abs(arrays.weights).max() < 10


@pytest.fixture
def cold(site: Site) -> Node:
    """A node without a catalog, beside no learner."""
    return site.node()


def whole(name: str, artworks: int) -> dict[str, object]:
    return {
        "id": name,
        "features": {"year": 1927},
        "artworks": [{"id": f"{name}.{n}", "features": {"mood": f"m{n}"}} for n in range(artworks)],
    }


def test_without_snapshot_and_catalog_whole_titles_are_served_by_the_cold_policy(
    site: Site, cold: Node
) -> None:
    assert cold.http.get("/livez").status_code == 200
    assert cold.http.get("/readyz").status_code == 200
    sizes = {"one": 1, "two": 2, "five": 5}
    titles = [whole(name, size) for name, size in sizes.items()]
    page = {"rows": [{"id": "top", "titles": titles[:2]}, {"id": "next", "titles": titles[2:]}]}
    answer = cold.rank(page)
    assert answer["snapshots"] == {}
    assert [(row["id"], row["position"], row["propensity"]) for row in answer["rows"]] == [
        ("top", 0, 1.0),
        ("next", 1, 1.0),
    ]
    shown = {title["id"]: title for row in answer["rows"] for title in row["titles"]}
    assert {name: shown[name]["propensity"] for name in sizes} == {
        name: 1 / size for name, size in sizes.items()
    }
    status = cold.status()
    assert status["learning"] is False
    assert "no learner has reported" in status["verdict"]
    assert status["models"] == {}
    assert status["learner"] is None
    (logged,) = site.records()
    assert isinstance(logged.record, DecisionRecord)
    assert {one.title: one.propensity for one in logged.record.titles} == {
        name: 1 / size for name, size in sizes.items()
    }


def test_an_empty_catalog_says_what_to_do_about_titles_given_by_id(cold: Node) -> None:
    refused = cold.post("/v1/rank", PAGE)
    assert refused.status_code == 422
    assert value(refused)["field"] == "titles"
    assert "/v1/catalog" in value(refused)["hint"]
    rows_only = cold.rank({"rows": [{"id": "a"}, {"id": "b"}]})
    assert [row["id"] for row in rows_only["rows"]] == ["a", "b"]


def test_status_goes_from_waiting_to_learning(site: Site, node: Node) -> None:
    decision = node.rank()
    node.report(event("e1", decision, "play", "t0", seconds=600, row="r0"))
    site.pass_s(0.1)
    site.learn()
    waiting = node.status()
    assert waiting["learning"] is False
    assert waiting["verdict"].startswith("nothing learned yet: 1 decisions wait")
    close_windows(site)
    site.learn()
    wait_until(lambda: node.status()["models"].keys() == {"artwork", "rows"}, 30, "the models")
    assert node.status()["learning"] is True
    site.pass_s(60)
    silent = node.status()
    assert silent["learning"] is False
    assert "silent for 60 s" in silent["verdict"]
