"""Files of every durable format ever written are read today as they were meant.

The expected values stand here and are not computed: what today's readers make of old files is to
be what was written into them. Where a format changes, its files go to a new directory beside
these, and the old ones stay.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.backups import restore, verify
from bandit.backups.formats import DURABLE_FORMATS
from bandit.catalog import CatalogDocument, CatalogStore
from bandit.catalog.compiled import map_compiled
from bandit.checkpoint import load_checkpoint
from bandit.clock import ManualClock
from bandit.config.schema import LimitsConfig
from bandit.dead_letters import DeadLetters
from bandit.eventlog.erasure_orders import (
    Done,
    ErasureOrder,
    ErasureOrders,
    ErasureRecord,
    SpoolPart,
)
from bandit.eventlog.journal import Journal
from bandit.eventlog.learned import LearnedFile
from bandit.eventlog.protocol import Learned
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.events import (
    ActivationRecord,
    DecisionRecord,
    FeedbackRecord,
    InlineRow,
    Record,
    decode_record,
    encode_record,
)
from bandit.keys import KeyRing
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.outcome_files import OutcomeFiles
from bandit.reward import RewardRule
from bandit.secret_keys import snapshot_keys, token_keys
from bandit.snapshots import FileSnapshotStore
from bandit.statistics import ShareStatistics
from bandit.status import read_status
from bandit.types import Artwork, Row, RowChoice, Title, TitleChoice
from server.tokens import TokenSigner
from tests.golden.make_golden import config_at

V1 = Path(__file__).parent / "v1"
VERSIONS = {
    "v1": {
        "spool": 2,
        "journal": 1,
        "record": 1,
        "checkpoint": 2,
        "dead letter": 1,
        "snapshot": 1,
        "snapshot pointer": 1,
        "catalog": 1,
        "backup": 1,
        "outcomes": 1,
        "compiled catalog": 1,
        "learner status": 1,
        "learned": 1,
        "erasure order": 1,
        "erasure record": 1,
    }
}
"""By directory: in which versions its files were written."""

KEY = b"golden-key-of-no-worth-0123456789"
CATALOG = "cd4179e3e3722e9cb"
SNAPSHOT = "000000001-ed82f784"
NOW_US = 1_700_003_600_000_000

FULL = DecisionRecord(
    decision_id="d:full",
    decided_at_us=1_699_999_999_999_995,
    body_digest=bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
    catalog=CATALOG,
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
    v=1,
)
BARE = DecisionRecord(
    decision_id="bare",
    decided_at_us=1_700_000_000_000_000,
    body_digest=b"",
    catalog=CATALOG,
    policy="uniform",
    shares={"artwork": "learned", "rows": "learned"},
    titles=[TitleChoice("t2", "a3", 1.0)],
    v=1,
)
PLAY = FeedbackRecord(
    event_id="e-play",
    decision_id="d:full",
    type="play",
    title="t1",
    row="r1",
    seconds=1800.0,
    fraction=0.9,
    happened_at_us=1_699_999_999_999_999,
    v=1,
)
CLICK = FeedbackRecord(event_id="e-click", decision_id="d:full", type="click", title="new", v=1)
SEEN = FeedbackRecord(event_id="e-seen", decision_id="bare", type="impression", title="t2", v=1)
ACTIVATION = ActivationRecord(decision_id="d:full", v=1)
RECORDS: dict[str, Record] = {
    "d_d_full": FULL,
    "a_d_full": ACTIVATION,
    "f_e-play": PLAY,
    "f_e-click": CLICK,
    "d_bare": BARE,
    "f_e-seen": SEEN,
}
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
    [Row("r1", {"name": "Old"}, ["t2", "t1"]), Row("r2")],
)


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy: reading may leave side files."""
    return Path(shutil.copytree(V1, tmp_path / "golden"))


def test_todays_writers_write_the_formats_of_the_newest_golden_files() -> None:
    newest = max(VERSIONS, key=lambda name: int(name[1:]))
    assert VERSIONS[newest] == DURABLE_FORMATS, (
        "a format was changed: write its files to a new directory with "
        "`python -m tests.golden.make_golden tests/golden/vN`, test that they and all older ones "
        "are read, and tell of it in docs/formats.md"
    )
    assert {path.name for path in V1.parent.glob("v*")} == set(VERSIONS)


