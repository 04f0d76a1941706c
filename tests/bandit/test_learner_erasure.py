"""The learner lets go of open decisions that were erased, and learns nothing twice."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import msgspec

from bandit.clock import ManualClock, to_us
from bandit.config.overlay import make_challenger
from bandit.config.schema import LogConfig
from bandit.erasure import Erasure
from bandit.eventlog.erasure_orders import CHALLENGER, LEARNER, ErasureOrders
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, Record
from bandit.learner import Learner
from bandit.lease import Lease
from bandit.metrics import NoMetrics
from bandit.snapshots import MemorySnapshotStore
from tests import learning_world as world

VIEWER = "viewer-of-interest"


class Scene:
    """Pages of which each fourth is the viewer's."""

    def __init__(self, root: Path) -> None:
        self.clock = ManualClock(to_us(1000))
        self.catalogs, self.version = world.store_catalog(root)
        self.config = world.config(root)
        self.log = Path(self.config.log.directory)
        self.random = random.Random(5)

    def write(self, first: int, end: int) -> None:
        config = LogConfig(heartbeat_s=3600)
        with closing(SqliteEventWriter.open(self.log, self.clock, config, NoMetrics())) as writer:
            for number in range(first, end):
                records = world.page(number, self.version, self.random)
                writer.append([_of_viewer(one) for one in records]).wait(30)

    def learner(self, reader: SqliteEventReader) -> Learner:
        snapshots = MemorySnapshotStore()
        return Learner(self.config, reader, snapshots, self.catalogs, self.clock, NoMetrics())

    def half_learned(self, reader: SqliteEventReader) -> Learner:
        """Return a learner whose checkpoint has 20 pages learned; 20 later ones are open."""
        self.write(0, 20)
        self.clock.advance_s(1000)
        learner = self.learner(reader)
        self.finish(learner)
        learner.checkpoint(self.clock.now_us())
        self.write(20, 40)
        self.finish(learner)
        return learner

    def finish(self, learner: Learner) -> None:
        for _ in range(2000):
            if learner.step(self.clock.now_us()).idle:
                return
        raise AssertionError("the learner found no end")

    def erase(self) -> dict[str, str]:
        return Erasure(self.config, self.clock, "test", lambda _: None).erase(VIEWER, [], 0)[1]


def _of_viewer(record: Record) -> Record:
    if isinstance(record, DecisionRecord) and int(record.decision_id[1:]) % 4 == 0:
        return msgspec.structs.replace(record, viewer_id=VIEWER)
    return record


def test_what_was_open_is_forgotten_and_what_was_learned_counts_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with closing(SqliteEventReader(scene.log, scene.clock)) as reader:
        learner = scene.half_learned(reader)
        assert sum(learner.counts.outcomes.values()) == 20
        assert learner.status(0).open_decisions == 20
        with Lease(Path(scene.config.learner.directory), scene.clock.now_us()):
            assert list(scene.erase()) == [LEARNER]
            learner.keep_house(scene.clock.now_us() + to_us(2), changed=False)
            assert learner.status(0).open_decisions == 15
        assert scene.erase() == {}
        assert ErasureOrders(scene.log).open() == []
        learner.keep_house(scene.clock.now_us() + to_us(4), changed=False)
        scene.clock.advance_s(1000)
        scene.finish(learner)
        assert learner.status(0).open_decisions == 0
        assert sum(learner.counts.outcomes.values()) == 20 + 15


def test_the_challenger_s_learner_lets_go_as_well(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    own = make_challenger(scene.config, {"reward": {"click": 0.4}}, "overlay.toml").config
    with closing(SqliteEventReader(scene.log, scene.clock)) as reader:
        scene.half_learned(reader)
        learner = Learner(
            own,
            reader,
            MemorySnapshotStore(),
            scene.catalogs,
            scene.clock,
            NoMetrics(),
            name=CHALLENGER,
        )
        scene.finish(learner)
        assert learner.status(0).open_decisions == 20
        with Lease(Path(own.learner.directory), scene.clock.now_us()):
            assert list(scene.erase()) == [CHALLENGER], "the champion's is not at work"
            learner.keep_house(scene.clock.now_us() + to_us(2), changed=False)
            assert learner.status(0).open_decisions == 15
        assert scene.erase() == {}
    assert ErasureOrders(scene.log).open() == []


def test_a_learner_that_was_killed_meanwhile_starts_from_what_is_left(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with closing(SqliteEventReader(scene.log, scene.clock)) as reader:
        learner = scene.half_learned(reader)
        learner.checkpoint(scene.clock.now_us())
    assert scene.erase() == {}
    with closing(SqliteEventReader(scene.log, scene.clock)) as reader:
        again = scene.learner(reader)
        assert again.status(0).open_decisions == 15
        scene.clock.advance_s(1000)
        scene.finish(again)
        assert sum(again.counts.outcomes.values()) == 20 + 15
