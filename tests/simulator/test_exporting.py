"""Exports by shares: all of the log, the same bits whoever writes them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bandit.clock import ManualClock, WallClock
from bandit.config.schema import Config
from bandit.errors import OutcomeFilesError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.joiner import Outcome
from bandit.metrics import NoMetrics
from bandit.outcome_files import Manifest, OutcomeFiles, ShareReader, export_log
from server.local import state_overrides
from simulator.cli.root import main
from simulator.cluster import Cluster
from simulator.jobs import Workers
from simulator.progress import Watch
from simulator.studies.exporting import export_shares
from tests import learning_world as world
from tests.docs.markdown import ROOT
from tests.faults.pool_workers import finish, kill_twice
from tests.simulator.cluster_places import local_cluster

START_US = 1_700_000_000_000_000
SHARES = 5


class Log:
    """A log of two spools, long ago."""

    def __init__(self, root: Path, pages: int) -> None:
        self.root = root
        self.config: Config = world.config(root)
        self.clock = ManualClock(START_US)
        self.catalogs, version = world.store_catalog(root)
        self.directory = Path(self.config.log.directory)
        writers = [
            SqliteEventWriter.open(self.directory, self.clock, self.config.log, NoMetrics())
            for _ in range(2)
        ]
        world.write(writers, self.clock, world.chunks(pages, version, spools=2))
        for writer in writers:
            writer.close()

    def whole(self) -> Manifest:
        clock = WallClock()
        with closing(SqliteEventReader(self.directory, clock)) as reader:
            report = export_log(
                reader, self.catalogs, self.config, self.root / "whole", clock.now_us()
            )
        return report.manifest

    def shares(self, name: str, jobs: Workers) -> Manifest:
        out = self.root / name
        return export_shares(self.config, out, SHARES, jobs=jobs, watch=Watch()).manifest

    def outcomes(self, name: str) -> list[Outcome]:
        found = [one for batch in OutcomeFiles(self.root / name).outcomes() for one in batch]
        return sorted(found, key=lambda one: one.decision.decision_id)

    def files(self, name: str) -> dict[str, bytes]:
        directory = self.root / name
        return {
            str(path.relative_to(directory)): path.read_bytes()
            for path in sorted(directory.rglob("*.parquet"))
        }


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path, 120)


def test_shares_together_are_the_whole(log: Log) -> None:
    whole, divided = log.whole(), log.shares("divided", 1)
    assert log.outcomes("divided") == log.outcomes("whole")
    assert len(divided.files) >= SHARES
    for name in ("outcomes", "closed_by", "open_decisions", "dispositions", "reward", "catalogs"):
        assert getattr(divided, name) == getattr(whole, name), name
    assert [path.name for path in log.root.glob(".divided*")] == []
    assert [path.name for path in (log.root / "divided").glob(".*")] == []


def test_the_bits_are_the_same_whoever_writes_them(log: Log) -> None:
    one, several = log.shares("one", 1), log.shares("several", 3)
    with local_cluster(2) as dask:
        shared = log.shares("shared", Cluster(dask.scheduler_address))
    assert log.files("one") == log.files("several") == log.files("shared")
    same = [msgspec.structs.replace(one, log_clock_us=0) for one in (one, several, shared)]
    assert same[0] == same[1] == same[2]


def test_records_after_the_instant_are_for_a_later_export(log: Log) -> None:
    """Whenever a task reads: what came in meanwhile is not in one share and missing in another."""
    with closing(SqliteEventReader(log.directory, WallClock())) as reader:
        times = [row[1] for row in reader.read_raw("spool-000", 0, 10_000).rows]
    until_us = times[len(times) // 2]
    early = [at_us for at_us in times if at_us <= until_us]
    read = []
    for share in range(2):
        reader = ShareReader(log.directory, WallClock(), share, 2, until_us)
        with closing(reader):
            for limit in (7, 10_000):
                after, found = 0, []
                while True:
                    batch = reader.read("spool-000", after, limit)
                    found += [one.at_us for one in batch.records]
                    if batch.last_sequence == after:
                        break
                    after = batch.last_sequence
                assert batch.horizon_us == until_us
            read += found
    assert sorted(read) == early


def test_what_is_no_export_is_left_alone(log: Log) -> None:
    (log.root / "mine").mkdir()
    (log.root / "mine" / "letter").touch()
    with pytest.raises(OutcomeFilesError, match="is no export"):
        log.shares("mine", 1)
    log.whole()
    log.shares("whole", 2)
    assert len(log.files("whole")) >= SHARES, "an earlier export is replaced"


def environment(log: Log) -> dict[str, str]:
    reward = {
        f"MARQUEE__REWARD__{name.upper()}": str(getattr(log.config.reward, name))
        for name in ("window_s", "clock_leeway_s", "close_after_play_s")
    }
    return {**state_overrides(log.root), **reward}


def test_the_command_writes_what_can_be_judged(log: Log) -> None:
    out = log.root / "out"
    found = CliRunner().invoke(main, ["export", "--out", str(out)], env=environment(log))
    assert found.exit_code == 0, found.output
    assert f"{log.whole().outcomes:,} decisions with their feedback" in found.output
    judged = CliRunner().invoke(main, ["evaluate", str(out), "--policy", "uniform"])
    assert judged.exit_code == 0, judged.output
    both = CliRunner().invoke(
        main, ["export", "--out", str(out), "--jobs", "2", "--cluster", "tcp://127.0.0.1:1"]
    )
    assert both.exit_code == 2
    assert "exclude each other" in both.output


@pytest.mark.processes
def test_killed_workers_change_no_bit(tmp_path: Path) -> None:
    log = Log(tmp_path, 4000)

    def begin(name: str, jobs: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "simulator.cli", "export", "--out", str(tmp_path / name)]
        return subprocess.Popen(
            [*command, "--jobs", str(jobs)],
            cwd=ROOT,
            env={**os.environ, **environment(log)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    running = begin("beset", 2)
    told = finish(running, lambda: kill_twice(running))
    assert told.count("a worker process died") == 2, told
    finish(begin("alone", 1), lambda: None)
    assert log.files("beset") == log.files("alone")
