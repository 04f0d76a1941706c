"""Faults that kill nobody: what a start may find damaged, and clients that send half a body.

A bit flips in, or the end is missing from, the learner's newest checkpoint or a newest model. Log
and journal end in a write that was under way: the beginning of what today's code writes there, cut
at any byte. What was written before it is left alone, as it was synced when it was acknowledged.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from bandit.clock import Clock
from bandit.config import Config
from bandit.eventlog.journal import Journal, Row, journal_path
from bandit.eventlog.sqlite_schema import spool_path
from bandit.eventlog.sqlite_slots import spool_names
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.events import FeedbackRecord, encode_record, feedback_key

Damage = Literal[
    "none",
    "flipped checkpoint",
    "flipped snapshot",
    "torn checkpoint",
    "torn snapshot",
    "torn log",
    "torn journal",
    "read-only state",
]
"""What is wrong with the state while a service is down; the last is the storm's own part."""

_CONNECTIONS = 12
_HALF = (
    b"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"events": [{"event_id": "half'
)


def do_damage(damage: Damage, config: Config, clock: Clock, seed: int) -> bool:
    """Damage what a service finds at its next start; tell whether there was anything."""
    random = np.random.default_rng(seed)
    how, _, what = damage.partition(" ")
    if what in ("log", "journal"):
        log = Path(config.log.directory)
        spools = spool_names(log)
        if not spools:
            return False
        tear = _tear_log if what == "log" else _tear_journal
        return tear(log, spools[int(random.integers(len(spools)))], clock, random)
    files = [Path(config.learner.directory) / "checkpoint"]
    if what == "snapshot":
        files = _newest_model(Path(config.snapshots.directory), random)
    files = [file for file in files if file.is_file()]
    if not files:
        return False
    file = files[int(random.integers(len(files)))]
    content = bytearray(file.read_bytes())
    at = int(random.integers(len(content)))
    if how == "torn":
        content = content[:at]
    else:
        content[at] ^= 1 << int(random.integers(8))
    file.write_bytes(content)
    return True


def _unsent() -> Row:
    """Return a row that nobody sent: where it shows up, a torn write was taken for a whole one."""
    record = FeedbackRecord(event_id="torn", decision_id="torn", type="click", title="torn")
    return Row(feedback_key(record.event_id), encode_record(record))


def _tear_log(log: Path, spool: str, clock: Clock, random: np.random.Generator) -> bool:
    """Begin a commit in a spool's write-ahead log."""
    file = spool_path(log, spool)
    ahead = file.with_name(f"{file.name}-wal")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for each in (file, ahead):
            if each.exists():
                shutil.copy(each, copy)
        with closing(SpoolFile(copy, spool, clock)) as writer:
            writer.store([_unsent()])
            return _begin(ahead, (copy / ahead.name).read_bytes(), random)


def _tear_journal(log: Path, spool: str, _clock: Clock, random: np.random.Generator) -> bool:
    """Begin a frame in a spool's journal."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        sides = [journal_path(log, spool, side) for side in (0, 1)]
        for side in sides:
            if side.exists():
                shutil.copy(side, copy)
        journal, _ = Journal.open(copy, spool)
        before = _contents(copy)
        journal.write([_unsent()])
        journal.close(emptied=False)
        (changed,) = [one for one, content in _contents(copy).items() if content != before.get(one)]
        return _begin(log / changed, (copy / changed).read_bytes(), random)


def _contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _begin(path: Path, after: bytes, random: np.random.Generator) -> bool:
    """Write the beginning of what makes a file's content ``after``, but not the whole of it."""
    before = path.read_bytes() if path.exists() else b""
    shared = min(len(before), len(after))
    differs = np.flatnonzero(
        np.frombuffer(before[:shared], np.uint8) != np.frombuffer(after[:shared], np.uint8)
    )
    first = int(differs[0]) if len(differs) else shared
    last = len(after) - 1 if len(after) > shared else int(differs[-1]) if len(differs) else first
    if last <= first:
        return False
    cut = int(random.integers(first + 1, last + 1))
    with path.open("r+b" if before else "wb") as file:
        file.seek(first)
        file.write(after[first:cut])
    return True


def _newest_model(snapshots: Path, random: np.random.Generator) -> list[Path]:
    """Return the files of one surface's newest snapshot."""
    surfaces = sorted(path for path in snapshots.glob("*") if path.is_dir())
    if not surfaces:
        return []
    surface = surfaces[int(random.integers(len(surfaces)))]
    versions = sorted(path for path in surface.glob("[0-9]*") if path.is_dir())
    return sorted(versions[-1].iterdir()) if versions else []


@contextmanager
def half_sent_bodies(port: int) -> Iterator[None]:
    """Have connections open on which half a body was sent and nothing more comes."""
    with ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(_HALF)
        yield