@pytest.mark.parametrize("name", RECORDS)
def test_records(name: str) -> None:
    content = (V1 / "records" / f"{name}.msgpack").read_bytes()
    assert decode_record(content) == RECORDS[name]
    assert encode_record(RECORDS[name]) == content


def test_a_spool(golden: Path) -> None:
    with closing(SqliteEventReader(golden / "backup" / "log", ManualClock(NOW_US))) as reader:
        assert reader.spools() == ["spool-000"]
        batch = reader.read("spool-000", 0, 100)
    assert [one.record for one in batch.records] == list(RECORDS.values())
    assert [one.sequence for one in batch.records] == [1, 2, 3, 4, 5, 6]
    times = [one.at_us - 1_700_000_000_000_000 for one in batch.records]
    assert times == [0, 1, 2, 3, 4, 5]
    assert batch.file_id == "00112233445566ff"
    assert batch.horizon_us == NOW_US
    assert batch.damaged == []


def test_a_journal(golden: Path) -> None:
    journal, frames = Journal.open(golden / "backup" / "log", "spool-001")
    journal.close(emptied=False)
    assert [frame.number for frame in frames] == [1, 2]
    rows = [row for frame in frames for row in frame.rows]
    assert [row.key for row in rows] == ["d:left-1", "d:left-2"]
    last = decode_record(rows[1].payload)
    assert isinstance(last, DecisionRecord)
    assert (last.decided_at_us, last.policy) == (1_700_000_000_000_007, "uniform")


def test_a_checkpoint() -> None:
    checkpoint, problems = load_checkpoint(V1 / "backup" / "learner")
    assert problems == []
    assert checkpoint is not None
    position = checkpoint.position
    assert (position.clock_us, position.sequences) == (NOW_US, {"spool-000": 6})
    assert (position.files, position.late) == ({"spool-000": "00112233445566ff"}, [])
    memo = checkpoint.joiner
    assert (memo.clock_us, memo.replay_from_us, memo.events_max) == (NOW_US, None, 2000)
    assert memo.rule == RewardRule(window_s=60)
    joined = {name: count for name, count in memo.counts.items() if count}
    assert joined == {
        "opened": 1, "deferred": 1, "activated": 1, "joined": 3, "closed": 2, "forgotten": 2,
    }  # fmt: skip
    assert checkpoint.counts.outcomes == {"play": 1, "window": 1}
    assert checkpoint.counts.examples == {"artwork": 3, "rows": 1}
    assert checkpoint.counts.shares["artwork"]["learned"] == ShareStatistics(3, 1, 1, 1.15)
    assert checkpoint.counts.shares["rows"]["explore"] == ShareStatistics(2, 1, 1, 1.15)
    assert (checkpoint.counts.match_pages, checkpoint.counts.match_sum) == (1, 0.75)
    assert {name: len(state) for name, state in checkpoint.engines.items()} == {
        "artwork": 996,
        "rows": 533,
    }


def test_dead_letters(golden: Path) -> None:
    letters = DeadLetters(golden / "backup" / "learner", attempts_max=2)
    assert len(letters) == 2
    assert letters.holds("learn", "poison")
    assert not letters.holds("join", "suspect")
    letters.blame("join", "suspect", "the second attempt", 1)
    assert letters.holds("join", "suspect")
    letters.set_damaged_aside("spool-000", 99, "known already", 1)
    assert len(letters) == 3


def test_a_snapshot() -> None:
    store = FileSnapshotStore(V1 / "backup" / "snapshots", KeyRing((KEY,)))
    pointer = store.pointer("artwork")
    assert pointer is not None
    assert (pointer.version, pointer.pinned) == (SNAPSHOT, False)
    manifest, arrays, model = store.load("artwork", SNAPSHOT)
    assert (manifest.bits, manifest.constant, manifest.engine) == (10, True, "vw")
    assert manifest.interactions == [["c", "a"], ["c", "t"]]
    assert (manifest.engine_version, manifest.examples_learned) == ("9.9.0", 42)
    assert manifest.created_at_us == 1_700_000_000_000_000
    assert (manifest.log_clock_us, manifest.parent) == (1_700_000_000_000_001, None)
    assert manifest.key_id == "7fb52fc5"
    assert model == b"the engine's own form"
    assert np.array_equal(arrays.weights, np.arange(1024) * 0.125)
    assert (arrays.variances == 0.5).all()


def test_a_catalog(golden: Path) -> None:
    store = CatalogStore(golden / "backup" / "catalog", LimitsConfig())
    assert store.current() == CATALOG
    assert store.document(CATALOG) == DOCUMENT


