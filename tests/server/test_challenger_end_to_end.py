"""A challenger on real processes: it learns in shadow, is promoted, serves, and is taken back.

The champion draws artworks at random, so that it learns and never uses it. The challenger plays
what it learned, and is better by construction: viewers play what is to their taste six times as
often.
"""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bandit.catalog import CatalogDocument, write_catalog_file
from bandit.clock import WallClock
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.events import DecisionRecord
from bandit.types import Artwork, Title
from server.cli import main
from server.client import Client
from server.local import LocalServer, state_overrides, wait_until
from server.wire import RankRequest

pytestmark = pytest.mark.processes

TASTES = ("face", "action", "landscape", "object")
TITLES = 12
DOCUMENT = CatalogDocument(
    [
        Title(f"t{title}", [Artwork(f"t{title}.{taste}", {"subject": taste}) for taste in TASTES])
        for title in range(TITLES)
    ]
)
SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "2",
    "MARQUEE__SURFACES__ARTWORK__HOLDOUT": "0",
    "MARQUEE__SURFACES__ARTWORK__EXPLORE": "0",
    "MARQUEE__SURFACES__ARTWORK__EXPLORATION": '{"type": "uniform"}',
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "14",
    "MARQUEE__SURFACES__ROWS__MODEL__BITS": "12",
    "MARQUEE__REWARD__WINDOW_S": "0.5",
    "MARQUEE__REWARD__CLOSE_AFTER_PLAY_S": "0.5",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    # The champion's snapshots of the last minute: however busy the machine, one fits to judge by.
    "MARQUEE__SNAPSHOTS__KEEP": "300",
    "MARQUEE__LEARNER__PUBLISH_INTERVAL_S": "0.2",
    "MARQUEE__LEARNER__CHECKPOINT_INTERVAL_S": "0.2",
    "MARQUEE__CHALLENGER__PROMOTION": "true",
    "MARQUEE__CHALLENGER__DECISIONS_MIN": "200",
}
OVERLAY = """
[surfaces.artwork.exploration]
type = "epsilon_greedy"
epsilon = 0.1
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    source = tmp_path / "catalog.msgpack"
    write_catalog_file(source, DOCUMENT)
    overlay = tmp_path / "challenger.toml"
    overlay.write_text(OVERLAY)
    settings = {
        **SETTINGS,
        "MARQUEE__CATALOG__SOURCE": str(source),
        "MARQUEE__CHALLENGER__CONFIG": str(overlay),
    }
    with LocalServer(tmp_path / "server", settings=settings) as running:
        yield running


class Audience:
    """Viewers that come one after the other."""

    def __init__(self, server: LocalServer, client: Client) -> None:
        self._server = server
        self._client = client
        self._random = np.random.default_rng(5)
        self._pages = 0

    def visit(self, pages: int) -> float:
        """Look at pages and play what appeals; return the share of artworks to the taste."""
        liked = 0
        for _ in range(pages):
            self._pages += 1
            taste = TASTES[self._pages % len(TASTES)]
            page = RankRequest(
                viewer_id=f"v{self._pages}",
                context={"taste": taste},
                titles=[f"t{title}" for title in range(TITLES)],
            )
            result = self._client.rank(page)
            for title in result.answer.titles:
                fits = title.artwork.endswith(taste)
                liked += fits
                self._client.report(result, "impression", title.id)
                if self._random.random() < (0.3 if fits else 0.05):
                    self._client.report(result, "play", title.id, seconds=600, fraction=0.5)
        assert self._client.flush(30)
        return liked / (pages * TITLES)

    def ask(self, path: str = "", method: str = "GET") -> Any:
        request = urllib.request.Request(f"{self._server.url}/v1/challenger{path}", method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())


def test_a_better_challenger_takes_over_serves_and_is_taken_back(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(server.url, deadline_s=20) as client:
        audience = Audience(server, client)
        before = audience.visit(50)
        assert before < 0.4, "the champion draws at random"
        for _ in range(40):
            if audience.ask()["serving"] == "challenger":
                break
            audience.visit(50)
        answer = audience.ask()
        assert answer["serving"] == "challenger", answer
        (move,) = answer["history"]
        assert (move["what"], move["by"]) == ("promoted", "gate")
        assert move["evidence"]["decisions"] >= 200
        assert move["evidence"]["lift"]["low"] > 0
        assert {"artwork"} == move["snapshots"]["challenger"].keys()
        assert move["changes"]["surfaces.artwork.exploration.type"] == ["uniform", "epsilon_greedy"]
        assert answer["decisions"] < move["evidence"]["decisions"], "evidence begins anew"

        # Both workers follow.
        wait_until(lambda: audience.visit(20) > 0.7, 60, "workers that serve the challenger")
        assert client.status()["challenger"]["serving"] == "challenger"

        # Its death harms nobody, and it goes on learning.
        pid = _challenger_pid(server)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: audience.visit(20) > 0.7, 60, "pages served without it")
        wait_until(lambda: _challenger_pid(server) != pid, 60, "another challenger process")

        for name, value in {**state_overrides(server.directory), **_given(server)}.items():
            monkeypatch.setenv(name, value)
        told = CliRunner().invoke(main, ["challenger", "demote"])
        assert told.exit_code == 0, told.output
        wait_until(lambda: audience.visit(20) < 0.5, 60, "workers that serve the champion")
        answer = audience.ask()
        assert answer["serving"] == "champion"
        assert [(one["what"], one["by"]) for one in answer["history"]] == [
            ("demoted", "hand"),
            ("promoted", "gate"),
        ]
        assert CliRunner().invoke(main, ["challenger", "demote"]).exit_code == 2

        # Another file is another challenger; one that is wrong changes nothing.
        overlay = server.directory.parent / "challenger.toml"
        overlay.write_text("[surfaces.artwork.model]\nbits = 15\n")
        server.signal(signal.SIGHUP)
        changes = {"surfaces.artwork.model.bits": [14, 15]}
        wait_until(lambda: audience.ask()["changes"] == changes, 60, "the other challenger")
        wait_until(lambda: _challenger_evidence(server)["decisions"] == 0, 60, "evidence anew")
        overlay.write_text("[surfaces.artwork.model]\nbit = 15\n")
        server.signal(signal.SIGHUP)
        refused = "unknown key; did you mean surfaces.artwork.model.bits"
        wait_until(lambda: refused in server.output.read_text(), 60, "the refusal")
        # Workers of before the reload may answer still.
        wait_until(lambda: audience.ask()["changes"] == changes, 60, "the one before the mistake")
    _check_log(server)


def _given(server: LocalServer) -> dict[str, str]:
    overlay = server.directory.parent / "challenger.toml"
    return {**SETTINGS, "MARQUEE__CHALLENGER__CONFIG": str(overlay)}


def _challenger_pid(server: LocalServer) -> int:
    status = server.directory / "challenger" / "learner" / "status.json"
    return int(json.loads(status.read_bytes())["pid"])


def _challenger_evidence(server: LocalServer) -> Any:
    return json.loads((server.directory / "challenger" / "evidence.json").read_bytes())


def _check_log(server: LocalServer) -> None:
    """Check that decisions tell who made them, by which snapshots."""
    reader = SqliteEventReader(server.directory / "log", WallClock())
    try:
        decisions = [
            logged.record
            for spool in reader.spools()
            for logged in reader.read(spool, 0, 1_000_000).records
            if isinstance(logged.record, DecisionRecord)
        ]
    finally:
        reader.close()
    assert {one.line for one in decisions} == {"champion", "challenger"}
    for one in decisions:
        if one.line == "challenger":
            assert one.policy.startswith("epsilon_greedy")
            assert "artwork" in one.snapshots
        else:
            assert one.policy.startswith("uniform")
