"""A whole Marquee in one process, on clocks that move by hand: nodes, their edge, and a learner.

Nothing is replaced: SQLite spools, file stores, signed tokens and snapshots, VW. Each node is what
one gunicorn worker runs, over the directories that all of them share; the learner is stepped
until it has taken all that was logged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bandit.catalog import CatalogStore
from bandit.checkpoint import load_checkpoint
from bandit.clock import ManualClock
from bandit.config.loading import load_config
from bandit.config.schema import Config
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import LoggedRecord, Record
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from bandit.status import LearnerStatus
from server.app import create_app
from server.local import state_overrides, wait_until
from server.prometheus import PrometheusMetrics
from server.service import Service
from server.worker import build_service

START_US = 1_700_000_000_000_000
WAIT_S = 30.0
WINDOW_S = 60.0
LEEWAY_S = 5.0

SETTINGS: Mapping[str, str] = {
    "MARQUEE__REWARD__WINDOW_S": str(WINDOW_S),
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": str(LEEWAY_S),
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "12",
    "MARQUEE__SURFACES__ROWS__MODEL__BITS": "12",
    # What is logged can be read as soon as a page is answered.
    "MARQUEE__LOG__RANK_WAITS_FOR_COMMIT": "true",
    # No page goes unlogged because the machine is busy.
    "MARQUEE__LOG__RANK_COMMIT_TIMEOUT_S": "30",
    # What is awaited comes in real time, so that these only bound how long a test takes.
    "MARQUEE__LOG__HEARTBEAT_S": "0.01",
    "MARQUEE__CATALOG__POLL_INTERVAL_S": "0.02",
    "MARQUEE__SNAPSHOTS__POLL_INTERVAL_S": "0.02",
}
EVERYBODY_LEARNED: Mapping[str, str] = {
    f"MARQUEE__SURFACES__{surface}__{share}": "0"
    for surface in ("ARTWORK", "ROWS")
    for share in ("HOLDOUT", "EXPLORE")
}

CATALOG: dict[str, Any] = {
    "titles": [
        {
            "id": f"t{title}",
            "artworks": [{"id": f"a{art}", "features": {"mood": f"m{art}"}} for art in range(4)],
            "features": {"genre": f"g{title % 2}"},
        }
        for title in range(6)
    ],
    "rows": [{"id": f"r{row}", "features": {"kind": f"k{row}"}} for row in range(3)],
}
PAGE: dict[str, Any] = {
    "viewer_id": "v1",
    "context": {"hour": 21, "tastes": ["noir"]},
    "rows": [{"id": f"r{row}", "titles": [f"t{2 * row}", f"t{2 * row + 1}"]} for row in range(3)],
}


class Node(NamedTuple):
    """One worker's service, its edge and its clock."""

    service: Service
    http: FlaskClient
    clock: ManualClock

    def post(self, path: str, body: object, **headers: str) -> TestResponse:
        """Send JSON."""
        return self.http.post(path, json=body, headers=headers)

    def rank(self, page: Mapping[str, Any] = PAGE, **changes: object) -> Any:
        """Have a page decided, and return the answer's value."""
        response = self.post("/v1/rank", {**page, **changes})
        assert response.status_code == 201, response.text
        return value(response)

    def report(self, *events: Mapping[str, object]) -> tuple[int, int]:
        """Send feedback that is to be accepted; return how much was new, and how much known."""
        response = self.post("/v1/feedback", {"events": list(events)})
        assert response.status_code == 202, response.text
        answer = value(response)
        assert answer["rejected"] == []
        return answer["accepted"], answer["duplicates"]

    def status(self) -> Any:
        """Return what the status says."""
        return value(self.http.get("/v1/status"))


