"""Spools under kill -9 and under a disk that really refuses: with processes of their own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bandit.clock import WallClock
from bandit.config.schema import LogConfig
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import Slot
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.eventlog.takeover import recover_unclaimed
from bandit.events import LoggedRecord
from bandit.metrics import NoMetrics

WAIT_S = 60.0
KILLS = 10

COMMON = """
import sys
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from bandit.clock import WallClock
from bandit.config.schema import LogConfig
from bandit.errors import LogUnavailableError
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.metrics import NoMetrics

def feedback(name, title="film"):
    return FeedbackRecord(event_id=name, decision_id="d", type="click", title=title)

def decision(name):
    return DecisionRecord(
        decision_id=name, decided_at_us=0, body_digest=b"x" * 3000, catalog="c", policy="p",
        shares={}, titles=[],
    )

writer = SqliteEventWriter.open(sys.argv[1], WallClock(), LogConfig(), NoMetrics())
"""

HANDING_OVER = (
    COMMON
    + """
print("spool", writer.spool, flush=True)
for number in range(1_000_000):
    names = [f"{sys.argv[2]}-{number}-{part}" for part in range(1 + number % 4)]
    assert set(writer.hand_over([decision(name) for name in names]).fates) == {"logged"}
    print("acked", *names, flush=True)
    if number % 50 == 0:
        assert all(writer.append([feedback(f"{sys.argv[2]}-{number}")]).wait(60))
"""
)

APPENDING = (
    COMMON
    + """
from collections import deque
print("spool", writer.spool, flush=True)
pending = deque()
for number in range(1_000_000):
    names = [f"{sys.argv[2]}-{number}-{part}" for part in range(1 + number % 4)]
    pending.append((names, writer.append([feedback(name) for name in names])))
    if len(pending) == 8:
        names, write = pending.popleft()
        assert all(write.wait(60))
        print("acked", *names, flush=True)
"""
)

LIMITED = (
    COMMON
    + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
acked, number = [], 0

def fill(until_refused):
    global number
    for _ in range(400):
        name, number = f"f{number}", number + 1
        try:
            assert writer.append([feedback(name, "x" * 4000)]).wait(60) == [True]
        except LogUnavailableError as error:
            assert error.hint
            if until_refused:
                return
            raise
        acked.append(name)
    assert not until_refused, "the limit was never felt"

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for _ in range(3):
    largest = 400_000 + 4000 * len(acked) * 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    fill(until_refused=True)
    fill(until_refused=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for _ in range(20):
        name, number = f"f{number}", number + 1
        assert writer.append([feedback(name, "x" * 4000)]).wait(60) == [True]
        acked.append(name)
print(*acked, flush=True)
"""
)

