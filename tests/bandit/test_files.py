"""Files that are whole or not there, whatever fails on the way."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from bandit.files import (
    PRIVATE_MODE,
    create_atomically,
    exclusive_lock,
    remove_unfinished,
    write_atomically,
    write_durably,
)


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"a long old content")
    write_atomically(path, b"new", PRIVATE_MODE)

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == PRIVATE_MODE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_and_name_are_synced_before_it_is_said_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    really_sync = os.fsync

    def note(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        really_sync(handle)

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(tmp_path / "file", b"new")

    assert [path.parent for path in synced] == [tmp_path, tmp_path.parent]
    assert synced[1] == tmp_path


def test_a_file_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "file"

    assert create_atomically(path, b"first")
    assert not create_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileExistsError):
        write_durably(path, b"third")
    assert path.read_bytes() == b"first"


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("a.arrays", ".a.arrays.tmp", ".notes.tmp", "b.tmp")]
    arrays, other = (tmp_path / f".{name}.0123456789abcdef.tmp" for name in ("a.arrays", "b"))
    for path in (*kept, arrays, other):
        path.touch()
    remove_unfinished(tmp_path, "*.arrays")
    assert not arrays.exists()
    remove_unfinished(tmp_path, before_s=other.stat().st_mtime)
    assert other.exists()
    remove_unfinished(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_lock_keeps_others_out_until_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    with path.open("wb") as other:
        with exclusive_lock(path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
