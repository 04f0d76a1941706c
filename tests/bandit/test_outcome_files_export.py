"""Exports of a log: what is in them, whole or not at all, beside a writer that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bandit.catalog import CatalogStore
from bandit.clock import ManualClock
from bandit.errors import CatalogError, OutcomeFilesError
from bandit.eventlog.protocol import SpoolBatch
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.joiner import Joiner, Outcome
from bandit.merge import LogMerge
from bandit.metrics import NoMetrics
from bandit.outcome_files import Manifest, OutcomeFiles, export_log
from tests import learning_world as world

START_US = 1_700_000_000_000_000


class World:
    """A log with two spools, and where its export goes."""

    def __init__(self, root: Path, pages: int) -> None:
        self.config = world.config(root)
        self.clock = ManualClock(START_US)
        self.catalogs, self.version = world.store_catalog(root)
        self.out = root / "out"
        self.writers = [
            SqliteEventWriter.open(
                self.config.log.directory, self.clock, self.config.log, NoMetrics()
            )
            for _ in range(2)
        ]
        world.write(self.writers, self.clock, world.chunks(pages, self.version, spools=2))

    def settle(self) -> None:
        """Let every window close, and the writers go."""
        self.close()
        self.clock.advance_s(1000)

    def close(self) -> None:
        for writer in self.writers:
            writer.close()

    def export(self) -> Manifest:
        with closing(SqliteEventReader(self.config.log.directory, self.clock)) as reader:
            return export_log(
                reader, self.catalogs, self.config, self.out, self.clock.now_us()
            ).manifest

    def joined(self) -> tuple[list[Outcome], int]:
        """Join the log in one go; return outcomes and how many are open."""
        joiner = Joiner(self.config.reward, 10**6, 10**6)
        found: list[Outcome] = []
        with closing(SqliteEventReader(self.config.log.directory, self.clock)) as reader:
            merge = LogMerge(reader, 10**6)
            for record, at_us, late in merge.poll().records:
                found += joiner.take(record.record, at_us, late=late)
            found += joiner.advance(merge.clock_us)
        # Exports hold what was joined; at what times windows began and closed they do not tell.
        return [one._replace(opened_at_us=0, closed_at_us=0) for one in found], joiner.waiting


@pytest.fixture
def log(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, 120)
    yield made
    made.close()


def read(directory: Path) -> list[Outcome]:
    return [one for batch in OutcomeFiles(directory).outcomes(17) for one in batch]


def content(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_an_export_holds_what_the_joiner_makes_of_the_log(log: World) -> None:
    log.settle()
    expected, waiting = log.joined()
    assert len(expected) > 100
    manifest = log.export()
    assert read(log.out) == expected
    assert (manifest.outcomes, manifest.open_decisions) == (len(expected), waiting)
    assert sum(manifest.closed_by.values()) == len(expected)
    assert manifest.closed_by["play"] > 0
    assert (manifest.reward, manifest.catalogs) == (log.config.reward, [log.version])
    files = OutcomeFiles(log.out)
    assert files.catalog(log.version) == log.catalogs.document(log.version)


def test_beside_writers_only_what_has_closed_is_exported(log: World) -> None:
    manifest = log.export()
    expected, waiting = log.joined()
    assert read(log.out) == expected
    assert 0 < manifest.outcomes < 120
    assert manifest.open_decisions == waiting > 0
    log.writers[0].append([]).wait(10)
    assert all(writer.is_alive() for writer in log.writers)


def test_exporting_again_makes_the_same_files(log: World) -> None:
    log.settle()
    log.export()
    first = content(log.out)
    assert len(first) == 3
    log.export()
    assert content(log.out) == first
    assert [path.name for path in log.out.parent.glob(".*")] == []


def test_small_steps_make_the_same_outcomes(log: World) -> None:
    log.settle()
    expected, _ = log.joined()
    log.config = world.config(log.out.parent, batch_records_max=7)
    log.export()
    assert read(log.out) == expected


def test_what_is_no_export_is_left_alone(log: World) -> None:
    log.out.mkdir()
    (log.out / "precious").write_text("mine")
    with pytest.raises(OutcomeFilesError, match="is no export") as caught:
        log.export()
    assert "not there yet" in caught.value.hint
    assert content(log.out) == {"precious": b"mine"}


def test_a_failure_leaves_the_earlier_export_and_nothing_else(
    log: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.settle()
    log.export()
    before = content(log.out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bandit.outcome_files.export.write_manifest", full)
    with pytest.raises(OutcomeFilesError, match="No space left"):
        log.export()
    assert content(log.out) == before
    assert [path.name for path in log.out.parent.glob(".*")] == []


def test_damaged_records_and_lost_catalogs_are_counted(
    log: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.settle()

    def lost(self: CatalogStore, version: str) -> None:
        raise CatalogError("", f"{version} is lost")

    reads = SqliteEventReader.read

    def damaged(self: SqliteEventReader, spool: str, after: int, limit: int) -> SpoolBatch:
        batch = reads(self, spool, after, limit)
        if after or not batch.records:
            return batch
        first = batch.records[0]
        return batch._replace(records=batch.records[1:], damaged=[(first.sequence, "torn")])

    monkeypatch.setattr(CatalogStore, "document", lost)
    monkeypatch.setattr(SqliteEventReader, "read", damaged)
    manifest = log.export()
    assert manifest.damaged_records == 2
    assert (manifest.catalogs, manifest.missing_catalogs) == ([], [log.version])


def test_an_empty_log_makes_an_empty_export(tmp_path: Path) -> None:
    empty = World(tmp_path, 0)
    empty.settle()
    manifest = empty.export()
    assert (manifest.outcomes, manifest.files) == (0, [])
    assert read(empty.out) == []


def test_an_edited_catalog_is_refused(log: World) -> None:
    log.settle()
    log.export()
    path = log.out / f"catalog-{log.version}.jsonl"
    path.write_text(path.read_text().replace("g1", "g2"))
    with pytest.raises(OutcomeFilesError, match="does not hold the catalog"):
        OutcomeFiles(log.out).catalog(log.version)
