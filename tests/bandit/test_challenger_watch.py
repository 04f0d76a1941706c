"""A challenger's learner over a seeded log: each outcome is judged once, whatever crashes."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from bandit.challenger import gate
from bandit.challenger.evidence import KeptEvidence, read_evidence
from bandit.challenger.held import HeldSnapshots
from bandit.challenger.line_file import LineFile, Move
from bandit.challenger.moving import move_by_hand
from bandit.challenger.running import make_learner
from bandit.challenger.watch import Watch
from bandit.checkpoint import load_checkpoint
from bandit.clock import ManualClock
from bandit.config.overlay import Challenger, make_challenger
from bandit.config.schema import AuthConfig, ChallengerConfig, Config
from bandit.errors import ChallengerError
from bandit.eventlog.journal import Row
from bandit.eventlog.memory import MemoryEventLog
from bandit.eventlog.only_reading import OnlyReading
from bandit.eventlog.protocol import Learned
from bandit.eventlog.removal import remove
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import Slot
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.events import DecisionRecord, encode_record
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, SnapshotStore
from bandit.types import LineName
from tests import learning_world as world

BATCH = 25
PAGES = 80
END_S = 1000.0
OVERLAY = {
    "surfaces": {
        "artwork": {
            "model": {"learning_rate": 0.5},
            "exploration": {"type": "softmax", "temperature": 0.1},
        }
    }
}


def configured(root: Path, **challenger: float | bool) -> Config:
    """Return a configuration whose state lies under ``root``, with small models."""
    config = world.config(root, batch_records_max=BATCH)
    replace = msgspec.structs.replace
    artwork, rows = config.surfaces.artwork, config.surfaces.rows
    surfaces = replace(
        config.surfaces,
        artwork=replace(artwork, model=replace(artwork.model, bits=10)),
        rows=replace(rows, model=replace(rows.model, bits=10)),
    )
    own = ChallengerConfig(directory=str(root / "challenger"))
    return replace(
        config,
        surfaces=surfaces,
        auth=AuthConfig(secrets_directory=str(root / "secrets")),
        challenger=replace(own, **challenger),
    )


class Scene:
    """One log, and the learners of both lines."""

    def __init__(self, root: Path, **challenger: float | bool) -> None:
        self.clock = ManualClock(1_000_000_000)
        self.log = MemoryEventLog(self.clock)
        self.config = configured(root, **challenger)
        self.challenger = make_challenger(self.config, OVERLAY, "overlay.toml")
        self.catalogs, self.version = world.store_catalog(root)
        world.write([self.log.writer("s0")], self.clock, world.chunks(PAGES, self.version))
        self.clock.advance_s(END_S)
        keys = snapshot_keys(self.config)
        self.stores: dict[LineName, SnapshotStore] = {
            "champion": FileSnapshotStore(self.config.snapshots.directory, keys),
            "challenger": FileSnapshotStore(self.challenger.config.snapshots.directory, keys),
        }

    def champion_learner(self) -> Learner:
        return Learner(
            self.config,
            self.log.reader(),
            self.stores["champion"],
            self.catalogs,
            self.clock,
            NoMetrics(),
        )

    def challenger_learner(self) -> Learner:
        return make_learner(self.config, self.challenger, self.log.reader(), self.clock)

    def run(self, crashes: random.Random | None = None) -> tuple[KeptEvidence, int]:
        """Let both learn step by step; return the evidence, and how often it crashed.

        A step of the challenger may be lost with its process; then it is done again.
        """
        now_us, crashed = self.clock.now_us(), 0
        champion, challenger = self.champion_learner(), self.challenger_learner()
        for _ in range(2000):
            idle = champion.step(now_us).idle
            champion.publish(now_us)
            report = challenger.step(now_us)
            if crashes is not None and crashes.random() < 0.4:
                crashed += 1
                if crashes.random() < 0.5:
                    challenger.publish(now_us)
                challenger = self.challenger_learner()
                report = challenger.step(now_us)
            challenger.publish(now_us)
            challenger.checkpoint(now_us)
            if idle and report.idle:
                return self.kept(), crashed
        raise AssertionError("the learners found no end")

    def kept(self) -> KeptEvidence:
        checkpoint, problems = load_checkpoint(Path(self.challenger.config.learner.directory))
        assert checkpoint is not None
        assert problems == []
        return msgspec.msgpack.decode(checkpoint.onlooker, type=KeptEvidence)


def test_evidence_is_the_same_whatever_crashed(tmp_path: Path) -> None:
    whole, _ = Scene(tmp_path / "whole").run()
    assert whole.pages > PAGES / 4
    assert whole.sums[0][0] > 0
    crashing, crashes = Scene(tmp_path / "crashing").run(random.Random(3))
    assert crashes > 5
    assert crashing == whole


def test_every_page_that_concerns_it_counts_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    kept, _ = scene.run()
    reader = scene.log.reader()
    decided = {
        one.record.decision_id: one.record
        for one in reader.read("s0", 0, 1_000_000).records
        if isinstance(one.record, DecisionRecord)
    }
    concerned = [one for one in decided.values() if one.shares["artwork"] != "holdout"]
    learned = scene.challenger_learner().counts.outcomes
    assert sum(learned.values()) == len(decided)
    assert kept.pages + kept.unjudged == len(concerned)


def test_what_judges_has_learned_nothing_that_it_judges(tmp_path: Path) -> None:
    """The champion is ahead by its whole log: its newest snapshots are of no use."""
    scene = Scene(tmp_path)
    now_us = scene.clock.now_us()
    champion = scene.champion_learner()
    while not champion.step(now_us).idle:
        pass
    champion.publish(now_us)
    challenger = scene.challenger_learner()
    for _ in range(2000):
        if challenger.step(now_us).idle:
            break
        challenger.publish(now_us)
        challenger.checkpoint(now_us)
    assert scene.kept().pages == 0
    assert scene.kept().unjudged > 0


def test_held_snapshots_outlive_their_store_s_pruning(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    kept, _ = scene.run()
    keys = snapshot_keys(scene.config)
    sources: dict[LineName, Path] = {
        "champion": Path(scene.config.snapshots.directory),
        "challenger": Path(scene.challenger.config.snapshots.directory),
    }
    held = HeldSnapshots(tmp_path / "challenger", sources, keys)
    for line, store in scene.stores.items():
        manifests = store.versions("artwork")
        newest, before = manifests[:2]
        assert held.newest(line, newest.log_clock_us) == newest.version
        assert held.newest(line, newest.log_clock_us - 1) == before.version
        assert held.newest(line, 0) is None
        store.activate("artwork", before.version)
        assert held.newest(line, newest.log_clock_us) == before.version, "pinned"
        version = kept.judged_by[line]
        assert held.load(line, version).version == version
        held.hold(line, before.version)
        store.activate("artwork", newest.version)
        store.prune("artwork", 1)
        assert held.load(line, before.version).version == before.version
        held.let_go(line, [version])
        assert [path.name for path in (tmp_path / f"challenger/judged/{line}/artwork").iterdir()]


class Told(NamedTuple):
    """What a watch with strong evidence is made of."""

    watch: Watch
    memo: bytes


def _strong(scene: Scene, *, for_challenger: bool) -> Told:
    """Return a watch that goes on from evidence that leaves no doubt."""
    learner = scene.challenger_learner()
    watch = learner._onlooker
    assert isinstance(watch, Watch)
    sums = gate.no_pages()
    better, worse = np.asarray(2.0), np.asarray(0.5)
    for _ in range(3000):
        values = (worse, better) if for_challenger else (better, worse)
        sums = gate.with_page(sums, *values)
    kept = msgspec.msgpack.decode(watch.memo(), type=KeptEvidence)
    strong = msgspec.structs.replace(
        kept, pages=sums.pages, sums=[each.tolist() for each in sums[1:]]
    )
    memo = msgspec.msgpack.encode(strong)
    watch.restore(memo)
    return Told(watch, memo)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Return a scene in which both lines have learned, and the gate may move them."""
    scene = Scene(tmp_path, promotion=True)
    scene.run()
    return scene


