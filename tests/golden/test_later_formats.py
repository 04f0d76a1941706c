"""What a later release wrote is refused with a hint: never misread, and never changed."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest

from bandit.catalog import CatalogStore
from bandit.checkpoint import load_checkpoint
from bandit.clock import ManualClock
from bandit.config.schema import LimitsConfig
from bandit.dead_letters import DeadLetters
from bandit.errors import CatalogError, LogDamagedError, MarqueeError, SnapshotError
from bandit.eventlog.erasure_orders import ErasureOrders
from bandit.eventlog.journal import Journal
from bandit.eventlog.learned import LearnedFile
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.takeover import recover_unclaimed
from bandit.events import decode_record
from bandit.keys import KeyRing
from bandit.outcome_files import OutcomeFiles
from bandit.snapshots import FileSnapshotStore
from bandit.status import read_status

V1 = Path(__file__).parent / "v1"
KEYS = KeyRing((b"golden-key-of-no-worth-0123456789",))
SNAPSHOT = "000000001-ed82f784"
CATALOG = "cd4179e3e3722e9cb"
HEAD = struct.Struct("<IIQQ")


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    return Path(shutil.copytree(V1, tmp_path / "golden"))


def rewrite(path: Path, **changes: object) -> None:
    """Change fields of a JSON file."""
    content: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**content, **changes}))


def refused(read: Callable[[], object], error: type[MarqueeError], why: str) -> None:
    with pytest.raises(error, match=why) as caught:
        read()
    assert caught.value.hint


@pytest.mark.parametrize("name", ["d_d_full", "f_e-play", "a_d_full"])
def test_a_record(name: str) -> None:
    content = msgspec.msgpack.decode((V1 / "records" / f"{name}.msgpack").read_bytes())
    later = msgspec.msgpack.encode({**content, "v": 2, "new": "field"})
    refused(lambda: decode_record(later), LogDamagedError, "format 2; 1 is the latest")
    same = msgspec.msgpack.encode({**content, "new": "field"})
    assert decode_record(same)


def test_a_spool(golden: Path) -> None:
    log = golden / "backup" / "log"
    with closing(sqlite3.connect(log / "spool-000.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 3")
    with closing(SqliteEventReader(log, ManualClock())) as reader:
        refused(lambda: reader.read("spool-000", 0, 1), LogDamagedError, "format 3, not 2")


def test_a_journal_is_left_as_it_is(golden: Path) -> None:
    log = golden / "backup" / "log"
    path = log / "spool-001.journal-0"
    length, _, number, committed = HEAD.unpack_from(path.read_bytes())
    body = path.read_bytes()[HEAD.size : HEAD.size + length]
    number |= 1 << 56
    check = crc32(body, crc32(struct.pack("<QQ", number, committed)))
    later = HEAD.pack(length, check, number, committed) + body + b"what follows"
    path.write_bytes(later)
    refused(lambda: Journal.open(log, "spool-001"), LogDamagedError, "format 2; 1 is the latest")
    recovered = recover_unclaimed(log, ManualClock())
    assert recovered.records == 0
    assert "format 2" in recovered.left["spool-001"]
    assert path.read_bytes() == later


def test_a_checkpoint(golden: Path) -> None:
    path = golden / "backup" / "learner" / "checkpoint"
    body = msgspec.msgpack.encode({"v": 3, "position": "of another kind"})
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    checkpoint, (problem,) = load_checkpoint(path.parent)
    assert checkpoint is None
    assert "format 3, not 2: run the release that wrote it" in problem


def test_a_dead_letter_is_passed_over(golden: Path) -> None:
    path = golden / "backup" / "learner" / "dead-letters.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"attempts":2', b'"attempts":2,"v":2'))
    letters = DeadLetters(path.parent, attempts_max=3)
    assert len(letters) == 1
    assert not letters.holds("learn", "poison")


def test_a_snapshot_and_its_pointer(golden: Path) -> None:
    surface = golden / "backup" / "snapshots" / "artwork"
    store = FileSnapshotStore(surface.parent, KEYS)
    (surface / SNAPSHOT / "manifest.json").chmod(0o600)
    rewrite(surface / SNAPSHOT / "manifest.json", v=2, shape="of another kind")
    refused(lambda: store.load("artwork", SNAPSHOT), SnapshotError, "format 2 is not 1")
    assert store.versions("artwork") == []
    rewrite(surface / "pointer.json", v=2, share=0.5)
    refused(lambda: store.pointer("artwork"), SnapshotError, "format 2; 1 is the latest")


def test_a_catalog(golden: Path) -> None:
    directory = golden / "backup" / "catalog"
    store = CatalogStore(directory, LimitsConfig())
    (directory / "current").write_text(f"d{CATALOG[1:]}")
    refused(store.current, CatalogError, "no catalog version known here")
    refused(lambda: store.document(f"d{CATALOG[1:]}"), CatalogError, "no catalog version")


def test_a_compiled_catalog_is_made_again(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = golden / "backup" / "catalog"
    kept = directory / f"{CATALOG}.arrays"
    shutil.copy(golden / "compiled.arrays", kept)
    monkeypatch.setattr("bandit.catalog.compiled.REVISION", 2)
    assert CatalogStore(directory, LimitsConfig()).load(CATALOG).version == CATALOG
    assert kept.read_bytes() != (golden / "compiled.arrays").read_bytes()


def test_an_export(golden: Path) -> None:
    rewrite(golden / "export" / "manifest.json", version=2, files="of another kind")
    refused(lambda: OutcomeFiles(golden / "export"), MarqueeError, "format 2; 1 is the latest")


def test_a_status_is_as_if_there_were_none(golden: Path) -> None:
    rewrite(golden / "status.json", v=2)
    assert read_status(golden) is None


def test_a_mark_of_what_was_learned_releases_nothing(golden: Path) -> None:
    rewrite(golden / "keeping" / "learned.json", v=2)
    assert LearnedFile(golden).read() == {}


def test_an_erasure_order_is_left_to_whoever_gave_it(golden: Path) -> None:
    (path,) = golden.glob("keeping/erasures/*/order.json")
    rewrite(path, v=2)
    before = path.read_bytes()
    assert ErasureOrders(golden).open() == []
    assert path.read_bytes() == before
