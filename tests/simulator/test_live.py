"""A run through a real server over HTTP decides as the same configuration does in process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from bandit.events import FeedbackRecord
from server.client import Client
from server.local import LocalServer
from simulator.environments.registry import make_environment
from simulator.errors import SimulationError
from simulator.live import (
    LivePolicy,
    LiveSettings,
    feedback_event,
    late_feedback,
    refuse_late,
    send,
    wait_until_served,
)
from simulator.loop import Round, run
from simulator.pages import Environment
from simulator.policies.registry import make_policy

pytestmark = pytest.mark.processes

SEED: Final = 7
SALT: Final = "acceptance"
WINDOWS_S: Final = (2.0, 15.0, 100.0)
"""The first is long enough where the machine is not busy; a run with late feedback is repeated."""

TOML: Final = """
[server]
workers = 1

[surfaces]
salt = "{salt}"

[surfaces.artwork]
holdout = 0.0
explore = 0.0
stickiness_s = 1e15
exploration = {{ type = "thompson" }}

[surfaces.rows]
holdout = 0.0
explore = 0.0
stickiness_s = 1e15

[reward]
window_s = {window_s}
clock_leeway_s = 0.0
close_after_play_s = "none"

[log]
rank_commit_timeout_s = 30.0
"""


def world() -> Environment:
    return make_environment("homepage", pages=200, batch=40)


def configured(path: Path, salt: str, window_s: float) -> Path:
    path.write_text(TOML.format(salt=salt, window_s=window_s))
    return path


def over_http(root: Path, window_s: float) -> tuple[list[Round], int]:
    """Return a run through a server of its own, and how much feedback came too late for it."""
    root.mkdir()
    path = configured(root / "site.toml", f"{SALT}/{SEED}", window_s)
    settings = LiveSettings(wait_s_max=60.0 + window_s, late_allowed=True)
    with (
        LocalServer(root / "server", config=path) as server,
        Client(server.url, deadline_s=30.0, retries=0) as client,
    ):
        rounds = list(run(world(), LivePolicy(client, settings=settings), SEED))
        return rounds, late_feedback(client.status())


def in_process(path: Path) -> list[Round]:
    policy = make_policy(str(configured(path, SALT, 10.0)), delays=False)
    return list(run(world(), policy, SEED))


def test_a_run_over_http_decides_as_the_run_in_process_does(tmp_path: Path) -> None:
    for window_s in WINDOWS_S:
        live, late = over_http(tmp_path / f"{window_s:g}", window_s)
        if not late:
            break
    assert not late
    simulated = in_process(tmp_path / "simulated.toml")
    assert len(live) == len(simulated) == 5
    for one, other in zip(live, simulated, strict=True):
        np.testing.assert_array_equal(one.served.order, other.served.order)
        np.testing.assert_array_equal(one.served.artworks, other.served.artworks)
        np.testing.assert_array_equal(
            one.served.order_propensities, other.served.order_propensities
        )
        np.testing.assert_array_equal(
            one.served.artwork_propensities, other.served.artwork_propensities
        )
        for told, expected in zip(one.displays, other.displays, strict=True):
            np.testing.assert_array_equal(told, expected)
    # The first batch is decided by the cold policy; what was learned then shows in the last.
    last = simulated[-1].served
    assert len(np.unique(last.artwork_propensities)) > 20
    assert len(np.unique(last.order_propensities)) > 20


def test_what_a_service_does_not_take_or_learn_in_time_is_told(tmp_path: Path) -> None:
    path = configured(tmp_path / "site.toml", SALT, 600.0)
    with (
        LocalServer(tmp_path / "server", config=path) as server,
        Client(server.url, deadline_s=30.0, retries=0) as client,
    ):
        policy = LivePolicy(client, settings=LiveSettings(wait_s_max=0.2, threads=4))
        policy.reset(world(), SEED)
        place = world()
        pages = place.reset(SEED)
        served = policy.serve(pages)
        with pytest.raises(SimulationError, match="had not learned 40 decisions within"):
            policy.learn(pages, served, place.step(served).displays)
        with pytest.raises(SimulationError, match="had not learned 1 decisions within"):
            wait_until_served(client, 1, 0.1)
        stray = FeedbackRecord(event_id="e", decision_id="d", type="click", title="t1")
        with pytest.raises(SimulationError, match="did not take 1 of 1"):
            send(client, [feedback_event(stray, "a token of nobody")], 30.0)


def test_a_service_that_closes_before_viewers_are_done_is_told_of(tmp_path: Path) -> None:
    path = configured(tmp_path / "site.toml", SALT, 2.0)
    # With no time left after a play, all that comes after it is late, however fast the machine.
    path.write_text(path.read_text().replace('"none"', "0.0"))
    with (
        LocalServer(tmp_path / "server", config=path) as server,
        Client(server.url, deadline_s=30.0, retries=0) as client,
    ):
        rounds = run(world(), LivePolicy(client), SEED)
        with pytest.raises(SimulationError, match="came after their decisions were closed"):
            list(rounds)
    refuse_late(0)
