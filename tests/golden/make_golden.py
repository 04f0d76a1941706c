"""Writes the golden files: one of every durable format, as today's code writes it.

``python -m tests.golden.make_golden DIRECTORY`` writes them anew, from fixed contents, clocks and
keys; a new format's files go to a directory of their own beside the old ones, which stay for ever.
The bytes are the same again under the same releases of SQLite, Vowpal Wabbit and Arrow, which
write their own versions into what they write.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from bandit.backups import back_up
from bandit.catalog import CatalogDocument, CatalogStore
from bandit.clock import ManualClock
from bandit.config.schema import (
    ArtworkSurfaceConfig,
    AuthConfig,
    CatalogConfig,
    Config,
    LearnerConfig,
    LimitsConfig,
    LogConfig,
    ModelConfig,
    RowsSurfaceConfig,
    SnapshotsConfig,
    SurfacesConfig,
)
from bandit.dead_letters import DeadLetters
from bandit.engine import ModelArrays
from bandit.eventlog.erasure_orders import (
    LEARNER,
    Done,
    ErasureOrder,
    ErasureOrders,
    ErasureRecord,
    SpoolPart,
)
from bandit.eventlog.journal import Journal, Row
from bandit.eventlog.learned import write_learned
from bandit.eventlog.protocol import Learned
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_schema import spool_path
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.events import (
    ActivationRecord,
    DecisionRecord,
    FeedbackRecord,
    InlineRow,
    Record,
    encode_record,
)
from bandit.keys import read_keys
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.outcome_files import export_log
from bandit.reward import RewardRule
from bandit.snapshots import FileSnapshotStore, SnapshotDetails
from bandit.status import write_status
from bandit.types import Artwork, RowChoice, Title, TitleChoice
from bandit.types import Row as CatalogRow
from server.tokens import TokenSigner

START_US = 1_700_000_000_000_000
FILE_ID = "00112233445566ff"
KEY = b"golden-key-of-no-worth-0123456789"
SPOOL = "spool-000"

DOCUMENT = CatalogDocument(
    [
        Title(
            "t1",
            [
                Artwork("a1", {"mood": "calm", "light": 0.5, "taste": [0.25, 0.0, 2.0]}),
                Artwork("a2", {"tags": ["x", "y"], "text": "New York: 100 %"}),
            ],
            {"year": 1922.0},
        ),
        Title("t2", [Artwork("a3")], {"genre": "drama"}),
    ],
    [CatalogRow("r1", {"name": "Old"}, ["t2", "t1"]), CatalogRow("r2")],
)


def every_record(catalog: str) -> list[Record]:
    """Return a decision with all fields, a bare one, feedback of each kind, an activation."""
    full = DecisionRecord(
        decision_id="d:full",
        decided_at_us=START_US - 5,
        body_digest=bytes(range(32)),
        catalog=catalog,
        policy="epsilon_greedy",
        shares={"artwork": "learned", "rows": "explore"},
        titles=[TitleChoice("t1", "a2", 0.125), TitleChoice("new", "only", 1.0)],
        rows=[RowChoice("r1", 0, 0.5, False, ["t1"]), RowChoice("r9", 1, 1.0, True, ["new"])],
        row_candidates=["r1", "r2", "r9"],
        pins={"r9": 1},
        context={"hour": 21.0, "tastes": ["noir", "war"], "vector": [0.5, -1.0], "device": "tv"},
        viewer_id="v1",
        snapshots={"artwork": "000000001-00000000"},
        inline_titles=[Title("new", [Artwork("only", {"mood": "dark"})], {"year": 2001.0})],
        inline_rows=[InlineRow("r9", {"kind": "own"})],
        loose_titles=["new"],
        omitted=["gone"],
        greedy_match=0.75,
        deferred=True,
        pass_probability=0.5,
    )
    bare = DecisionRecord(
        decision_id="bare",
        decided_at_us=START_US,
        body_digest=b"",
        catalog=catalog,
        policy="uniform",
        shares={"artwork": "learned", "rows": "learned"},
        titles=[TitleChoice("t2", "a3", 1.0)],
    )
    play = FeedbackRecord(
        event_id="e-play",
        decision_id="d:full",
        type="play",
        title="t1",
        row="r1",
        seconds=1800.0,
        fraction=0.9,
        happened_at_us=START_US - 1,
    )
    seen = FeedbackRecord(event_id="e-seen", decision_id="bare", type="impression", title="t2")
    click = FeedbackRecord(event_id="e-click", decision_id="d:full", type="click", title="new")
    return [full, ActivationRecord(decision_id="d:full"), play, click, bare, seen]


def config_at(root: Path) -> Config:
    """Return the configuration under which the golden files were written."""
    model = ModelConfig(bits=10)
    return Config(
        auth=AuthConfig(secrets_directory=str(root / "secrets")),
        catalog=CatalogConfig(directory=str(root / "catalog")),
        log=LogConfig(directory=str(root / "log")),
        snapshots=SnapshotsConfig(directory=str(root / "snapshots")),
        learner=LearnerConfig(directory=str(root / "learner")),
        surfaces=SurfacesConfig(
            artwork=ArtworkSurfaceConfig(model=model), rows=RowsSurfaceConfig(model=model)
        ),
        reward=RewardRule(window_s=60),
    )


def make(root: Path) -> None:
    """Write everything below ``root``, which is emptied first."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as state:
        _make(root, Path(state))


