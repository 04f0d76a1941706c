"""Pages of every form, batches and deferred decisions, from the request to what is learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandit.events import DecisionRecord
from bandit.features import feature_hash
from bandit.types import Surface
from server.local import wait_until
from tests.server.real_service import (
    PAGE,
    WAIT_S,
    WINDOW_S,
    Node,
    Site,
    event,
    value,
)


def weight(site: Site, surface: Surface, namespace: str, token: str) -> float:
    weights = site.learner.engines.arrays(surface).weights
    return float(weights[feature_hash(namespace, token) & (len(weights) - 1)])


INLINE: dict[str, Any] = {
    "viewer_id": "v1",
    "rows": [
        {
            "id": "tonight",
            "features": {"kind": "event"},
            "titles": [
                {
                    "id": "premiere",
                    "features": {"year": 2026},
                    "artworks": [
                        {"id": "dark", "features": {"mood": "dark"}},
                        {"id": "bright", "features": {"mood": "bright"}},
                    ],
                },
                "t0",
            ],
        },
        {"id": "r0", "titles": ["t1"]},
    ],
}


def test_titles_and_rows_given_whole_are_served_logged_and_learned(site: Site, node: Node) -> None:
    answer = node.rank(INLINE)
    top = answer["rows"][0]
    assert [(one["id"], one["propensity"]) for one in top["titles"]] == [
        ("premiere", 0.5), ("t0", 0.25),
    ]  # fmt: skip
    shown = top["titles"][0]["artwork"]
    node.report(
        event("e1", answer, "play", "premiere", row="tonight", seconds=600),
        event("e2", answer, "impression", "t1", row="r0"),
    )
    site.close_windows()
    learned = site.learn().learned
    assert learned.examples == {"artwork": 2, "rows": 2}
    assert learned.missing_items == 0
    other = "bright" if shown == "dark" else "dark"
    assert weight(site, "artwork", "artwork", f"mood={shown}") > 0
    assert weight(site, "artwork", "artwork", f"mood={other}") == 0
    assert weight(site, "rows", "row", "kind=event") > weight(site, "rows", "row", "kind=k0")


def test_features_given_with_a_row_stand_in_place_of_the_catalogs(site: Site, node: Node) -> None:
    answer = node.rank({"rows": [{"id": "r0", "features": {"kind": "mine"}, "titles": ["t0"]}]})
    node.report(event("e1", answer, "play", "t0", row="r0", seconds=600))
    site.close_windows()
    site.learn()
    assert weight(site, "rows", "row", "kind=mine") > 0
    assert weight(site, "rows", "row", "kind=k0") == 0


def test_rows_without_titles_and_titles_without_rows(node: Node) -> None:
    rows = node.rank({"rows": [{"id": "r2"}, {"id": "r0"}, {"id": "new", "pinned": 0}]})
    assert [row["id"] for row in rows["rows"]] == ["new", "r2", "r0"]
    assert all(row["titles"] == [] for row in rows["rows"])
    titles = node.rank({"titles": ["t3", "t1"]})
    assert [title["id"] for title in titles["titles"]] == ["t3", "t1"]
    assert titles["rows"] == []


def test_one_bad_page_of_a_batch_costs_the_others_nothing(site: Site, node: Node) -> None:
    pages = [
        {**PAGE, "decision_id": "good-1"},
        {**PAGE, "context": {"a|b": 1}},
        {**PAGE, "decision_id": "good-1", "viewer_id": "other"},
        {"titles": ["nobody"]},
        {"rows": [{"id": "r0"}, {"id": "r0"}]},
        {**PAGE, "decision_id": "good-2"},
    ]
    items = value(node.post("/v1/rank/batch", {"pages": pages}))["pages"]
    problems = [item.get("problem", {}).get("status") for item in items]
    assert problems == [None, 422, 409, 422, 422, None]
    assert all(item["problem"]["hint"] for item in items if "problem" in item)
    stored = [logged.record.decision_id for logged in site.records()]
    assert stored == ["good-1", "good-2"]
    assert items[0]["decision"] == node.rank(decision_id="good-1")


def test_a_deferred_decision_is_learned_from_its_activation_on(site: Site, node: Node) -> None:
    shown = node.rank(decision_id="shown", defer=True)
    node.rank(decision_id="hidden", viewer_id="v2", defer=True)
    site.pass_s(WINDOW_S)
    assert node.post("/v1/decisions/shown/activate", None).status_code == 204
    assert node.post("/v1/decisions/shown/activate", None).status_code == 204
    site.pass_s(WINDOW_S)
    assert node.report(event("e1", shown, "play", "t0", row="r0", seconds=600)) == (1, 0)
    site.close_windows()
    status = site.learn()
    counts = status.joined
    assert (counts["deferred"], counts["activated"], counts["joined"]) == (2, 1, 1)
    assert (counts["expired"], counts["closed"], counts["late"]) == (1, 1, 0)
    assert status.learned.outcomes == {"play": 1}
    assert status.learned.examples == {"artwork": 1, "rows": 1}


def test_the_answer_is_what_was_logged(site: Site, node: Node) -> None:
    answer = node.rank(decision_id="d1", titles=["t5", "t0", "lost"], max_rows=2)
    (logged,) = site.records()
    record = logged.record
    assert isinstance(record, DecisionRecord)
    assert record.row_candidates == ["r0", "r1", "r2"]
    assert [(row.id, row.position, row.propensity) for row in record.rows] == [
        (row["id"], row["position"], row["propensity"]) for row in answer["rows"]
    ]
    assert len(answer["rows"]) == 2
    told = {
        title["id"]: (title["artwork"], title["propensity"])
        for title in [*answer["titles"], *(one for row in answer["rows"] for one in row["titles"])]
    }
    assert {one.title: (one.artwork, one.propensity) for one in record.titles} == told
    assert (record.omitted, answer["omitted"]) == (["lost"], ["lost"])
    assert record.context == PAGE["context"]
    assert record.catalog == answer["catalog"]


def test_a_viewers_page_is_sticky_across_nodes_and_differs_between_viewers(
    site: Site, node: Node
) -> None:
    other = site.node()
    fresh = ("decision_id", "token")
    mine = node.rank()
    assert {**other.rank(), **{name: mine[name] for name in fresh}} == mine

    def artworks(viewer: str) -> tuple[str, ...]:
        rows = node.rank(viewer_id=viewer)["rows"]
        return tuple(title["artwork"] for row in rows for title in row["titles"])

    assert len({artworks(f"viewer-{number}") for number in range(20)}) > 15


def test_what_is_served_follows_what_was_played(site: Site, node: Node) -> None:
    """Whenever mood m1 is shown it is played, anything else never: soon m1 is what is shown."""
    for turn in range(3):
        for number in range(25):
            decision = node.rank(viewer_id=f"viewer-{turn}-{number}")
            events = []
            for row in decision["rows"]:
                for title in row["titles"]:
                    name = f"{turn}-{number}-{title['id']}"
                    kind = "play" if title["artwork"] == "a1" else "impression"
                    events.append(event(name, decision, kind, title["id"], row=row["id"]))
            node.report(*events)
        site.close_windows()
        site.learn()
    newest = site.snapshots.versions("artwork")[0].version
    wait_until(lambda: node.rank()["snapshots"]["artwork"] == newest, WAIT_S, "the last snapshot")
    shown = [
        title["artwork"]
        for number in range(40)
        for row in node.rank(viewer_id=f"late-{number}")["rows"]
        for title in row["titles"]
    ]
    assert shown.count("a1") / len(shown) > 0.9
    assert np.isfinite(site.learner.engines.arrays("artwork").weights).all()