class Site:
    """Nodes and a learner over the same directories."""

    def __init__(self, root: Path, settings: Mapping[str, str]) -> None:
        self._root = root
        self._settings = {**SETTINGS, **settings}
        self.config = self.configured()
        self.clock = ManualClock(START_US)
        self.reader = SqliteEventReader(self.config.log.directory, self.clock)
        self.snapshots = FileSnapshotStore(
            self.config.snapshots.directory, snapshot_keys(self.config)
        )
        self._nodes: list[Node] = []
        self._learner: Learner | None = None

    def configured(self, settings: Mapping[str, str] | None = None) -> Config:
        """Return the site's configuration, changed as asked."""
        changed = {**state_overrides(self._root), **self._settings, **(settings or {})}
        return load_config(None, changed)

    def node(self, *, offset_s: float = 0.0, settings: Mapping[str, str] | None = None) -> Node:
        """Start a worker whose clock is ahead of the true time by ``offset_s``."""
        clock = ManualClock(self.clock.now_us())
        clock.advance_s(offset_s)
        service = build_service(self.configured(settings), clock, PrometheusMetrics())
        node = Node(service, create_app(service).test_client(), clock)
        self._nodes.append(node)
        return node

    def stop(self, node: Node) -> None:
        """Stop a worker as gunicorn does."""
        self._nodes.remove(node)
        node.service.close()

    def pass_s(self, seconds: float) -> None:
        """Let time pass for everybody."""
        for clock in [self.clock, *(node.clock for node in self._nodes)]:
            clock.advance_s(seconds)

    def close_windows(self) -> None:
        """Let all that is open come to its end, and most of it still be remembered."""
        self.pass_s(WINDOW_S + LEEWAY_S + 1)

    @property
    def learner(self) -> Learner:
        """The learner, which goes on from its checkpoint when first asked for."""
        if self._learner is None:
            catalogs = CatalogStore(self.config.catalog.directory, self.config.limits)
            self._learner = Learner(
                self.config, self.reader, self.snapshots, catalogs, self.clock, NoMetrics()
            )
        return self._learner

    def learn(self) -> LearnerStatus:
        """Take all that can be taken by the clock of the slowest node; publish, and tell.

        What faster nodes logged lies ahead of the log's clock, and waits.
        """
        until_us = max(min(node.clock.now_us() for node in self._nodes), self.horizon_us())
        last = {
            spool: self.reader.sequence_before(spool, until_us + 1)
            for spool in self.reader.spools()
        }

        def learned() -> bool:
            report = self.learner.step(self.clock.now_us())
            assert report.failed is None, report.failed
            # What was taken is what the checkpoint says.
            self.learner.checkpoint(self.clock.now_us())
            return self._has_taken(last, until_us)

        wait_until(learned, WAIT_S, "learning it all")
        now_us = self.clock.now_us()
        self.learner.publish(now_us)
        self.learner.tell(now_us)
        return self.learner.status(now_us)

    def _has_taken(self, last: Mapping[str, int], until_us: int) -> bool:
        """Tell whether the learner is past an instant and past a sequence of every spool."""
        checkpoint, problems = load_checkpoint(Path(self.config.learner.directory))
        assert problems == []
        taken = {} if checkpoint is None else checkpoint.position.sequences
        log_clock_us = self.learner.status(until_us).log_clock_us
        return log_clock_us >= until_us and all(
            taken.get(spool, 0) >= end for spool, end in last.items()
        )

    def append(self, *records: Record) -> None:
        """Log records by a writer of their own, past all that the service checks."""
        writer = SqliteEventWriter.open(
            self.config.log.directory, self.clock, self.config.log, NoMetrics()
        )
        writer.append(records).wait(WAIT_S)
        writer.close()

    def horizon_us(self) -> int:
        """Return up to when the log is known to be complete."""
        return min(
            self.reader.read(spool, 0, 1_000_000).horizon_us for spool in self.reader.spools()
        )

    def records(self) -> list[LoggedRecord]:
        """Return all that is in the log, in the order of spools and sequences."""
        return [
            logged
            for spool in self.reader.spools()
            for logged in self.reader.read(spool, 0, 1_000_000).records
        ]

    def close(self) -> None:
        """Stop everything."""
        for node in list(self._nodes):
            self.stop(node)
        self.reader.close()


@contextmanager
def site_at(root: Path, settings: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Make a site for the length of a block."""
    site = Site(root, settings or {})
    try:
        yield site
    finally:
        site.close()


def value(response: TestResponse) -> Any:
    """Decode an answer by its encoding."""
    decode = msgspec.msgpack.decode if "msgpack" in response.content_type else msgspec.json.decode
    return decode(response.data)


def event(
    event_id: str, decision: Mapping[str, Any], kind: str, title: str, **more: object
) -> dict[str, object]:
    """Make a feedback event on a decision, with the decision's token."""
    return {
        "event_id": event_id,
        "decision_id": decision["decision_id"],
        "token": decision["token"],
        "type": kind,
        "title": title,
        **more,
    }
