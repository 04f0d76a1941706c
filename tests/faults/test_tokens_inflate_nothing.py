"""What a viewer can do with the token of a page: report on that page, and no more than it can earn.

Without a key, a browser holds one decision's token and can send whatever it likes under it. These
tests bound what that does to what is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_tokens_over_http import ADMIN, CLIENT, KEYED, decided
from tests.server.real_service import Site, event, site_at

EVENTS_MAX = 6


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Site]:
    with site_at(
        tmp_path, {**KEYED, "MARQUEE__LEARNER__EVENTS_PER_DECISION_MAX": str(EVENTS_MAX)}
    ) as site:
        yield site


def learned_from(site: Site, *kinds: str) -> Any:
    """Report plays of one title of a page by its token; return what was learned."""
    node = site.node()
    page = decided(node)
    for number, kind in enumerate(kinds):
        sent = event(f"e{number}", page, kind, "t0", row="r0", seconds=600)
        assert node.report(sent) == (1, 0)
    site.close_windows()
    return site.learn()


def test_a_hundred_plays_are_one_example_of_a_reward_of_one_at_most(keyed: Site) -> None:
    status = learned_from(keyed, *["play"] * 100)
    assert status.learned.examples == {"artwork": 1, "rows": 1}
    shown = status.learned.shares["artwork"]["learned"]
    assert (shown.displays, shown.plays) == (1, 1)
    assert 0.0 < shown.reward <= 1.0


def test_what_is_past_the_most_events_of_a_decision_is_counted_and_not_joined(keyed: Site) -> None:
    status = learned_from(keyed, *["impression"] * 20)
    joined = status.joined
    assert (joined["joined"], joined["excess"]) == (EVENTS_MAX, 20 - EVENTS_MAX)


def test_a_title_that_the_page_did_not_show_is_counted_and_not_learned(keyed: Site) -> None:
    node = keyed.node()
    page = decided(node, rows=[{"id": "r0", "titles": ["t0"]}])
    assert node.report(event("e", page, "play", "t5", seconds=600)) == (1, 0)
    keyed.close_windows()
    status = keyed.learn()
    assert status.learned.unplaced_events == 1
    assert status.learned.examples.get("artwork", 0) == 0
    assert status.learned.shares["artwork"]["learned"].displays == 0


def test_a_token_is_for_feedback_alone(keyed: Site) -> None:
    node = keyed.node()
    page = decided(node, decision_id="deferred", defer=True)
    by_token = {"Authorization": f"Bearer {page['token']}"}
    for path, body in (
        ("/v1/rank", {"titles": ["t0"]}),
        ("/v1/decisions/deferred/activate", {}),
        ("/v1/feedback", {"events": [{**event("e", page, "play", "t0"), "token": None}]}),
    ):
        assert node.post(path, body, **by_token).status_code == 401
        assert node.post(path, body).status_code == 401
    for path in ("/v1/status", "/v1/snapshots", "/v1/catalog"):
        assert node.http.get(path, headers=by_token).status_code == 401
    keyed.close_windows()
    assert keyed.learn().joined["opened"] == 0
    # What the key may do, the token may not.
    assert node.http.get("/v1/status", headers=CLIENT).status_code == 200
    assert node.http.get("/v1/catalog", headers=ADMIN).status_code == 200
