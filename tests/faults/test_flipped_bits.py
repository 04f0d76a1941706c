"""Bits flipped at rest in the files of a spool: what is read is true, and the service starts.

Failure case 18, beside tails cut off. SQLite's write-ahead log carries checksums, as the journal
does (``tests/bandit/test_eventlog_journal.py``): a flipped bit there costs records from that one
on, and changes none. The database file itself carries none: a flip shows where it breaks a page or
a record, which is then told; see docs/failure-cases.md.
"""

from __future__ import annotations

import random
import shutil
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bandit.clock import ManualClock
from bandit.config.schema import LogConfig
from bandit.errors import LogError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import FeedbackRecord, Record
from bandit.metrics import NoMetrics

RECORDS = 40
FLIPS = 60
SPOOL = "spool-000"
CONFIG = LogConfig(disk_free_bytes_min=0)


def feedback(number: int) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"e{number}",
        decision_id=f"d{number}",
        type="click",
        title=f"{number} " * 100,
        row="r",
    )


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return what a killed writer leaves, with its write-ahead log, and what a closed one does."""
    written = tmp_path_factory.mktemp("written")
    killed = tmp_path_factory.mktemp("left") / "killed"
    writer = SqliteEventWriter.open(written, ManualClock(1_000_000), CONFIG, NoMetrics())
    for number in range(RECORDS):
        assert writer.append([feedback(number)]).wait(30) == [True]
    shutil.copytree(written, killed)
    writer.close()
    return killed, written


def flipped(source: Path, suffix: str, seed: int, target: Path) -> Path:
    """Return a copy of a log in which one bit of a file is another."""
    shutil.copytree(source, target)
    path = target / f"{SPOOL}.sqlite{suffix}"
    content = bytearray(path.read_bytes())
    drawn = random.Random(seed)
    content[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
    path.write_bytes(content)
    return target


def read(directory: Path) -> list[Record]:
    with closing(SqliteEventReader(directory, ManualClock(2_000_000))) as reader:
        return [one.record for one in reader.read(SPOOL, 0, 10 * RECORDS).records]


@pytest.mark.parametrize("seed", range(FLIPS))
def test_a_flip_in_the_write_ahead_log_leaves_true_records_from_the_first_on(
    left: tuple[Path, Path], tmp_path: Path, seed: int
) -> None:
    log = flipped(left[0], "-wal", seed, tmp_path / "log")
    again = SqliteEventWriter.open(log, ManualClock(2_000_000), CONFIG, NoMetrics())
    assert again.append([feedback(RECORDS)]).wait(30) == [True]
    again.close()
    found = read(log)
    assert found.pop() == feedback(RECORDS)
    assert found == [feedback(number) for number in range(len(found))]


@pytest.mark.parametrize("seed", range(FLIPS))
def test_a_flip_in_the_database_stops_no_writer_and_is_no_error_but_the_logs(
    left: tuple[Path, Path], tmp_path: Path, seed: int
) -> None:
    log = flipped(left[1], "", seed, tmp_path / "log")
    again = SqliteEventWriter.open(log, ManualClock(2_000_000), CONFIG, NoMetrics())
    with suppress(LogError), closing(again):
        again.append([feedback(RECORDS)]).wait(30)
    with closing(SqliteEventReader(log, ManualClock(2_000_000))) as reader:
        for spool in reader.spools():
            with suppress(LogError):
                batch = reader.read(spool, 0, 10 * RECORDS)
                assert len(batch.records) + len(batch.damaged) <= RECORDS + 1
