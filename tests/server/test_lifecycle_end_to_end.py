"""The daily work of ops on real processes: settings that change, models rolled back and rebuilt."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bandit.config import load_config
from bandit.keys import KeyRing
from bandit.secret_keys import known_snapshot_keys
from bandit.snapshots import FileSnapshotStore, Manifest
from server.local import LocalServer, state_overrides, wait_until

pytestmark = pytest.mark.processes

WAIT_S = 60.0
ASKED = 24
"""Connections of their own, asked for a page each: with two workers none is left out."""
TASTES = ("noir", "war")
SETTINGS = """
[server]
workers = 2

[reward]
window_s = 0.3
close_after_play_s = 0.1
clock_leeway_s = 0.0

[learner]
publish_interval_s = 0.1
checkpoint_interval_s = 0.1

[surfaces.rows]
mode = "log_only"

[surfaces.artwork]
holdout = 0.0
explore = 0.0
exploration = {{ type = "epsilon_greedy", epsilon = {epsilon} }}

[surfaces.artwork.model]
bits = 12
learning_rate = {rate}
{more}
"""


class Scene:
    """A service with viewers, and what ops do to it."""

    def __init__(self, root: Path) -> None:
        self.file = root / "marquee.toml"
        self.configure()
        self.server = LocalServer(root / "state", config=self.file).start()
        self._visits = 0

    def configure(self, *, epsilon: float = 0.2, rate: float = 0.05, more: str = "") -> None:
        self.file.write_text(SETTINGS.format(epsilon=epsilon, rate=rate, more=more))

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"{self.server.url}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def visit(self) -> Any:
        """Look at a page over a connection of its own, play, and return the page's answer."""
        self._visits += 1
        taste = TASTES[self._visits % 2]
        page = {
            "viewer_id": f"v{self._visits}",
            "context": {"taste": taste},
            "titles": [
                {"id": "t", "artworks": [{"id": one, "features": {"mood": one}} for one in TASTES]}
            ],
        }
        answer = self.call("POST", "/v1/rank", page)
        (title,) = answer["titles"]
        event = {
            "event_id": f"e{self._visits}", "decision_id": answer["decision_id"], "title": "t",
            "type": "play", "seconds": 900, "fraction": 0.9,
        }  # fmt: skip
        if title["artwork"] == taste:
            self.call("POST", "/v1/feedback", {"events": [event]})
        return answer

    def served(self) -> set[str | None]:
        """Return which models answers name, over all workers."""
        return {self.visit()["snapshots"].get("artwork") for _ in range(ASKED)}

    def manifests(self) -> list[Manifest]:
        """Return the artworks' snapshots, newest first."""
        config = load_config(self.file, state_overrides(self.server.directory))
        keys = known_snapshot_keys(config) or KeyRing((b"none-made-yet-16",))
        return FileSnapshotStore(config.snapshots.directory, keys).versions("artwork")

    def learn_until(self, is_so: Callable[[list[Manifest]], bool], what: str) -> list[Manifest]:
        """Let viewers come until the snapshots are so."""

        def attempt() -> bool:
            self.visit()
            return is_so(self.manifests())

        wait_until(attempt, WAIT_S, what)
        return self.manifests()

    def command(self, *arguments: str) -> str:
        """Run a command line as ops do."""
        done = subprocess.run(
            [sys.executable, "-m", "server.cli", *arguments, "--config", str(self.file)],
            env={**os.environ, **state_overrides(self.server.directory)},
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.server.stop()


class Onlookers:
    """Viewers whose every page must be answered while something is done."""

    def __init__(self, scene: Scene) -> None:
        self.failures: list[Exception] = []
        self.pages = 0
        self._scene = scene
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Onlookers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        page = {"titles": [{"id": "t", "artworks": [{"id": "a"}, {"id": "b"}]}]}
        while not self._stop.is_set():
            try:
                self._scene.call("POST", "/v1/rank", page)
            except Exception as error:  # noqa: BLE001 - whatever it is, a page failed
                self.failures.append(error)
            self.pages += 1


def test_a_rollback_holds_in_every_worker_until_the_newest_is_followed_again(scene: Scene) -> None:
    def differ(count: int) -> Callable[[list[Manifest]], bool]:
        return lambda found: len(found) >= count

    kept = scene.learn_until(differ(4), "four snapshots")
    older = kept[2].version
    answer = scene.call("POST", f"/v1/snapshots/{older}/activate")
    assert answer["active"]
    assert answer["pinned"]
    wait_until(lambda: scene.served() == {older}, WAIT_S, "every worker's rollback")
    newest = scene.manifests()[0].version
    scene.learn_until(lambda found: found[0].version > newest, "a newer snapshot")
    assert scene.served() == {older}

    other = scene.manifests()[1].version
    scene.command("snapshots", "activate", other)
    wait_until(lambda: scene.served() == {other}, WAIT_S, "the other version, by command")
    wait_until(
        lambda: (
            not scene.call("POST", f"/v1/snapshots/{scene.manifests()[0].version}/activate")[
                "pinned"
            ]
        ),
        WAIT_S,
        "the newest to be followed",
    )
    last = scene.manifests()[0].version
    wait_until(lambda: min(map(str, scene.served())) >= last, WAIT_S, "newer models in answers")


def test_settings_change_under_way_and_what_was_learned_stays_where_it_fits(scene: Scene) -> None:
    before = scene.learn_until(
        lambda found: bool(found) and found[0].examples_learned >= 30, "thirty examples"
    )[0]
    with Onlookers(scene) as onlookers:
        scene.configure(epsilon=0.5, rate=0.01)
        scene.server.signal(signal.SIGHUP)
        wait_until(lambda: propensities(scene) == {0.25, 0.75}, WAIT_S, "the other exploration")
        after = scene.learn_until(
            lambda found: (
                found[0].created_at_us > before.created_at_us
                and found[0].examples_learned > before.examples_learned + 10
            ),
            "more of the same model",
        )
        numbers = [one.examples_learned for one in reversed(after)]
        assert numbers == sorted(numbers), "nothing was learned anew"
        assert after[0].parent == after[1].version
        assert after[0].interactions == before.interactions

        scene.configure(epsilon=0.5, rate=0.01, more='interactions = [["context", "id"]]')
        scene.server.signal(signal.SIGHUP)
        anew = scene.learn_until(
            lambda found: found[0].interactions == [["context", "id"]], "a model of another shape"
        )[0]
        assert anew.examples_learned >= after[0].examples_learned, "learned from the whole log"
        wait_until(
            lambda: min(map(str, scene.served())) >= anew.version,
            WAIT_S,
            "the new shape in answers",
        )
    assert not onlookers.failures
    assert onlookers.pages > 0


def propensities(scene: Scene) -> set[float]:
    """Return the probabilities of what was drawn, over all workers."""
    return {round(scene.visit()["titles"][0]["propensity"], 6) for _ in range(2 * ASKED)}


def test_a_model_rebuilt_from_the_log_is_served_by_every_worker(scene: Scene) -> None:
    scene.learn_until(
        lambda found: bool(found) and found[0].examples_learned >= 30, "thirty examples"
    )
    learned = scene.manifests()[0].examples_learned
    scene.configure(rate=0.5)
    told = scene.command("relearn", "--publish", "--activate")
    (version,) = re.findall(r"\d{9}-[0-9a-f]{8}", told)
    rebuilt = next(one for one in scene.manifests() if one.version == version)
    assert rebuilt.examples_learned >= learned
    assert "outcomes over" in told
    wait_until(lambda: scene.served() == {version}, WAIT_S, "the rebuilt model in every worker")
    scene.learn_until(lambda found: found[0].version > version, "newer ones that do not replace it")
    assert scene.served() == {version}
