"""Before there is a model, or even a catalog: pages are served, and the status says what is so."""

from __future__ import annotations

import pytest

from bandit.events import DecisionRecord
from server.local import wait_until
from tests.server.real_service import (
    PAGE,
    WAIT_S,
    Node,
    Site,
    event,
    value,
)


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
    site.close_windows()
    site.learn()
    wait_until(lambda: node.status()["models"].keys() == {"artwork", "rows"}, WAIT_S, "the models")
    assert node.status()["learning"] is True
    site.pass_s(60)
    silent = node.status()
    assert silent["learning"] is False
    assert "silent for 60 s" in silent["verdict"]
