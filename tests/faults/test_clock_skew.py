"""Clocks that differ between nodes, and one that steps back: tokens hold, deadlines never early."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandit.clock import MICROSECONDS
from server.local import wait_until
from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    LEEWAY_S,
    START_US,
    WAIT_S,
    WINDOW_S,
    Node,
    Site,
    event,
    site_at,
)

SKEW_S = 5.0


def opened(site: Site, ahead_s: float) -> Node:
    node = site.node(offset_s=ahead_s)
    node.http.put("/v1/catalog", json=CATALOG)
    return node


def apart(site: Site, skew_s: float) -> tuple[Node, Node]:
    """Return nodes whose clocks are ahead of and behind the true time by so much.

    A new spool begins where the log stands; some time later each goes by its own clock.
    """
    ahead, behind = opened(site, skew_s), opened(site, -skew_s)
    site.pass_s(4 * skew_s)
    return ahead, behind


def test_tokens_are_good_on_nodes_whose_clocks_are_ten_seconds_apart(tmp_path: Path) -> None:
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        ahead, behind = apart(site, SKEW_S)
        for made_by, taken_by in ((ahead, behind), (behind, ahead)):
            decision = made_by.rank(viewer_id=None)
            name = decision["decision_id"]
            assert taken_by.report(event(f"e-{name}", decision, "impression", "t0")) == (1, 0)


@pytest.mark.parametrize("decider_ahead", [True, False])
def test_no_window_closes_early_in_true_time(tmp_path: Path, decider_ahead: bool) -> None:
    """Half the leeway each way: feedback at the very end of the true window is still learned."""
    half_s = LEEWAY_S / 2
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        ahead, behind = apart(site, half_s)
        decider, receiver = (ahead, behind) if decider_ahead else (behind, ahead)
        decision = decider.rank()
        for _ in range(4):
            site.pass_s((WINDOW_S - 0.1) / 4)
            assert site.learn().learned.outcomes == {}
        assert receiver.report(event("e1", decision, "click", "t0")) == (1, 0)
        site.pass_s(0.1)
        assert site.learn().learned.outcomes == {}
        site.pass_s(3 * LEEWAY_S)
        status = site.learn()
        assert status.learned.outcomes == {"window": 1}
        assert (status.joined["joined"], status.joined["late"]) == (1, 0)
        assert status.learned.shares["artwork"]["learned"].clicks == 1


def test_five_seconds_either_way_close_no_window_early_with_a_leeway_for_both(
    tmp_path: Path,
) -> None:
    settings = {**EVERYBODY_LEARNED, "MARQUEE__REWARD__CLOCK_LEEWAY_S": str(2 * SKEW_S)}
    with site_at(tmp_path, settings) as site:
        ahead, behind = apart(site, SKEW_S)
        for number, (decider, receiver) in enumerate(((ahead, behind), (behind, ahead))):
            decision = decider.rank(decision_id=f"d{number}")
            site.pass_s(WINDOW_S - 0.1)
            outcomes = site.learn().learned.outcomes.get("window", 0)
            assert outcomes == number
            assert receiver.report(event(f"e{number}", decision, "click", "t0")) == (1, 0)
            site.pass_s(5 * SKEW_S)
            status = site.learn()
            assert status.learned.outcomes == {"window": number + 1}
            assert (status.joined["joined"], status.joined["late"]) == (number + 1, 0)


def test_a_clock_that_steps_back_loses_nothing_and_closes_nothing_early(tmp_path: Path) -> None:
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        node = opened(site, 0.0)
        first = node.rank(decision_id="before")
        site.pass_s(10)
        node.report(event("e1", first, "impression", "t0"))
        wait_until(lambda: site.horizon_us() >= site.clock.now_us(), WAIT_S, "a heartbeat")
        high_us = site.clock.now_us()
        site.pass_s(-3600)
        second = node.rank(decision_id="after")
        # The first page's token is from an hour ahead of the clock now, and still good.
        clicks = [event("e2", first, "click", "t0"), event("e3", second, "click", "t0")]
        assert node.report(*clicks) == (2, 0)
        status = site.learn()
        assert status.learned.outcomes == {}
        assert (status.joined["opened"], status.joined["joined"]) == (2, 3)
        # The log's own time goes on from where it was, in the order of arrival.
        times = [logged.at_us for logged in site.records()]
        assert times == sorted(set(times))
        assert all(high_us < each < high_us + MICROSECONDS for each in times[2:])
        # Half an hour by the wall clock: the log stands still, and so do the windows.
        site.pass_s(1800)
        assert site.learn().learned.outcomes == {}
        site.pass_s(1800 + WINDOW_S + LEEWAY_S + 1)
        status = site.learn()
        assert status.learned.outcomes == {"window": 2}
        assert (status.joined["joined"], status.joined["late"]) == (3, 0)


def test_a_node_restarted_after_its_clock_stepped_back_logs_after_what_was_there(
    tmp_path: Path,
) -> None:
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        node = opened(site, 0.0)
        first = node.rank(decision_id="before")
        site.pass_s(10)
        site.stop(node)
        high_us = max(logged.at_us for logged in site.records())
        site.pass_s(-3600)
        node = opened(site, 0.0)
        assert node.rank(decision_id="before") == first
        node.rank(decision_id="after")
        node.report(event("e1", first, "click", "t0"))
        assert [each.at_us > high_us for each in site.records()] == [False, True, True]
        site.pass_s(3600)
        assert site.learn().learned.outcomes == {}
        site.pass_s(WINDOW_S + LEEWAY_S + 1)
        status = site.learn()
        assert status.learned.outcomes == {"window": 2}
        assert (status.joined["opened"], status.joined["joined"]) == (2, 1)
        assert START_US < status.log_clock_us <= site.clock.now_us()
