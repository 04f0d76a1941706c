"""The learner's process crashes within native code, at one decision or at its checkpoint.

The crashes are real (SIGSEGV), and are put where VW would have them: an engine's learning, and its
restoring.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandit import engines
from bandit.at_work import CRASH_NAME, AtWork, Crash, last_crash
from bandit.checkpoint import CURRENT_NAME, PREVIOUS_NAME
from bandit.clock import ManualClock, WallClock
from bandit.config.schema import Config
from bandit.dead_letters import LETTERS_NAME
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.learner_main import run_learner
from bandit.metrics import NoMetrics
from bandit.model import VowpalEngine
from bandit.status import read_status
from bandit.training import Trainer
from tests import learning_world as world

pytestmark = pytest.mark.processes

WAIT_S = 60.0
PAGES = 30
CULPRIT = "d7"
ATTEMPTS = 3


def _config(root: Path) -> Config:
    config = world.config(root, batch_records_max=15, idle_wait_s=0.005, attempts_max=ATTEMPTS)
    return msgspec.structs.replace(
        config, auth=msgspec.structs.replace(config.auth, secrets_directory=str(root / "secrets"))
    )


def _crash_at_culprit() -> None:
    train = Trainer.train

    def crashing(self: Trainer, outcome: Any) -> Any:
        if outcome.decision.decision_id == CULPRIT:
            os.kill(os.getpid(), signal.SIGSEGV)
        return train(self, outcome)

    Trainer.train = crashing  # type: ignore[method-assign]


def _crash_at_states() -> None:
    class Crashing(VowpalEngine):
        def __init__(self, shape: Any, config: Any, state: bytes | None = None) -> None:
            if state is not None:
                os.kill(os.getpid(), signal.SIGSEGV)
            super().__init__(shape, config, state)

    vars(engines)["VowpalEngine"] = Crashing


def _nothing() -> None:
    """Crash nowhere."""


def _learn(root: str, crash: Callable[[], None]) -> None:
    """Be the learner's process."""
    crash()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    run_learner(_config(Path(root)), WallClock(), NoMetrics(), stop)


def _run_until(root: Path, crash: Callable[[], None], done: Callable[[], bool]) -> int | None:
    """Run a learner until it dies, or all is done; return its exit code."""
    process = multiprocessing.get_context("spawn").Process(target=_learn, args=(str(root), crash))
    process.start()
    for _ in range(int(WAIT_S / 0.02)):
        process.join(0.02)
        if process.exitcode is not None:
            break
        if done():
            process.terminate()
            process.join(WAIT_S)
            break
    code = process.exitcode
    process.close()
    return code


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A log of some decisions, of which one will crash whoever learns from it."""
    _, version = world.store_catalog(tmp_path)
    clock = ManualClock(1_000_000_000)
    log = _config(tmp_path).log
    writer = SqliteEventWriter.open(tmp_path / "log", clock, log, NoMetrics())
    world.write([writer], clock, world.chunks(PAGES, version))
    writer.close()
    return tmp_path


def _outcomes(root: Path) -> int:
    status = read_status(root / "learner")
    return 0 if status is None else sum(status.learned.outcomes.values())


def test_a_decision_that_crashes_the_process_is_set_aside(root: Path) -> None:
    codes = [
        _run_until(root, _crash_at_culprit, lambda: _outcomes(root) >= PAGES - 1)
        for _ in range(ATTEMPTS + 1)
    ]
    assert codes == [-signal.SIGSEGV] * ATTEMPTS + [0]
    (letter,) = (root / "learner" / LETTERS_NAME).read_bytes().splitlines()
    told = msgspec.json.decode(letter)
    assert (told["stage"], told["decision_id"], told["attempts"]) == ("learn", CULPRIT, ATTEMPTS)
    assert "Segmentation fault" in told["reason"]
    assert _outcomes(root) == PAGES - 1


def test_a_checkpoint_that_crashes_the_process_is_set_aside(root: Path) -> None:
    def all_learned() -> bool:
        return _outcomes(root) == PAGES

    assert _run_until(root, _nothing, all_learned) == 0
    directory = root / "learner"
    assert (directory / PREVIOUS_NAME).exists()
    for crashes in range(2 * ATTEMPTS):
        assert (directory / f"{CURRENT_NAME}.refused").exists() == (crashes > ATTEMPTS)
        assert _run_until(root, _crash_at_states, lambda: False) == -signal.SIGSEGV
    (directory / "status.json").unlink(missing_ok=True)
    assert _run_until(root, _crash_at_states, all_learned) == 0
    assert (directory / f"{PREVIOUS_NAME}.refused").exists()


def test_a_kill_amid_learning_is_nobodys_fault(tmp_path: Path) -> None:
    AtWork(tmp_path).begin("learn", "d1")
    assert last_crash(tmp_path) is None
    (tmp_path / CRASH_NAME).write_bytes(b"")
    assert last_crash(tmp_path) is None
    (tmp_path / CRASH_NAME).write_bytes(b"Fatal Python error: Aborted\n\nThread")
    assert last_crash(tmp_path) == Crash("learn", "d1", "Fatal Python error: Aborted")
    AtWork(tmp_path).end()
    assert last_crash(tmp_path) is None
