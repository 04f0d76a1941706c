"""A streamed log judged by its parts: the same bits whoever judges them, and whoever dies."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bandit.clock import ManualClock
from simulator.cli import main
from simulator.cluster import Cluster
from simulator.datasets import open_source, table_files
from simulator.datasets.source import PartedSource
from simulator.datasets.table_files import ParquetFiles
from simulator.errors import LoggedDataError
from simulator.jobs import Workers
from simulator.progress import Advance, Watch
from simulator.results import Evaluation
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.evaluate import evaluate
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.streaming import evaluate_streamed
from tests.simulator.cluster_places import local_cluster

FILES = 6
FILE_ROWS = 700
ROWS = FILES * FILE_ROWS
SEED = 5
POLICIES = ("uniform", "popularity")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of Parquet whose viewers' rounds lie in many files."""
    directory = tmp_path_factory.mktemp("log")
    rng = np.random.default_rng(SEED)
    for number in range(FILES):
        action = rng.choice(4, FILE_ROWS, p=[0.4, 0.3, 0.2, 0.1]).astype(np.int32)
        made = {
            "action": action,
            "action_count": np.full(FILE_ROWS, 4, np.int32),
            "reward": (rng.random(FILE_ROWS) < 0.1 * (1 + action)).astype(float),
            "propensity": np.array([0.4, 0.3, 0.2, 0.1])[action],
            "viewer": rng.integers(300, size=FILE_ROWS),
        }
        pq.write_table(pa.table(made), directory / f"{number}.parquet", row_group_size=300)
    return directory


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "PART_ROWS", 500)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with local_cluster(2) as running:
        yield running