def _lines(scene: Scene) -> LineFile:
    return LineFile(Path(scene.config.challenger.directory))


def _history(scene: Scene) -> list[Move]:
    return _lines(scene).history()


def test_the_gate_promotes_and_evidence_begins_anew(scene: Scene) -> None:
    now_us = scene.clock.now_us()
    watch, memo = _strong(scene, for_challenger=True)
    watch.settle(now_us, now_us)
    assert _lines(scene).read().line == "challenger"
    (move,) = _history(scene)
    assert (move.what, move.by, move.evidence["decisions"]) == ("promoted", "gate", 3000)
    assert move.evidence["lift"]["low"] > 0
    assert set(move.snapshots["challenger"]) == {"artwork", "rows"}
    told = read_evidence(Path(scene.config.challenger.directory))
    assert told is not None
    assert (told.decisions, told.since_us, told.serving) == (0, now_us, "challenger")
    # A crash before the checkpoint was saved does not bring the evidence back.
    watch.restore(memo)
    assert watch.evidence(now_us).decisions == 0
    watch.settle(now_us, now_us)
    assert len(_history(scene)) == 1


def test_a_promoted_one_that_falls_is_demoted(scene: Scene) -> None:
    now_us = scene.clock.now_us()
    move_by_hand(
        Path(scene.config.challenger.directory), scene.challenger, scene.stores, 5, promotes=True
    )
    watch, _ = _strong(scene, for_challenger=False)
    watch.settle(now_us, now_us)
    assert [(one.what, one.by) for one in _history(scene)] == [
        ("promoted", "hand"),
        ("demoted", "gate"),
    ]
    assert _lines(scene).read().line == "champion"


