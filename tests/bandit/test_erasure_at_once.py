"""Erasures that several processes begin do not take the orders from each other."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec

from bandit.clock import WallClock
from bandit.config.schema import LogConfig
from bandit.erasure import Erased, Erasure
from bandit.eventlog.erasure_orders import ErasureOrders, ErasureRecord
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord
from bandit.metrics import NoMetrics
from tests import learning_world as world

VIEWER = "viewer-of-interest"
ASLEEP = LogConfig(heartbeat_s=3600)
AT_ONCE = 3


def test_each_finds_its_work_done_and_it_is_told_once(tmp_path: Path) -> None:
    config = world.config(tmp_path)
    log = Path(config.log.directory)

    def erase() -> Erased:
        return Erasure(config, WallClock(), "test", lambda _: None).erase(VIEWER, [], 20)

    writer = SqliteEventWriter.open(log, WallClock(), ASLEEP, NoMetrics())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        with closing(writer):
            writer.append([_decision()]).wait(30)
            begun: list[Future[Erased]] = [pool.submit(erase) for _ in range(AT_ONCE)]
            orders = ErasureOrders(log)
            until_s = time.monotonic() + 30
            while not orders.open() and time.monotonic() < until_s:
                time.sleep(0.01)
        erased = [one.result(60) for one in begun]
    assert [one.outstanding for one in erased] == [{}] * AT_ONCE
    lines = (log / "keeping" / "erasures.jsonl").read_bytes().splitlines()
    told = [msgspec.json.decode(line, type=ErasureRecord) for line in lines]
    assert sum(one.erased.get("spool-000", 0) for one in told) == 1
    assert len(told) == AT_ONCE


def _decision() -> DecisionRecord:
    return DecisionRecord(
        decision_id="d1",
        decided_at_us=1,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[],
        viewer_id=VIEWER,
    )
