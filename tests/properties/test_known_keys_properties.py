"""The filter of known keys hides no committed record: any order of events, and real kills."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bandit.clock import WallClock
from bandit.eventlog import known_keys
from bandit.eventlog.journal import Row
from bandit.eventlog.known_keys import SIZE_BYTES, KnownKeys, keys_path
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_schema import spool_path
from bandit.eventlog.sqlite_spool import SpoolFile

SPOOLS = [f"spool-{number:03}" for number in range(3)]
KILLS = 5
WAIT_S = 60.0

WRITING = """
import sys
from pathlib import Path
from bandit.clock import WallClock
from bandit.eventlog.journal import Row
from bandit.eventlog.sqlite_spool import SpoolFile

file = SpoolFile(Path(sys.argv[1]), "spool-000", WallClock())
for number in range(1_000_000):
    key = f"{sys.argv[2]}-{number}"
    file.store([Row(key, b"x")])
    print(key, flush=True)
"""

spools = st.sampled_from(SPOOLS)
counts = st.integers(1, 20)


class Spools(RuleBasedStateMachine):
    """Writers of two releases, a reader of all the time and files that come to harm."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.place = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.stack.enter_context(patch.object(known_keys, "_BOOT_ID", self.place / "boot"))
        self.boots = itertools.count()
        self.numbers = itertools.count()
        self.ages_s = itertools.count(3600)
        self.stored: dict[str, list[str]] = {spool: [] for spool in SPOOLS}
        self.backups: dict[str, list[str]] = {}
        self.writers: dict[str, SpoolFile] = {}
        self.boot()
        self.reader = self.stack.enter_context(closing(SqliteEventReader(self.place, WallClock())))

    def teardown(self) -> None:
        for spool in list(self.writers):
            self.close(spool)
        self.stack.close()

    def put(self, file: SpoolFile, spool: str, count: int) -> None:
        keys = [f"{next(self.numbers)}" for _ in range(count)]
        repeated = self.stored[spool][-1:]
        file.store([Row(key, b"x") for key in [*keys, *repeated]])
        self.stored[spool] += keys

    @rule(spool=spools, count=counts)
    def write(self, spool: str, count: int) -> None:
        if spool not in self.writers:
            self.writers[spool] = SpoolFile(self.place, spool, WallClock())
        self.put(self.writers[spool], spool, count)

    @rule(spool=spools)
    def close(self, spool: str) -> None:
        if spool in self.writers:
            self.writers.pop(spool).close()

    @rule(spool=spools, count=counts)
    def write_without_filter(self, spool: str, count: int) -> None:
        self.close(spool)
        with (
            patch.object(KnownKeys, "open", lambda *_: None),
            closing(SpoolFile(self.place, spool, WallClock())) as file,
        ):
            self.put(file, spool, count)

    @rule()
    def boot(self) -> None:
        for spool in list(self.writers):
            self.close(spool)
        (self.place / "boot").write_text(f"{next(self.boots):036}")

    @rule(spool=spools)
    def lose_bits_in_a_crash(self, spool: str) -> None:
        self.boot()
        path = keys_path(spool_path(self.place, spool))
        if path.exists():
            with path.open("r+b") as file:
                file.seek(SIZE_BYTES // 2)
                file.write(bytes(SIZE_BYTES // 2))

    @rule(spool=spools)
    def remove_filter(self, spool: str) -> None:
        keys_path(spool_path(self.place, spool)).unlink(missing_ok=True)

    @rule(spool=spools)
    def back_up(self, spool: str) -> None:
        self.close(spool)
        path = spool_path(self.place, spool)
        if path.exists():
            shutil.copy(path, self.place / f"{spool}.backup")
            self.backups[spool] = list(self.stored[spool])

    @rule(spool=spools)
    def restore(self, spool: str) -> None:
        """Put a backup in the spool's place, while nobody reads or writes it."""
        self.close(spool)
        if spool in self.backups:
            self.reader.close()
            shutil.copy(self.place / f"{spool}.backup", self.place / "copy")
            for path in self.place.glob(f"{spool}.sqlite-*"):
                path.unlink()
            (self.place / "copy").replace(spool_path(self.place, spool))
            self.stored[spool] = list(self.backups[spool])
            self.reader = self.stack.enter_context(
                closing(SqliteEventReader(self.place, WallClock()))
            )

    @rule()
    def let_readers_believe(self) -> None:
        self.reader.known_keys(["new"])
        for path in (*self.place.iterdir(), self.place):
            at_ns = time.time_ns() - next(self.ages_s) * 1_000_000_000
            os.utime(path, ns=(at_ns, at_ns))
        self.reader.known_keys(["new"])

    @invariant()
    def all_are_found(self) -> None:
        stored = {key for keys in self.stored.values() for key in keys}
        assert self.reader.known_keys(sorted(stored)) == stored


Spools.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, derandomize=True
)
TestSpools = Spools.TestCase


def test_what_a_killed_writer_had_committed_is_found(tmp_path: Path) -> None:
    draw = random.Random(5)
    acked: list[str] = []
    with closing(SqliteEventReader(tmp_path, WallClock())) as reader:
        for life in range(KILLS):
            with subprocess.Popen(
                [sys.executable, "-c", WRITING, str(tmp_path), f"life-{life}"],
                stdout=subprocess.PIPE,
                text=True,
            ) as child:
                assert child.stdout is not None
                try:
                    for _ in range(draw.randrange(1, 100)):
                        acked.append(child.stdout.readline().strip())
                        assert reader.known_keys(acked[-1:]) == set(acked[-1:])
                finally:
                    child.send_signal(signal.SIGKILL)
                    acked += child.stdout.read().split()
                    child.wait(WAIT_S)
            assert reader.known_keys(acked) == set(acked)
        with closing(SpoolFile(tmp_path, SPOOLS[0], WallClock())) as file:
            at_ns = time.time_ns() - 3600 * 1_000_000_000
            os.utime(tmp_path, ns=(at_ns, at_ns))
            assert reader.known_keys(acked) == set(acked)
            file.store([Row("last", b"x")])
            assert reader.known_keys(["last", "new"]) == {"last"}