@pytest.mark.parametrize(
    "settings", [{"promotion": False}, {"promotion": True, "decisions_min": 3001}]
)
def test_nothing_moves_by_itself_unless_it_may(
    tmp_path: Path, settings: dict[str, float | bool]
) -> None:
    scene = Scene(tmp_path, **settings)
    scene.run()
    watch, _ = _strong(scene, for_challenger=True)
    watch.settle(scene.clock.now_us(), scene.clock.now_us())
    assert _history(scene) == []
    told = read_evidence(Path(scene.config.challenger.directory))
    assert told is not None
    assert told.decisions == 3000
    assert told.wants_move != settings["promotion"]


def test_what_is_not_better_by_the_margin_stays(tmp_path: Path) -> None:
    scene = Scene(tmp_path, promotion=True, margin=5.0)
    scene.run()
    watch, _ = _strong(scene, for_challenger=True)
    watch.settle(scene.clock.now_us(), scene.clock.now_us())
    assert _history(scene) == []


def test_another_overlay_begins_anew_and_takes_a_promotion_back(scene: Scene) -> None:
    _, memo = _strong(scene, for_challenger=True)
    directory = Path(scene.config.challenger.directory)
    move_by_hand(directory, scene.challenger, scene.stores, 5, promotes=True)
    other: Challenger = make_challenger(
        scene.config, {"surfaces": {"artwork": {"model": {"learning_rate": 0.4}}}}, "x.toml"
    )
    assert _lines(scene).read().serves(other.overlay) == "champion"
    scene.challenger = other
    watch = scene.challenger_learner()._onlooker
    assert isinstance(watch, Watch)
    watch.restore(memo)
    now_us = scene.clock.now_us()
    assert watch.evidence(now_us).decisions == 0
    watch.settle(now_us, now_us)
    assert [(one.what, one.by) for one in _history(scene)] == [
        ("promoted", "hand"),
        ("demoted", "config"),
    ]