def _make(root: Path, state: Path) -> None:
    clock = ManualClock(START_US)
    config = config_at(state)
    (state / "secrets").mkdir()
    for name in ("snapshots.keys", "tokens.keys"):
        (state / "secrets" / name).write_bytes(b"# of the golden files alone\n" + KEY + b"\n")
    catalogs = CatalogStore(state / "catalog", LimitsConfig())
    version = catalogs.save(DOCUMENT)
    catalogs.set_current(version)
    records = every_record(version)
    _write_log(state / "log", clock, records)
    _learn(config, clock, catalogs)
    _write_snapshot(state)
    _write_singles(root, records)
    reader = SqliteEventReader(state / "log", clock)
    export_log(reader, catalogs, config, root / "export", clock.now_us())
    reader.close()
    back_up(config, root / "backup", clock)
    shutil.copy(state / "learner" / "status.json", root / "status.json")
    write_learned(root, {SPOOL: Learned(FILE_ID, 6, START_US)})
    _write_erasures(root)
    shutil.copy(state / "catalog" / f"{version}.arrays", root / "compiled.arrays")


def _write_log(log: Path, clock: ManualClock, records: Sequence[Record]) -> None:
    log.mkdir()
    spool = SpoolFile(log, SPOOL, clock)
    with closing(sqlite3.connect(spool_path(log, SPOOL))) as connection, connection:
        connection.execute("UPDATE identity SET id = ?", (FILE_ID,))
    spool.store([Row(record.key, encode_record(record)) for record in records])
    clock.advance_s(3600)
    spool.beat()
    spool.close()
    journal, _ = Journal.open(log, "spool-001")
    for name in ("left-1", "left-2"):
        late = DecisionRecord(
            decision_id=name,
            decided_at_us=START_US + 7,
            body_digest=b"",
            catalog="c0",
            policy="uniform",
            shares={},
            titles=[],
        )
        journal.write([Row(late.key, encode_record(late))])
    journal.close(emptied=False)


def _learn(config: Config, clock: ManualClock, catalogs: CatalogStore) -> None:
    directory = Path(config.learner.directory)
    reader = SqliteEventReader(config.log.directory, clock)
    snapshots = FileSnapshotStore(
        config.snapshots.directory, read_keys(Path(config.auth.secrets_directory, "snapshots.keys"))
    )
    learner = Learner(config, reader, snapshots, catalogs, clock, NoMetrics())
    learner.step(clock.now_us())
    learner.checkpoint(clock.now_us())
    write_status(directory, msgspec.structs.replace(learner.status(clock.now_us()), pid=1))
    reader.close()
    letters = DeadLetters(directory, attempts_max=2)
    letters.set_damaged_aside(SPOOL, 99, "cannot be read", START_US)
    for _ in range(2):
        letters.blame("learn", "poison", "ValueError: why", START_US + 1)
    letters.blame("join", "suspect", "once", START_US + 2)


def _write_snapshot(state: Path) -> None:
    store = FileSnapshotStore(state / "snapshots", read_keys(state / "secrets" / "snapshots.keys"))
    weights = (np.arange(1024) / 8).astype(np.float32)
    arrays = ModelArrays(weights, np.full(1024, 0.5, dtype=np.float32))
    details = SnapshotDetails(
        created_at_us=START_US,
        bits=10,
        interactions=[["c", "a"], ["c", "t"]],
        constant=True,
        engine_version="9.9.0",
        examples_learned=42,
        log_clock_us=START_US + 1,
        parent=None,
    )
    store.publish("artwork", arrays, b"the engine's own form", details)


def _write_singles(root: Path, records: Sequence[Record]) -> None:
    directory = root / "records"
    directory.mkdir()
    for record in records:
        name = record.key.replace(":", "_")
        (directory / f"{name}.msgpack").write_bytes(encode_record(record))
    signer = TokenSigner([KEY], tenant="golden", age_max_s=60.0, leeway_s=0.0)
    (root / "token.txt").write_text(signer.sign("d:full", START_US))


def _write_erasures(root: Path) -> None:
    """Write an order that is partly carried out, and the record of one that was."""
    orders = ErasureOrders(root)
    done = ErasureOrder(id="before", viewers=["viewer-0"], decisions=[], spools={})
    orders.give(done)
    record = ErasureRecord(
        at_us=START_US + 3_600_000_000,
        by="golden",
        viewer="hash of a viewer",
        erased={SPOOL: 2},
    )
    orders.finish(done, record)
    order = ErasureOrder(
        id="00000001700000000000000-golden",
        viewers=["viewer-1", "hashed-1"],
        decisions=["d:full", "bare"],
        spools={SPOOL: SpoolPart(FILE_ID, [1, 3]), "spool-001": SpoolPart("", [])},
    )
    orders.give(order)
    orders.mark(order, SPOOL, Done(2))
    orders.mark(order, LEARNER, Done(1))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
