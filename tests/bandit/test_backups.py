"""Backups: what is in them whatever comes in meanwhile, and what becomes of them elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bandit.backups import back_up, restore
from bandit.backups.manifest import BackupManifest
from bandit.checkpoint import load_checkpoint
from bandit.clock import ManualClock
from bandit.config.loading import load_config
from bandit.config.schema import Config
from bandit.errors import BackupError, LogDamagedError
from bandit.eventlog.journal import Journal, Row, journal_spools
from bandit.eventlog.takeover import recover_unclaimed
from bandit.events import DecisionRecord, encode_record
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from bandit.types import SURFACES
from server.local import state_overrides
from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    SETTINGS,
    Node,
    Site,
    event,
    site_at,
)

CLOCK = ManualClock(1_800_000_000_000_000)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Site, Node]]:
    """A site that has a catalog, learned a little, and published."""
    with site_at(tmp_path / "old", EVERYBODY_LEARNED) as site:
        node = site.node()
        assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
        visit(node, 0)
        site.close_windows()
        site.learn()
        yield site, node


def visit(node: Node, number: int) -> dict[str, object]:
    """Have a page decided and report on it; return the event."""
    decision = node.rank(decision_id=f"d{number}", viewer_id=f"v{number}")
    one = event(f"e{number}", decision, "impression", "t0", row="r0")
    assert node.report(one) == (1, 0)
    return one


def config_at(root: Path, settings: Mapping[str, str] | None = None) -> Config:
    changed = {**SETTINGS, **EVERYBODY_LEARNED, **(settings or {})}
    return load_config(None, {**state_overrides(root), **changed})


def decision(name: str) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=1,
        body_digest=b"",
        catalog="c0",
        policy="p",
        shares={},
        titles=[],
    )


def files_below(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_restored_state_serves_the_same_and_learns_on_exactly_once(
    served: tuple[Site, Node], tmp_path: Path
) -> None:
    old, node = served
    reported = visit(node, 1)
    pointers = {surface: old.snapshots.pointer(surface) for surface in SURFACES}
    back_up(old.config, tmp_path / "backup", CLOCK)
    visit(node, 2)

    restored = restore(config_at(tmp_path / "new"), tmp_path / "backup")
    assert restored.notices == []
    with site_at(tmp_path / "new", EVERYBODY_LEARNED) as new:
        new.pass_s((old.clock.now_us() - new.clock.now_us()) / 1e6)
        assert {surface: new.snapshots.pointer(surface) for surface in SURFACES} == pointers
        again = new.node()
        assert again.report(reported) == (0, 1)
        visit(again, 3)
        page = again.rank(decision_id="d4")
        assert page["catalog"] == node.rank(decision_id="d5")["catalog"]
        new.close_windows()
        status = new.learn()
        assert status.last_rejection is None
        assert status.joined["joined"] == 3
        assert status.joined["opened"] == len({"d0", "d1", "d3", "d4"})
        assert sum(status.learned.outcomes.values()) == 4


def test_what_comes_in_while_it_is_made_never_makes_it_contradictory(
    served: tuple[Site, Node], tmp_path: Path
) -> None:
    old, node = served
    visits = iter(range(1, 1000))

    def live_on(_bytes: int) -> None:
        visit(node, next(visits))
        old.close_windows()
        old.learn()
        for surface in SURFACES:
            old.snapshots.prune(surface, 2)

    manifest = back_up(old.config, tmp_path / "backup", CLOCK, progress=live_on)
    restored = restore(config_at(tmp_path / "new"), tmp_path / "backup")
    assert restored.notices == []
    checkpoint, problems = load_checkpoint(tmp_path / "new" / "learner")
    assert problems == []
    assert checkpoint is not None
    last = {spool.name: spool.last_sequence for spool in manifest.spools}
    assert last["spool-000"] > checkpoint.position.sequences["spool-000"] >= 2
    store = FileSnapshotStore(tmp_path / "new" / "snapshots", snapshot_keys(old.config))
    for surface in SURFACES:
        assert manifest.snapshots[surface] in [one.version for one in store.versions(surface)]
    with site_at(tmp_path / "new", EVERYBODY_LEARNED) as new:
        new.pass_s((old.clock.now_us() - new.clock.now_us()) / 1e6)
        new.node()
        new.close_windows()
        status = new.learn()
        pages = sum(isinstance(one.record, DecisionRecord) for one in new.records())
        assert status.last_rejection is None
        assert status.joined["opened"] == sum(status.learned.outcomes.values()) == pages


def test_decisions_that_are_in_the_journal_alone_are_stored_once(
    served: tuple[Site, Node], tmp_path: Path
) -> None:
    old, _ = served
    log = Path(old.config.log.directory)
    old.append(decision("both"))
    journal, _ = Journal.open(log, "spool-007")
    rows = [Row(one.key, encode_record(one)) for one in map(decision, ("lost", "both", "last"))]
    for row in rows:
        journal.write([row])
    journal.close(emptied=False)
    back_up(old.config, tmp_path / "backup", CLOCK)
    restore(config_at(tmp_path / "new"), tmp_path / "backup")
    target = tmp_path / "new" / "log"
    assert journal_spools(target) == ["spool-007"]
    recovered = recover_unclaimed(target, CLOCK)
    assert (recovered.records, recovered.left) == (2, {})
    with site_at(tmp_path / "new", EVERYBODY_LEARNED) as new:
        ids = [one.record.decision_id for one in new.records()]
    assert sorted(one for one in ids if not one.startswith("d")) == ["both", "last", "lost"]


def test_what_is_announced_to_readers_is_kept(served: tuple[Site, Node], tmp_path: Path) -> None:
    old, node = served
    old.stop(node)
    old.pass_s(1000)
    announced_us = old.horizon_us()
    assert announced_us >= old.clock.now_us()
    back_up(old.config, tmp_path / "backup", CLOCK)
    restore(config_at(tmp_path / "new"), tmp_path / "backup")
    with site_at(tmp_path / "new", EVERYBODY_LEARNED) as new:
        new.append(decision("next"))
        assert new.records()[-1].at_us > announced_us


def test_what_is_made_again_is_left_out(served: tuple[Site, Node], tmp_path: Path) -> None:
    old, _ = served
    log = Path(old.config.log.directory)
    # Replaced, not cut short: the writer has it mapped.
    (tmp_path / "filter").write_bytes(b"a filter")
    (tmp_path / "filter").replace(log / "spool-000.keys")
    (log / "spool-000.refused").write_bytes(b"set aside\n")
    order = log / "keeping" / "erasures" / "x" / "order.json"
    order.parent.mkdir(parents=True)
    order.write_text("{}")
    (log / "keeping" / "learned.json").write_text("{}")
    manifest = back_up(old.config, tmp_path / "backup", CLOCK)
    paths = {file.path for file in manifest.files}
    # A mark that a part of an erasure is done is older than any copy of that part.
    assert manifest.files[0].path == "log/keeping/erasures/x/order.json"
    assert "log/keeping/learned.json" not in paths
    restore(config_at(tmp_path / "new"), tmp_path / "backup")
    restored = tmp_path / "new" / order.relative_to(tmp_path / "old")
    assert restored.stat().st_mode & 0o777 == 0o600
    assert "log/spool-000.refused" in paths
    assert not any(
        path.endswith((".keys", ".arrays", "-wal", "-shm"))
        for path in paths
        if not path.startswith("secrets/")
    )
    assert not paths & {"learner/lease", "learner/status.json", "log/slots.lock"}
    kept = files_below(tmp_path / "backup")
    assert set(kept) == paths | {"manifest.json"}
    assert {(tmp_path / "backup" / path).stat().st_mode & 0o777 for path in kept} == {0o600}
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700


def test_without_secrets_tokens_are_refused_and_models_published_anew(
    served: tuple[Site, Node], tmp_path: Path
) -> None:
    old, node = served
    page = node.rank(decision_id="d1")
    manifest = back_up(old.config, tmp_path / "backup", CLOCK, secrets=False)
    assert not any(file.path.startswith("secrets") for file in manifest.files)
    told = restore(config_at(tmp_path / "new"), tmp_path / "backup").notices
    assert len(told) == 1
    assert "publishes its models anew" in told[0]
    with site_at(tmp_path / "new", EVERYBODY_LEARNED) as new:
        new.pass_s((old.clock.now_us() - new.clock.now_us()) / 1e6)
        again = new.node()
        answer = again.post("/v1/feedback", {"events": [event("e1", page, "impression", "t0")]})
        assert "token_invalid" in answer.text
        new.close_windows()
        new.learn()
        for surface in SURFACES:
            pointer = new.snapshots.pointer(surface)
            assert pointer is not None
            assert pointer.version != manifest.snapshots[surface]
            assert new.snapshots.load(surface, pointer.version)


def test_keys_that_were_brought_before_serve_the_same_snapshots(
    served: tuple[Site, Node], tmp_path: Path
) -> None:
    old, _ = served
    back_up(old.config, tmp_path / "backup", CLOCK, secrets=False)
    shutil.copytree(old.config.auth.secrets_directory, tmp_path / "new" / "secrets")
    assert restore(config_at(tmp_path / "new"), tmp_path / "backup").notices == []


def _full(site: Site, root: Path) -> Path:
    with (Path(site.config.log.directory) / "spool-000.refused").open("wb") as file:
        file.truncate(1 << 43)
    return root / "backup"


def _filled(site: Site, root: Path) -> Path:
    (root / "backup").mkdir()
    (root / "backup" / "mine").write_text("mine")
    return root / "backup"


def _inside(site: Site, root: Path) -> Path:
    return Path(site.config.log.directory) / "backup"


@pytest.mark.parametrize(
    ("place", "why"), [(_full, "bytes free"), (_filled, "not empty"), (_inside, "lies within")]
)
def test_a_destination_that_will_not_do_is_left_as_it_is(
    served: tuple[Site, Node], tmp_path: Path, place: Callable[[Site, Path], Path], why: str
) -> None:
    destination = place(served[0], tmp_path)
    before = files_below(destination) if destination.exists() else None
    with pytest.raises(BackupError, match=why) as caught:
        back_up(served[0].config, destination, CLOCK)
    assert caught.value.hint
    assert (files_below(destination) if destination.exists() else None) == before


def test_what_cannot_be_copied_leaves_nothing_behind(
    served: tuple[Site, Node], tmp_path: Path
) -> None:
    (Path(served[0].config.log.directory) / "spool-001.sqlite").write_bytes(b"no spool" * 1000)
    with pytest.raises(LogDamagedError) as caught:
        back_up(served[0].config, tmp_path / "backup", CLOCK)
    assert "move it" in caught.value.hint
    assert list((tmp_path / "backup").iterdir()) == []


def test_where_there_is_no_state_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no state"):
        back_up(config_at(tmp_path / "none"), tmp_path / "backup", CLOCK)
    assert not (tmp_path / "backup").exists()


def test_directories_within_each_other_are_refused(tmp_path: Path) -> None:
    settings = {"MARQUEE__LOG__DIRECTORY": str(tmp_path / "learner" / "log")}
    with pytest.raises(BackupError, match="lie within each other"):
        back_up(config_at(tmp_path, settings), tmp_path / "backup", CLOCK)


def test_the_manifest_tells_what_there_is(served: tuple[Site, Node], tmp_path: Path) -> None:
    old, _ = served
    manifest: BackupManifest = back_up(old.config, tmp_path / "backup", CLOCK)
    (spool,) = manifest.spools
    assert (spool.name, spool.records, spool.last_sequence) == ("spool-000", 2, 2)
    assert manifest.began_at_us == CLOCK.now_us()
    assert set(manifest.snapshots) == set(SURFACES)
    assert manifest.secrets