def test_pages_decided_before_a_move_do_not_count_after_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.run()
    directory = Path(scene.config.challenger.directory)
    move_by_hand(directory, scene.challenger, scene.stores, scene.clock.now_us(), promotes=True)
    # Everything is learned anew, by snapshots that are judged by throughout.
    for name in ("checkpoint", "checkpoint.previous"):
        (Path(scene.challenger.config.learner.directory) / name).unlink()
    kept, _ = scene.run()
    assert (kept.number, kept.pages, kept.unjudged) == (1, 0, 0)


def test_by_hand_only_what_has_models_and_does_not_serve(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    directory = Path(scene.config.challenger.directory)
    now_us = scene.clock.now_us()
    champion = scene.champion_learner()
    while not champion.step(now_us).idle:
        pass
    champion.publish(now_us)
    with pytest.raises(ChallengerError, match="not published"):
        move_by_hand(directory, scene.challenger, scene.stores, 5, promotes=True)
    with pytest.raises(ChallengerError, match="champion serves already"):
        move_by_hand(directory, scene.challenger, scene.stores, 5, promotes=False)
    assert _history(scene) == []


def test_a_line_whose_snapshots_of_the_time_are_gone_is_judged_by_no_older_one(
    tmp_path: Path,
) -> None:
    """The challenger is far behind: the champion keeps only what has learned too much."""
    scene = Scene(tmp_path)
    kept, _ = scene.run()
    assert set(kept.judged_by) == {"champion", "challenger"}
    store = scene.stores["champion"]
    last = store.versions("artwork")[0]
    store.prune("artwork", 1)
    watch = scene.challenger_learner()._onlooker
    assert isinstance(watch, Watch)
    watch.settle(last.log_clock_us - 1, scene.clock.now_us())
    assert "champion" not in watch.evidence(scene.clock.now_us()).judged_by
    watch.settle(last.log_clock_us, scene.clock.now_us())
    assert watch.evidence(scene.clock.now_us()).judged_by["champion"] == last.version


def test_what_was_removed_before_it_came_to_it_is_missed_and_no_more(tmp_path: Path) -> None:
    """The log is not kept for it: it goes on with what is there."""
    config, clock = configured(tmp_path), ManualClock(1_000_000_000)
    challenger = make_challenger(config, OVERLAY, "overlay.toml")
    _, version = world.store_catalog(tmp_path)
    log = Path(config.log.directory)
    log.mkdir()
    slot = Slot.claim(log)
    pages = random.Random(11)

    def append(file: SpoolFile, first: int, count: int) -> None:
        for number in range(first, first + count):
            clock.advance_s(1.0)
            records = world.page(number, version, pages)
            file.store([Row(record.key, encode_record(record)) for record in records])
        clock.advance_s(END_S)
        file.beat()

    def learned() -> int:
        with closing(OnlyReading(log, clock)) as reader:
            learner = make_learner(config, challenger, reader, clock)
            while not learner.step(clock.now_us()).idle:
                pass
            learner.checkpoint(clock.now_us())
            return sum(learner.counts.outcomes.values())

    with closing(SpoolFile(log, slot.name, clock)) as file:
        append(file, 0, 10)
        assert learned() == 10
        append(file, 10, 10)
        file.tend(lambda spool, position: remove(spool, position, position.sequence, 10_000))
        append(file, 20, 20)
        assert learned() == 10 + 20
    slot.release()


def test_its_learner_releases_nothing_of_the_log(tmp_path: Path) -> None:
    """The reader that the process has; the champion's learner alone says what may go."""
    clock = ManualClock(1)
    (tmp_path / "log").mkdir()
    champion, challenger = (
        kind(tmp_path / "log", clock) for kind in (SqliteEventReader, OnlyReading)
    )
    champion.release({"s0": Learned("file", 5, 10)})
    challenger.release({})
    assert challenger.released() == champion.released() == {"s0": Learned("file", 5, 10)}
    champion.close()
    challenger.close()