def test_a_compiled_catalog_is_taken_or_made_again(golden: Path) -> None:
    directory = golden / "backup" / "catalog"
    made = CatalogStore(directory, LimitsConfig()).load(CATALOG).to_arrays()
    kept = directory / f"{CATALOG}.arrays"
    fresh = kept.read_bytes()
    kept.unlink()
    shutil.copy(golden / "compiled.arrays", kept)
    loaded = CatalogStore(directory, LimitsConfig()).load(CATALOG).to_arrays()
    assert loaded.keys() == made.keys()
    assert all(np.array_equal(loaded[name], made[name]) for name in made)
    if DURABLE_FORMATS["compiled catalog"] == VERSIONS["v1"]["compiled catalog"]:
        assert map_compiled(golden / "compiled.arrays", CATALOG).keys() == made.keys()
    assert kept.read_bytes() == fresh


def test_an_export() -> None:
    export = OutcomeFiles(V1 / "export")
    assert export.manifest.outcomes == 2
    assert export.manifest.reward == RewardRule(window_s=60)
    assert export.catalog(CATALOG) == DOCUMENT
    played, seen = [outcome for batch in export.outcomes() for outcome in batch]
    assert (played.decision, played.closed_by) == (FULL, "play")
    assert played.events == (PLAY, CLICK)
    assert played.decided_at_us == 1_700_000_000_000_000
    assert (seen.decision, seen.closed_by, seen.events) == (BARE, "window", (SEEN,))


def test_a_token() -> None:
    token = (V1 / "token.txt").read_text()
    signer = TokenSigner([KEY], tenant="golden", age_max_s=60.0, leeway_s=0.0)
    signer.verify(token, "d:full", 1_700_000_030_000_000)
    assert signer.sign("d:full", 1_700_000_000_999_999) == token


def test_a_status() -> None:
    status = read_status(V1)
    assert status is not None
    assert (status.pid, status.log_clock_us, status.lag_s) == (1, NOW_US, 0.0)
    assert status.learned.outcomes == {"play": 1, "window": 1}
    assert status.joined["joined"] == 3


def test_how_far_the_log_was_learned(golden: Path) -> None:
    learned = LearnedFile(golden).read()
    assert learned == {"spool-000": Learned("00112233445566ff", 6, 1_700_000_000_000_000)}


def test_an_erasure_order(golden: Path) -> None:
    orders = ErasureOrders(golden)
    (order,) = orders.open()
    assert order == ErasureOrder(
        id="00000001700000000000000-golden",
        viewers=["viewer-1", "hashed-1"],
        decisions=["d:full", "bare"],
        spools={"spool-000": SpoolPart("00112233445566ff", [1, 3]), "spool-001": SpoolPart("", [])},
        v=1,
    )
    assert orders.done(order) == {"spool-000": Done(2), "learner": Done(1)}
    assert orders.outstanding(order) == ["spool-001"]


def test_an_erasure_record() -> None:
    (line,) = (V1 / "keeping" / "erasures.jsonl").read_bytes().splitlines()
    assert msgspec.json.decode(line, type=ErasureRecord) == ErasureRecord(
        at_us=NOW_US, by="golden", viewer="hash of a viewer", erased={"spool-000": 2}, v=1
    )


def test_a_backup_is_restored_and_learned_on(tmp_path: Path) -> None:
    assert verify(V1 / "backup").notices == []
    config = config_at(tmp_path)
    restored = restore(config, V1 / "backup")
    assert restored.notices == []
    assert restored.manifest.snapshots == {"artwork": SNAPSHOT}
    assert (restored.manifest.release, restored.manifest.began_at_us) == ("0.1.0", NOW_US)
    assert snapshot_keys(config).keys == token_keys(config).keys == (KEY,)
    clock = ManualClock(NOW_US)
    with closing(SqliteEventReader(config.log.directory, clock)) as reader:
        store = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
        catalogs = CatalogStore(config.catalog.directory, config.limits)
        learner = Learner(config, reader, store, catalogs, clock, NoMetrics())
        clock.advance_s(1)
        assert learner.step(clock.now_us()).failed is None
    # From the checkpoint, or, under another release of Vowpal Wabbit, from the log.
    assert learner.counts.outcomes == {"play": 1, "window": 1}
    assert learner.counts.examples == {"artwork": 3, "rows": 1}
