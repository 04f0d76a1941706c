"""A backup is refused where it is damaged, of a later release, or would go over what is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bandit.backups import back_up, restore, verify
from bandit.backups.formats import STATE_FORMATS
from bandit.clock import ManualClock
from bandit.errors import BackupError
from tests.bandit.test_backups import config_at, files_below, visit
from tests.server.real_service import CATALOG, EVERYBODY_LEARNED, site_at


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a small state, made once."""
    root = tmp_path_factory.mktemp("made")
    with site_at(root / "old", EVERYBODY_LEARNED) as site:
        node = site.node()
        assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
        visit(node, 0)
        site.close_windows()
        site.learn()
        back_up(site.config, root / "backup", ManualClock(1))
    return root / "backup"


@pytest.fixture
def backup(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "backup"))


def test_a_whole_backup_is_whole_and_verifying_changes_nothing(backup: Path) -> None:
    before = files_below(backup)
    assert verify(backup).notices == []
    assert files_below(backup) == before


def test_any_flipped_byte_is_noticed_and_nothing_is_put_in_place(
    backup: Path, tmp_path: Path
) -> None:
    files = [file for file in verify(backup).manifest.files if file.bytes]
    assert len(files) > 10
    for file in files:
        path = backup / file.path
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        with pytest.raises(BackupError, match="not what was copied"):
            restore(config_at(tmp_path / "new"), backup)
        path.write_bytes(content)
    assert not (tmp_path / "new").exists()
    verify(backup)


def _cut(backup: Path) -> None:
    path = backup / "learner" / "checkpoint"
    path.write_bytes(path.read_bytes()[:-1])


def _lost(backup: Path) -> None:
    (backup / "catalog" / "current").unlink()


def _unfinished(backup: Path) -> None:
    (backup / "manifest.json").unlink()


def _garbled(backup: Path) -> None:
    (backup / "manifest.json").write_bytes(b"{")


def _changed(backup: Path, **changes: object) -> None:
    path = backup / "manifest.json"
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), **changes}))


def _later_manifest(backup: Path) -> None:
    _changed(backup, version=2, files="of another kind")


def _foreign(backup: Path) -> None:
    _changed(backup, format="marquee outcomes")


def _later_spools(backup: Path) -> None:
    _changed(backup, formats={**STATE_FORMATS, "spool": STATE_FORMATS["spool"] + 1})


def _unknown_format(backup: Path) -> None:
    _changed(backup, formats={**STATE_FORMATS, "posters": 1})


def _outside(backup: Path) -> None:
    _changed(backup, files=[{"path": "log/../../x", "bytes": 0, "sha256": ""}])


def _strange(backup: Path) -> None:
    _changed(backup, files=[{"path": "log/a\0b", "bytes": 0, "sha256": ""}])


def _strange_spool(backup: Path) -> None:
    spool = {"name": "../../x", "file_id": "", "records": 0, "last_sequence": 0, "horizon_us": 0}
    _changed(backup, spools=[spool])


def _link(backup: Path) -> None:
    current = backup / "catalog" / "current"
    current.rename(backup / "elsewhere")
    current.symlink_to(backup / "elsewhere")


def _pipe(backup: Path) -> None:
    (backup / "catalog" / "current").unlink()
    os.mkfifo(backup / "catalog" / "current")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_cut, "bytes, not"),
        (_lost, "cannot be read"),
        (_unfinished, "no backup"),
        (_garbled, "not a backup's manifest"),
        (_later_manifest, "format 2; 1 is the latest"),
        (_foreign, "marquee outcomes"),
        (_later_spools, "of spool, and"),
        (_unknown_format, "format 1 of posters, and none"),
        (_outside, "no place in a backup"),
        (_strange, "no place in a backup"),
        (_strange_spool, "no place in a backup"),
        (_link, "no regular file"),
        (_pipe, "no regular file"),
    ],
)
def test_what_is_not_a_whole_backup_of_ours_is_refused_with_a_hint(
    backup: Path, tmp_path: Path, damage: Callable[[Path], None], why: str
) -> None:
    damage(backup)
    with pytest.raises(BackupError, match=why) as caught:
        restore(config_at(tmp_path / "new"), backup)
    assert caught.value.hint
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("part", ["log", "learner", "snapshots", "catalog", "challenger"])
def test_nothing_is_restored_over_what_is_there(backup: Path, tmp_path: Path, part: str) -> None:
    (tmp_path / "new" / part).mkdir(parents=True)
    (tmp_path / "new" / part / "mine").write_text("mine")
    with pytest.raises(BackupError, match="a state already") as caught:
        restore(config_at(tmp_path / "new"), backup)
    assert "mv " in caught.value.hint
    assert files_below(tmp_path / "new") == {f"{part}/mine": b"mine"}


def test_empty_directories_are_filled(backup: Path, tmp_path: Path) -> None:
    for part in ("log", "learner", "snapshots", "catalog", "secrets"):
        (tmp_path / "new" / part).mkdir(parents=True)
    restore(config_at(tmp_path / "new"), backup)
    restored, kept = files_below(tmp_path / "new"), files_below(backup)
    del kept["manifest.json"]
    assert restored == kept
    modes = {
        path: (tmp_path / "new" / path).stat().st_mode & 0o777
        for path in ("secrets/tokens.keys", "secrets/snapshots.keys")
    }
    assert set(modes.values()) == {0o600}


def test_other_keys_are_not_replaced_and_the_same_do_no_harm(backup: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "new" / "secrets"
    secrets.mkdir(parents=True)
    mine = secrets / "tokens.keys"
    mine.write_text("a key of one's own that is long\n")
    with pytest.raises(BackupError, match="other keys"):
        restore(config_at(tmp_path / "new"), backup)
    assert files_below(tmp_path / "new") == {"secrets/tokens.keys": mine.read_bytes()}
    shutil.copy(backup / "secrets" / "tokens.keys", mine)
    restore(config_at(tmp_path / "new"), backup)
    assert (secrets / "snapshots.keys").exists()


def test_a_part_that_cannot_be_put_in_place_takes_the_others_back(
    backup: Path, tmp_path: Path
) -> None:
    learner = tmp_path / "new" / "learner"

    def start_meanwhile(_bytes: int) -> None:
        learner.mkdir(parents=True, exist_ok=True)
        (learner / "lease").write_text("held")

    with pytest.raises(BackupError, match="cannot be put in place"):
        restore(config_at(tmp_path / "new"), backup, start_meanwhile)
    left = files_below(tmp_path / "new")
    assert {path for path in left if not path.startswith("secrets/")} == {"learner/lease"}
    shutil.rmtree(learner)
    restore(config_at(tmp_path / "new"), backup)


def test_without_room_nothing_is_begun(backup: Path, tmp_path: Path) -> None:
    files = msgspec.json.decode((backup / "manifest.json").read_bytes())["files"]
    _changed(backup, files=[{**files[0], "bytes": 1 << 60}, *files[1:]])
    with pytest.raises(BackupError, match="bytes free"):
        restore(config_at(tmp_path / "new"), backup)
    assert not (tmp_path / "new").exists()


def test_files_that_the_manifest_does_not_name_stay_behind(backup: Path, tmp_path: Path) -> None:
    (backup / "log" / "spool-000.refused").write_text("mine")
    restore(config_at(tmp_path / "new"), backup)
    assert not (tmp_path / "new" / "log" / "spool-000.refused").exists()