LIMITED_HANDING_OVER = (
    COMMON
    + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
acked, number = [], 0

def hand_over():
    global number
    name, number = f"d{number}", number + 1
    assert writer.hand_over([decision(name)]).fates == ["logged"]
    acked.append(name)

for largest in (200_000, 900_000, 1_500_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    refused = 0
    while refused < 20:
        try:
            hand_over()
        except LogUnavailableError as error:
            assert error.hint
            refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for _ in range(20):
        hand_over()
print(*acked, flush=True)
if len(sys.argv) > 2:
    writer.close()
else:
    import os
    os.kill(os.getpid(), signal.SIGKILL)
"""
)


def stored(directory: Path) -> list[LoggedRecord]:
    with closing(SqliteEventReader(directory, WallClock())) as reader:
        assert reader.spools() == ["spool-000"]
        batch = reader.read("spool-000", 0, 10_000_000)
    assert batch.damaged == []
    assert [one.sequence for one in batch.records] == list(range(1, len(batch.records) + 1))
    times = [one.at_us for one in batch.records]
    assert times == sorted(set(times))
    return batch.records


def names(records: list[LoggedRecord]) -> Counter[str]:
    return Counter(one.record.key.partition(":")[2] for one in records)


def run_until_killed(
    directory: Path, life: int, acks: int, program: str = APPENDING
) -> tuple[str, list[str]]:
    """Let a process append and kill it after so many acknowledgements; return spool and names."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(directory), str(life)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        try:
            spool = output.readline().split()[1]
            lines = [output.readline() for _ in range(acks)]
        finally:
            process.kill()
        lines += output.readlines()
    assert process.wait(WAIT_S) == -signal.SIGKILL
    whole = [line.split() for line in lines if line.endswith("\n")]
    assert all(words[0] == "acked" for words in whole)
    return spool, [name for words in whole for name in words[1:]]


@pytest.mark.parametrize("seed", [20240607])
def test_what_was_acknowledged_survives_kill_9_exactly_once(tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)
    acked: list[str] = []
    for life in range(KILLS):
        spool, names_acked = run_until_killed(tmp_path, life, moments.randrange(0, 400))
        assert spool == "spool-000"
        acked += names_acked

        counts = names(stored(tmp_path))
        assert set(acked) <= counts.keys()
        assert set(counts.values()) <= {1}
    assert len(acked) > KILLS


@pytest.mark.parametrize("seed", [20240608, 4])
def test_decisions_handed_over_survive_kill_9_exactly_once_and_in_order(
    tmp_path: Path, seed: int
) -> None:
    moments = random.Random(seed)
    acked: list[str] = []
    found_late = 0
    for life in range(KILLS):
        spool, names_acked = run_until_killed(
            tmp_path, life, moments.randrange(0, 400), HANDING_OVER
        )
        assert spool == "spool-000"
        acked += names_acked
        found_late += len(set(acked) - names(stored(tmp_path)).keys())

        assert not recover_unclaimed(tmp_path, WallClock()).left
        counts = names(stored(tmp_path))
        assert set(acked) <= counts.keys()
        assert set(counts.values()) <= {1}
        decisions = [name for name in counts if name.count("-") == 2]
        assert decisions == sorted(decisions, key=lambda name: [int(n) for n in name.split("-")])
    assert found_late > 0, "no kill came between a hand-over and its commit"
    assert len(acked) > KILLS


@pytest.mark.parametrize("seed", [20240609])
def test_a_writer_that_takes_a_spool_over_stores_what_the_dead_one_left(
    tmp_path: Path, seed: int
) -> None:
    moments = random.Random(seed)
    acked: list[str] = []
    for life in range(KILLS):
        acked += run_until_killed(tmp_path, life, moments.randrange(0, 60), HANDING_OVER)[1]
    SqliteEventWriter.open(tmp_path, WallClock(), LogConfig(), NoMetrics()).close()

    counts = names(stored(tmp_path))
    assert set(acked) <= counts.keys()
    assert set(counts.values()) == {1}


def test_a_dead_writer_s_spool_is_complete_up_to_now_and_its_slot_is_free(tmp_path: Path) -> None:
    run_until_killed(tmp_path, 0, 5)
    before_us = WallClock().now_us()

    with closing(SqliteEventReader(tmp_path, WallClock())) as reader:
        assert reader.read("spool-000", 0, 10_000_000).horizon_us >= before_us
    slot = Slot.claim(tmp_path)
    assert slot.name == "spool-000"
    slot.release()


def test_a_disk_that_refuses_fails_writes_and_recovers_without_a_torn_record(
    tmp_path: Path,
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=WAIT_S,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )

    acked = finished.stdout.split()
    counts = names(stored(tmp_path))
    assert len(acked) >= 60
    assert set(acked) <= counts.keys()
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("ends", [["closed"], []], ids=["closed", "killed"])
def test_decisions_on_a_disk_that_refuses_are_refused_or_kept_and_never_torn(
    tmp_path: Path, ends: list[str]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED_HANDING_OVER, str(tmp_path), *ends],
        stdout=subprocess.PIPE,
        text=True,
        timeout=WAIT_S,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert finished.returncode == (0 if ends else -signal.SIGKILL)
    recover_unclaimed(tmp_path, WallClock())

    acked = finished.stdout.split()
    counts = names(stored(tmp_path))
    assert len(acked) >= 100
    assert list(counts) == acked
    assert set(counts.values()) == {1}
