"""A backup holds the challenger, so that the line that served goes on serving."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bandit.backups import back_up, restore, verify
from bandit.challenger.line_file import LineFile
from bandit.challenger.moving import move_by_hand, served_versions
from bandit.challenger.running import make_learner
from bandit.challenger.watch import Watch
from bandit.config.overlay import make_challenger
from bandit.config.schema import Config
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from tests.bandit.test_backups import files_below
from tests.bandit.test_challenger_watch import OVERLAY, Scene, configured


@pytest.fixture
def promoted(tmp_path: Path) -> Scene:
    """Return a scene in which both lines have learned, and the challenger serves."""
    scene = Scene(tmp_path / "old")
    scene.run()
    directory, now_us = Path(scene.config.challenger.directory), scene.clock.now_us()
    move_by_hand(directory, scene.challenger, scene.stores, now_us, promotes=True)
    return scene


def _challenger_store(config: Config) -> FileSnapshotStore:
    snapshots = Path(config.challenger.directory) / "snapshots"
    return FileSnapshotStore(snapshots, snapshot_keys(config))


def test_the_line_that_served_serves_again_by_the_same_snapshots(
    promoted: Scene, tmp_path: Path
) -> None:
    manifest = back_up(promoted.config, tmp_path / "backup", promoted.clock)
    served = served_versions(_challenger_store(promoted.config))
    assert manifest.challenger_snapshots == served != {}
    assert verify(tmp_path / "backup").notices == []

    config = configured(tmp_path / "new")
    assert restore(config, tmp_path / "backup").notices == []
    before, after = (
        LineFile(Path(each.challenger.directory)) for each in (promoted.config, config)
    )
    assert after.read() == before.read()
    assert after.read().line == "challenger"
    assert after.history() == before.history()
    store = _challenger_store(config)
    assert served_versions(store) == served
    store.load_arrays("artwork", served["artwork"])
    weights = next(Path(config.challenger.directory).glob("snapshots/artwork/*/manifest*"))
    assert weights.stat().st_mode & 0o222 == 0


def test_the_evidence_goes_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "old")
    kept, _ = scene.run()
    back_up(scene.config, tmp_path / "backup", scene.clock)
    copied = files_below(tmp_path / "backup" / "challenger")
    assert "learner/checkpoint" in copied
    left_out = ("evidence.json", "lock", "learner/lease", "learner/status.json", "judged/")
    assert not [path for path in copied if path.startswith(left_out)]

    config = configured(tmp_path / "new")
    restore(config, tmp_path / "backup")
    challenger = make_challenger(config, OVERLAY, "overlay.toml")
    learner = make_learner(config, challenger, scene.log.reader(), scene.clock)
    watch = learner._onlooker
    assert isinstance(watch, Watch)
    told = watch.evidence(scene.clock.now_us())
    assert (told.decisions, told.unjudged) == (kept.pages, kept.unjudged)
    assert told.decisions > 0


def test_without_a_challenger_nothing_is_made_of_one(promoted: Scene, tmp_path: Path) -> None:
    shutil.rmtree(promoted.config.challenger.directory)
    manifest = back_up(promoted.config, tmp_path / "backup", promoted.clock)
    assert manifest.challenger_snapshots == {}
    assert not (tmp_path / "backup" / "challenger").exists()
    restore(configured(tmp_path / "new"), tmp_path / "backup")
    assert files_below(tmp_path / "new" / "challenger") == {}


def test_a_challenger_s_snapshots_that_cannot_be_served_are_told(
    promoted: Scene, tmp_path: Path
) -> None:
    served = served_versions(_challenger_store(promoted.config))["artwork"]
    place = Path(promoted.config.challenger.directory) / "snapshots" / "artwork" / served
    signed = next(place.glob("manifest*"))
    signed.chmod(0o644)
    signed.write_bytes(b"{}")
    back_up(promoted.config, tmp_path / "backup", promoted.clock)
    (notice,) = verify(tmp_path / "backup").notices
    assert f"{served} of challenger/artwork will not be served" in notice
