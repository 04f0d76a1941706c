"""The learner is killed at random moments, many times, and learns everything exactly once."""

from __future__ import annotations

import multiprocessing
import random
import signal
import threading
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.catalog import CatalogStore
from bandit.checkpoint import Checkpoint, load_checkpoint
from bandit.clock import ManualClock, WallClock
from bandit.config.schema import Config
from bandit.errors import LeaseHeldError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.learner import Learner
from bandit.learner_main import run_learner
from bandit.lease import Lease
from bandit.metrics import NoMetrics
from bandit.model import VowpalEngine
from bandit.scoring import ModelShape
from bandit.snapshots import MemorySnapshotStore
from bandit.status import LearnerStatus, read_status
from bandit.types import SURFACES
from tests import learning_world as world

KILLS = 12
PAGES = 240
WAIT_S = 30.0

pytestmark = pytest.mark.processes


def _config(root: Path) -> Config:
    config = world.config(root, batch_records_max=15, idle_wait_s=0.005)
    return msgspec.structs.replace(
        config, auth=msgspec.structs.replace(config.auth, secrets_directory=str(root / "secrets"))
    )


def _learn(root: str) -> None:
    """Be the learner's process."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    run_learner(_config(Path(root)), WallClock(), NoMetrics(), stop)


def _start(root: Path) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bandit.learner_main", "tests.learning_world"])
    process = context.Process(target=_learn, args=(str(root),))
    process.start()
    return process


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join(WAIT_S)
    assert process.exitcode == -signal.SIGKILL
    process.close()


def _finish(process: BaseProcess, root: Path, decisions: int) -> None:
    for _ in range(int(WAIT_S / 0.02)):
        status = read_status(root / "learner")
        if status is not None and _done(status, decisions):
            break
        process.join(0.02)
    process.terminate()
    process.join(WAIT_S)
    assert process.exitcode == 0
    process.close()


def _done(status: LearnerStatus, decisions: int) -> bool:
    return sum(status.learned.outcomes.values()) == decisions


def _uninterrupted(root: Path) -> Checkpoint:
    clock = WallClock()
    config = world.config(root / "uninterrupted")
    reader = SqliteEventReader(root / "log", clock)
    catalogs = CatalogStore(root / "catalog", config.limits)
    learner = Learner(config, reader, MemorySnapshotStore(), catalogs, clock, NoMetrics())
    while not learner.step(clock.now_us()).idle:
        pass
    learner.checkpoint(clock.now_us())
    reader.close()
    return _stored(Path(config.learner.directory))


def _stored(directory: Path) -> Checkpoint:
    checkpoint, problems = load_checkpoint(directory)
    assert checkpoint is not None
    assert problems == []
    return checkpoint


def _taken(root: Path) -> int:
    """Return how many records the checkpoint has taken."""
    found = load_checkpoint(root / "learner")[0]
    return 0 if found is None else sum(found.position.sequences.values())


def _wait_beyond(taken: int, process: BaseProcess, root: Path) -> None:
    for _ in range(int(WAIT_S / 0.01)):
        if _taken(root) > taken:
            return
        process.join(0.01)
    raise AssertionError(f"no checkpoint beyond {taken} records within {WAIT_S:g} s")


def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    rng = random.Random(11)
    config = _config(tmp_path)
    _, version = world.store_catalog(tmp_path)
    clock = ManualClock(1_000_000_000)
    writer = SqliteEventWriter.open(tmp_path / "log", clock, config.log, NoMetrics())
    chunks = list(world.chunks(PAGES, version))
    feed = iter(chunks)
    progress = [0]
    for kill in range(KILLS):
        world.write([writer], clock, islice(feed, len(chunks) // KILLS))
        process = _start(tmp_path)
        if kill % 3:
            # However slow the machine: two in three get somewhere before they die.
            _wait_beyond(progress[-1], process, tmp_path)
        process.join(rng.uniform(0.05, 0.5))
        _kill(process)
        progress.append(_taken(tmp_path))
    world.write([writer], clock, feed)
    writer.close()
    decisions = len(
        {one.decision_id for chunk in chunks for one in chunk.records if one.key.startswith("d:")}
    )
    _finish(_start(tmp_path), tmp_path, decisions)
    assert len(set(progress)) > KILLS // 2
    _assert_same(_stored(tmp_path / "learner"), _uninterrupted(tmp_path), config)


def _assert_same(killed: Checkpoint, whole: Checkpoint, config: Config) -> None:
    assert killed.counts == whole.counts
    assert killed.insights == whole.insights
    assert killed.joiner.counts == whole.joiner.counts
    assert killed.position.sequences == whole.position.sequences
    for surface in SURFACES:
        model = getattr(config.surfaces, surface).model
        shape = ModelShape.of(surface, model)
        one, other = (
            VowpalEngine(shape, model, checkpoint.engines[surface]).arrays()
            for checkpoint in (killed, whole)
        )
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.variances, other.variances)


def test_a_second_learner_refuses_until_the_first_is_dead(tmp_path: Path) -> None:
    config = _config(tmp_path)
    directory = Path(config.learner.directory)
    process = _start(tmp_path)
    for _ in range(int(WAIT_S / 0.02)):
        if read_status(directory) is not None:
            break
        process.join(0.02)
    with pytest.raises(LeaseHeldError, match=f"process {process.pid} is learning"):
        run_learner(config, WallClock(), NoMetrics(), threading.Event())
    _kill(process)
    Lease(directory, 0).release()
