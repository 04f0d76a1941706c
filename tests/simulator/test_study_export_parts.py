"""A streamed export judged by its files: the same bits whoever judges them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bandit.catalog import CatalogStore
from bandit.clock import ManualClock, WallClock
from bandit.config.schema import LimitsConfig
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.metrics import NoMetrics
from bandit.outcome_files import export_log, writing
from simulator.datasets import concatenate, open_source
from simulator.datasets.source import PartedSource
from simulator.progress import Watch
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.streaming import evaluate_streamed
from tests import learning_world as world

START_US = 1_700_000_000_000_000


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export in several files."""
    root = tmp_path_factory.mktemp("exported")
    _, version = world.store_catalog(root)
    config = world.config(root)
    clock = ManualClock(START_US)
    writer = SqliteEventWriter.open(config.log.directory, clock, config.log, NoMetrics())
    world.write([writer], clock, world.chunks(150, version))
    writer.close()
    catalogs = CatalogStore(config.catalog.directory, LimitsConfig())
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(SqliteEventReader(config.log.directory, WallClock())) as reader,
    ):
        patch.setattr(writing, "FILE_OUTCOMES_MAX", 40)
        export_log(reader, catalogs, config, root / "out", WallClock().now_us())
    return root / "out"


def test_an_exports_parts_are_its_files(exported: Path) -> None:
    source = open_source(exported)
    assert isinstance(source, PartedSource)
    parts = source.parts()
    assert len(parts) > 2
    whole = concatenate(source.choices())
    by_part = concatenate([one for part in parts for one in source.choices_of_part(part)])
    assert by_part.action.tolist() == whole.action.tolist()
    assert by_part.reward.tolist() == whole.reward.tolist()
    assert by_part.propensity.tolist() == whole.propensity.tolist()


def test_any_workers_give_the_same_bits(exported: Path) -> None:
    found = []
    for jobs in (1, 2):
        plan = JudgePlan(estimators=asked_estimators(("ips", "snips"), "artwork"))
        result, interrupted = evaluate_streamed(
            open_source(exported),
            ["uniform", "popularity"],
            LogPlan(),
            plan,
            begin("the command", 0, ManualClock(10)),
            jobs=jobs,
            watch=Watch(),
        )
        assert not interrupted
        kept = msgspec.to_builtins(result)
        del kept["about"]
        found.append(kept)
    assert found[0] == found[1]
    assert found[0]["data"]["rounds"] > 100
