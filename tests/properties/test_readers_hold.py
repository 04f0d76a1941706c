"""Whatever a file holds, its reader gives a value or the error that it documents.

Mutations of valid files with fixed seeds: catalogs, compiled ones, tables, exports, snapshots,
pointers, checkpoints, journals, configurations, keys.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.catalog.compiled import map_compiled
from bandit.catalog.files import read_catalog_file, write_catalog_file
from bandit.checkpoint import CURRENT_NAME, load_checkpoint, save_checkpoint
from bandit.config.loading import load_config
from bandit.config.schema import LimitsConfig
from bandit.engine import ModelArrays
from bandit.errors import CatalogError, ConfigError, LogError, OutcomeFilesError, SnapshotError
from bandit.eventlog.journal import Journal, Row, journal_path
from bandit.keys import KeyRing, read_keys
from bandit.outcome_files.reading import OutcomeFiles
from bandit.snapshots import FileSnapshotStore, SnapshotDetails
from bandit.snapshots.file_store import FILES, MANIFEST, POINTER
from bandit.snapshots.foreign import read_foreign
from simulator.datasets import open_source
from simulator.errors import SimulatorError
from tests.bandit.test_checkpoint import _checkpoint
from tests.bandit.test_outcome_files import export, outcome
from tests.faults.hostile_requests import CATALOG
from tests.faults.mutations import mutated
from tests.properties.decoder_targets import DSJSON

CHANGES = 60
SECONDS_MAX = 20.0
KEYS = KeyRing((b"a key of sixteen",))


class Reader(NamedTuple):
    """A file as it should be, what reads it, and how that may refuse."""

    file: Path
    read: Callable[[], object]
    refusals: tuple[type[Exception], ...]


def catalog(directory: Path) -> CatalogDocument:
    return msgspec.convert(CATALOG, CatalogDocument)


def catalog_lines(directory: Path) -> Reader:
    path = directory / "catalog.jsonl"
    write_catalog_file(path, catalog(directory))
    return Reader(path, lambda: read_catalog_file(path, LimitsConfig()), (CatalogError,))


def catalog_map(directory: Path) -> Reader:
    path = directory / "catalog.msgpack"
    write_catalog_file(path, catalog(directory))
    return Reader(path, lambda: read_catalog_file(path, LimitsConfig()), (CatalogError,))


def compiled(directory: Path) -> Reader:
    version = CatalogStore(directory, LimitsConfig()).save(catalog(directory))
    path = directory / f"{version}.arrays"
    return Reader(path, lambda: map_compiled(path, version), (CatalogError,))


def table(directory: Path) -> Reader:
    path = directory / "rounds.parquet"
    made = {"action": [0, 1, 2] * 9, "reward": [0.5] * 27, "propensity": [0.25] * 27}
    pq.write_table(pa.table(made), path)
    return Reader(path, lambda: list(open_source(path).choices(8)), (SimulatorError,))


def archive(directory: Path) -> Reader:
    path = directory / "rounds.npz"
    np.savez(path, action=np.arange(9) % 3, reward=np.ones(9), propensity=np.full(9, 0.25))
    return Reader(path, lambda: list(open_source(path).choices(8)), (SimulatorError,))


def dsjson(directory: Path) -> Reader:
    path = directory / "log.dsjson"
    lines = [DSJSON.replace(b'"e1"', f'"e{number}"'.encode()) for number in range(4)]
    path.write_bytes(b"\n".join([*lines, b""]))
    return Reader(path, lambda: list(open_source(path).choices(8)), (SimulatorError,))


def read_outcomes(directory: Path) -> object:
    return list(OutcomeFiles(directory).outcomes())


def export_part(directory: Path) -> Reader:
    made = export(directory / "out", [outcome("d1"), outcome("d2")])
    path = made / "date=1970-01-01/part-00000.parquet"
    return Reader(path, lambda: read_outcomes(made), (OutcomeFilesError,))


def export_manifest(directory: Path) -> Reader:
    made = export(directory / "out", [outcome("d1"), outcome("d2")])
    return Reader(made / "manifest.json", lambda: read_outcomes(made), (OutcomeFilesError,))


def snapshot_file(name: str, *, foreign: bool) -> Callable[[Path], Reader]:
    def make(directory: Path) -> Reader:
        store = FileSnapshotStore(directory, KEYS)
        numbers = np.ones(1 << 10, np.float32)
        details = SnapshotDetails(
            created_at_us=1,
            bits=10,
            interactions=[],
            constant=False,
            engine_version="9",
            examples_learned=1,
            log_clock_us=1,
        )
        made = store.publish("artwork", ModelArrays(numbers, numbers), b"model", details)
        place = directory / "artwork"
        if name == POINTER:
            return Reader(place / POINTER, lambda: store.pointer("artwork"), (SnapshotError,))
        path = place / made.version / name
        if foreign:
            return Reader(
                path, lambda: read_foreign(path.parent, None, lambda _: None), (SnapshotError,)
            )
        return Reader(path, lambda: store.load("artwork", made.version), (SnapshotError,))

    return make


def checkpoint(directory: Path) -> Reader:
    save_checkpoint(directory, _checkpoint(7))
    return Reader(directory / CURRENT_NAME, lambda: load_checkpoint(directory), ())


def journal(directory: Path) -> Reader:
    written, _ = Journal.open(directory, "spool-000")
    for number in range(5):
        written.write([Row(f"key{number}", b"payload" * 9)])
    written.close(emptied=False)

    def read() -> object:
        opened, frames = Journal.open(directory, "spool-000")
        opened.close(emptied=False)
        return frames

    return Reader(journal_path(directory, "spool-000", 0), read, (LogError,))


def configuration(directory: Path) -> Reader:
    path = directory / "marquee.toml"
    path.write_text(
        '[server]\nport = 1\nhost = "127.0.0.1"\n[reward]\nwindow_s = 60\n'
        '[surfaces.artwork.model]\nbits = 12\ninteractions = [["context", "artwork"]]\n'
    )
    return Reader(path, lambda: load_config(path, {}), (ConfigError,))


def key_file(directory: Path) -> Reader:
    path = directory / "keys"
    path.write_text("# old\na key of sixteen characters\nanother key of sixteen\n")
    return Reader(path, lambda: read_keys(path), (ConfigError,))


MAKERS: dict[str, Callable[[Path], Reader]] = {
    "catalog lines": catalog_lines,
    "catalog map": catalog_map,
    "compiled catalog": compiled,
    "Parquet table": table,
    "NPZ table": archive,
    "dsjson": dsjson,
    "export part": export_part,
    "export manifest": export_manifest,
    "pointer": snapshot_file(POINTER, foreign=False),
    **{f"our {name}": snapshot_file(name, foreign=False) for name in sorted(FILES | {MANIFEST})},
    **{f"foreign {name}": snapshot_file(name, foreign=True) for name in sorted(FILES | {MANIFEST})},
    "checkpoint": checkpoint,
    "journal": journal,
    "configuration": configuration,
    "keys": key_file,
}


@pytest.mark.parametrize("name", MAKERS)
def test_changed_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    reader = MAKERS[name](tmp_path)
    reader.read()
    whole = reader.file.read_bytes()
    reader.file.chmod(0o644)
    random = Random(name)
    for _ in range(CHANGES):
        reader.file.write_bytes(mutated(whole, [whole], random))
        started = time.monotonic()
        with suppress(*reader.refusals):
            reader.read()
        assert time.monotonic() - started < SECONDS_MAX
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("path", ["../../secret.parquet", "/etc/secret", "a/../../b", "", "x\0y"])
def test_an_export_leads_to_no_file_outside_of_it(tmp_path: Path, path: str) -> None:
    made = export(tmp_path / "out", [outcome("d1")])
    manifest = msgspec.json.decode((made / "manifest.json").read_bytes())
    manifest["files"][0]["path"] = path
    (made / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(OutcomeFilesError, match="no file of an export"):
        OutcomeFiles(made)
