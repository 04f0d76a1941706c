"""Duties are done again and again, whatever fails, and how they stand is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from bandit.clock import ManualClock
from bandit.cluster.duty import Duties, DutyState
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import CatalogConfig, Config, ServerConfig
from bandit.metrics import NoMetrics
from server.cluster_words import cluster_report, tell_duties, why_not_caught_up

WAIT_S = 30.0


class Chore:
    """A duty that does what it is told to."""

    def __init__(self, name: str, act: Callable[[int], bool]) -> None:
        self.name = name
        self.steps = 0
        self.closed = False
        self._act = act

    def step(self, now_us: int) -> bool:
        del now_us
        self.steps += 1
        return self._act(self.steps)

    def close(self) -> None:
        self.closed = True


def test_one_that_fails_keeps_nobody_and_is_done_in_the_end() -> None:
    done, stop = threading.Event(), threading.Event()
    told: list[dict[str, DutyState]] = []

    def failing(step: int) -> bool:
        if step < 4:
            raise OSError("away")
        return False

    bad, good = Chore("bad", failing), Chore("good", lambda step: step < 3)

    def tell(states: dict[str, DutyState]) -> None:
        told.append(states)
        if all(one.was_done for one in states.values()):
            done.set()

    runner = Duties([bad, good], ManualClock(0), NoMetrics(), 600.0, lambda s: tell(dict(s)))
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    assert done.wait(WAIT_S)
    stop.set()
    thread.join(WAIT_S)
    assert (bad.steps, good.steps) == (4, 3), "what says there is more is asked again at once"
    assert bad.closed
    assert good.closed
    assert DutyState(was_done=False, failing="OSError: away") in [one["bad"] for one in told]
    assert told[-1] == {"bad": DutyState(was_done=True), "good": DutyState(was_done=True)}


def config(tmp_path: Path) -> Config:
    return Config(
        cluster=ClusterConfig(redis_url="redis://127.0.0.1:1/0", host="a"),
        server=ServerConfig(run_directory=str(tmp_path)),
        catalog=CatalogConfig(directory=str(tmp_path / "catalog")),
    )


def test_a_machine_with_nothing_is_not_ready_before_it_knows_the_cluster(tmp_path: Path) -> None:
    settings = config(tmp_path)
    assert why_not_caught_up(Config(), "empty") is None
    assert "being looked at" in str(why_not_caught_up(settings, "empty"))
    assert why_not_caught_up(settings, "c-1") is None, "what is known from before is served"
    tell_duties(settings, {"catalog": DutyState(failing="Redis is away")})
    assert "Redis is away" in str(why_not_caught_up(settings, "empty"))
    tell_duties(settings, {"catalog": DutyState(was_done=True), "models": DutyState()})
    assert "models" in str(why_not_caught_up(settings, "empty"))
    done = {"catalog": DutyState(was_done=True), "models": DutyState(was_done=True)}
    tell_duties(settings, done)
    assert why_not_caught_up(settings, "empty") is None, "there is no catalog anywhere"
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "current").touch()
    assert "being loaded" in str(why_not_caught_up(settings, "empty"))


def test_status_tells_what_cannot_be_done(tmp_path: Path) -> None:
    settings = config(tmp_path)
    assert cluster_report(Config()) is None
    report = cluster_report(settings)
    assert report is not None
    assert not report.in_step
    tell_duties(
        settings,
        {"models": DutyState(was_done=True), "forwarding": DutyState(True, "Redis is away")},
    )
    report = cluster_report(settings)
    assert report is not None
    assert (report.host, report.in_step) == ("a", False)
    assert report.failing == {"forwarding": "Redis is away"}
    tell_duties(settings, {"models": DutyState(was_done=True)})
    report = cluster_report(settings)
    assert report is not None
    assert report.in_step
