"""Repeated, conflicting, late, missing and early records, from the request to what is learned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from server.local import wait_until
from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    LEEWAY_S,
    PAGE,
    WAIT_S,
    WINDOW_S,
    Node,
    Site,
    event,
    site_at,
    value,
)

TITLES = [f"t{title}" for title in range(6)]
MSGPACK = "application/msgpack"


def test_the_same_event_three_times_and_a_retry_is_learned_once(site: Site, node: Node) -> None:
    decision = node.rank()
    play = event("e1", decision, "play", "t0", row="r0", seconds=600)
    # Three times within one request, and once more by a client that missed the answer.
    assert node.report(play, play, play) == (1, 2)
    assert node.report(play) == (0, 1)
    site.close_windows()
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
    site.close_windows()
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
    site.close_windows()
    site.learn()
    node.http.patch("/v1/catalog", json={"remove_titles": ["t5"]})
    # A changed catalog is served at once; snapshots are looked for in a thread of their own.
    both = {"artwork", "rows"}
    wait_until(lambda: node.rank()["snapshots"].keys() == both, WAIT_S, "both models")
    served = node.rank(viewer_id="v2")
    assert served["snapshots"].keys() == both
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
    site.close_windows()
    joined = site.learn().joined
    # Each node may have logged it before it could see the other's; it is opened once all the same.
    assert joined["opened"] == 10
    assert joined["conflict"] == 0
    assert joined["closed"] == 10


def test_late_feedback_is_accepted_and_counted_and_not_learned(site: Site, node: Node) -> None:
    decision = node.rank()
    site.close_windows()
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
            site.close_windows()
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
    site.close_windows()
    status = site.learn()
    counts = status.joined
    assert (counts["held"], counts["opened"], counts["joined"], counts["orphan"]) == (1, 1, 1, 0)
    assert status.learned.examples == {"artwork": 1, "rows": 1}
    assert status.learned.shares["artwork"]["learned"].plays == 1


def test_feedback_whose_decision_never_comes_is_counted_as_orphan(site: Site, node: Node) -> None:
    stranger = {"decision_id": "never-made", "token": None}
    assert node.report(event("e1", stranger, "play", "t0", seconds=600)) == (1, 0)
    site.close_windows()
    status = site.learn()
    assert (status.joined["held"], status.joined["orphan"], status.joined["joined"]) == (1, 1, 0)
    assert status.learned.examples == {}