class Heard(Watch):
    """Adds up what was told of each task."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        self.done[label] = 0

        def advance(count: int = 1) -> None:
            self.done[label] += count

        yield advance


def plan(*words: str) -> JudgePlan:
    return JudgePlan(estimators=asked_estimators(words or ("ips", "ips=3", "snips"), "artwork"))


def judged(log: Path, jobs: Workers, watch: Watch | None = None) -> bytes:
    """Return all that is found, as it is kept."""
    begun = begin("the command", 0, ManualClock(10))
    source = open_source(log, workers=jobs, watch=watch)
    found, interrupted = evaluate_streamed(
        source,
        POLICIES,
        LogPlan(train_rounds=900),
        plan(),
        begun,
        jobs=jobs,
        watch=watch or Watch(),
    )
    assert not interrupted
    return numbers(found)


def numbers(found: Evaluation) -> bytes:
    """Return everything but when it was found."""
    kept = msgspec.to_builtins(found)
    del kept["about"]
    return msgspec.json.encode(kept)


@pytest.mark.usefixtures("small_parts")
def test_parts_are_all_rows_in_order(log: Path) -> None:
    parts = ParquetFiles(log).parts()
    assert [part.first for part in parts] == np.cumsum([0, *(p.rows for p in parts)])[:-1].tolist()
    assert sum(part.rows for part in parts) == ROWS
    assert all(part.rows >= 500 for part in parts[:-1])
    assert any(len(part.groups) > 1 for part in parts), "no part is of two files"
    source = open_source(log)
    assert isinstance(source, PartedSource)
    by_part = [batch for part in source.parts() for batch in source.choices_of_part(part)]
    whole = list(source.choices())
    for column in ("action", "reward", "cluster"):
        here, there = (
            np.concatenate([getattr(batch, column) for batch in batches])
            for batches in (by_part, whole)
        )
        np.testing.assert_array_equal(here, there)


@pytest.mark.usefixtures("small_parts")
def test_what_is_wrong_is_told_alike_whoever_looked(log: Path, tmp_path: Path) -> None:
    for path in log.iterdir():
        table = pq.read_table(path)
        reward = table["reward"].to_numpy().copy()
        reward[::250] = np.nan
        table = table.set_column(table.column_names.index("reward"), "reward", pa.array(reward))
        pq.write_table(table, tmp_path / path.name, row_group_size=300)
    told = []
    for workers in (1, 2):
        with pytest.raises(LoggedDataError) as caught:
            open_source(tmp_path, workers=workers)
        told.append(caught.value.message)
        source = open_source(tmp_path, workers=workers, skip_bad=True)
        assert isinstance(source, PartedSource)
        assert source.skipped == FILES * 3
        kept = [len(batch) for part in source.parts() for batch in source.choices_of_part(part)]
        assert sum(kept) == ROWS - FILES * 3
    assert told[0] == told[1]
    assert f"18 of {ROWS:,} rows" in told[0]
    assert "(first: 0, 250, 500, 700, 950)" in told[0]


@pytest.mark.usefixtures("small_parts")
def test_parts_say_what_the_whole_log_says(log: Path) -> None:
    begun = begin("the command", 0, ManualClock(10))
    source = open_source(log)
    whole = evaluate(source, ["uniform"], LogPlan(), plan(), begun, jobs=1, watch=Watch())
    parts, _ = evaluate_streamed(source, ["uniform"], LogPlan(), plan(), begun, watch=Watch())
    for one, other in zip(whole.estimates, parts.estimates, strict=True):
        assert one.estimator == other.estimator
        assert other.value == pytest.approx(one.value, rel=1e-12)
        (there,), (here,) = one.intervals, other.intervals
        assert (here.low, here.high) == pytest.approx((there.low, there.high), rel=1e-9)
        for name in ("effective_rounds", "telling_rounds", "weight_mean_p"):
            ours = getattr(other.diagnostics, name)
            assert ours == pytest.approx(getattr(one.diagnostics, name), rel=1e-6), name
    assert whole.data.viewers == parts.data.viewers == 300
    assert whole.data.logged_interval is not None
    assert parts.data.logged_interval is not None
    assert parts.data.logged_interval.low == pytest.approx(whole.data.logged_interval.low)


@pytest.mark.processes
@pytest.mark.xdist_group("cluster")
@pytest.mark.usefixtures("small_parts")
def test_any_workers_give_the_same_bits_and_tell_all_rounds(log: Path, cluster: Any) -> None:
    alone, heard = judged(log, 1), Heard()
    assert judged(log, 2) == alone
    assert judged(log, Cluster(cluster.scheduler_address), heard) == alone
    assert set(heard.done.values()) == {ROWS}
    assert len(heard.done) == 4


class Killing(Heard):
    """Kills a worker process of a cluster with the second part that is judged."""

    def __init__(self, cluster: Any) -> None:
        super().__init__()
        self._cluster = cluster
        self.killed: list[int] = []

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        with super().task(label, total, unit) as told:

            def advance(count: int = 1) -> None:
                told(count)
                if label.startswith("streaming") and not self.killed:
                    pid = self._cluster.workers[0].process.pid
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(pid)

            yield advance


@pytest.mark.processes
@pytest.mark.xdist_group("cluster")
@pytest.mark.usefixtures("small_parts")
def test_a_worker_killed_in_mid_run_changes_no_bit(log: Path, cluster: Any) -> None:
    killing = Killing(cluster)
    assert judged(log, Cluster(cluster.scheduler_address), killing) == judged(log, 1)
    assert killing.killed
    assert set(killing.done.values()) == {ROWS}


def run(*arguments: object) -> tuple[int, str, str]:
    """Return the exit code, what was printed but for the speed, and what was told."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    printed = re.sub(r"(uniform .*\]) +[\d,]+\n", r"\1\n", result.stdout)
    return result.exit_code, printed, result.stderr


@pytest.mark.processes
@pytest.mark.xdist_group("cluster")
def test_commands_take_a_cluster_in_place_of_jobs(log: Path, cluster: Any) -> None:
    address = cluster.scheduler_address
    simulate = ("simulate", "homepage", "--policy", "uniform", "--pages", 40, "--seeds", 2)
    evaluated = ("evaluate", log, "--policy", "popularity", "--estimators", "snips")
    compared = ("compare", log, "uniform", "popularity")
    for command in (simulate, evaluated, compared):
        # What is told meanwhile of progress depends on how long it takes.
        clustered, alone = run(*command, "--cluster", address)[:2], run(*command)[:2]
        assert clustered == alone, command
        assert alone[0] == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--cluster", "here"), "'here' is no scheduler's address"),
        (("--cluster", "tcp://127.0.0.1:1", "--jobs", 2), "--jobs and --cluster exclude"),
    ],
)
def test_what_makes_no_sense_is_refused(log: Path, given: tuple[object, ...], told: str) -> None:
    code, _, errors = run("evaluate", log, "--policy", "uniform", *given)
    assert code != 0
    assert told in errors
