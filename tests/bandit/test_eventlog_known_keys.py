"""The filter of known keys: that it never hides a record, whatever becomes of its file."""

from __future__ import annotations

import errno
import itertools
import math
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from bandit.clock import WallClock
from bandit.eventlog import known_keys, sqlite_reader
from bandit.eventlog.journal import Row
from bandit.eventlog.key_lookup import KeyLookup, Sought, sought
from bandit.eventlog.known_keys import HEAD_BYTES, SIZE_BYTES, STATE_AT, KnownKeys, keys_path
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_schema import connect, keys_in, spool_path
from bandit.eventlog.sqlite_spool import SpoolFile

SPOOL = "spool-000"
KEYS = [f"d:{number}" for number in range(50)]
NEW = "d:never stored"
QUANTILE = 4.75
"""Of the normal distribution, at 1 - 1e-6."""

_ages_s = itertools.count(3600)


def settle(directory: Path) -> None:
    """Let the last change of the directory and its files be long ago, each time another instant."""
    for path in (*directory.iterdir(), directory):
        at_ns = time.time_ns() - next(_ages_s) * 1_000_000_000
        os.utime(path, ns=(at_ns, at_ns))


def store(directory: Path, keys: list[str]) -> None:
    with closing(SpoolFile(directory, SPOOL, WallClock())) as file:
        file.store([Row(key, b"payload") for key in keys])


def store_as_before(directory: Path, keys: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Store as a release does that knows no filter."""
    with monkeypatch.context() as patched:
        patched.setattr(KnownKeys, "open", lambda *_: None)
        store(directory, keys)


@contextmanager
def reading(directory: Path) -> Iterator[SqliteEventReader]:
    with closing(SqliteEventReader(directory, WallClock())) as reader:
        # Opening a spool makes files beside it.
        reader.known_keys([NEW])
        settle(directory)
        reader.known_keys([NEW])
        yield reader


@contextmanager
def lookup(directory: Path) -> Iterator[KeyLookup]:
    path = spool_path(directory, SPOOL)
    found = KeyLookup(path)
    with closing(connect(path, "ro")) as connection:
        connection.execute("SELECT 1 FROM records").fetchone()
        settle(directory)
        found.look(connection)
        yield found


def is_believed(directory: Path) -> bool:
    with lookup(directory) as found:
        assert len(found.may_hold(sought(KEYS))) == len(KEYS)
        return found.may_hold(sought([NEW])) == []


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    asked: list[list[str]] = []

    def counted(connection: sqlite3.Connection, keys: list[str]) -> set[str]:
        asked.append(list(keys))
        return keys_in(connection, keys)

    monkeypatch.setattr(sqlite_reader, "keys_in", counted)
    return asked


def test_a_new_key_needs_no_look_and_a_known_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SpoolFile(tmp_path, SPOOL, WallClock())) as file, reading(tmp_path) as reader:
        file.store([Row(key, b"") for key in KEYS])
        asked = count_looks(monkeypatch)
        assert reader.known_keys([NEW]) == set()
        assert reader.find_decision("never stored") is None
        assert asked == []
        assert reader.known_keys([NEW, KEYS[3]]) == {KEYS[3]}
        assert asked == [[KEYS[3]]]
        assert reader.spools() == [SPOOL]


def test_a_spool_without_a_writer_needs_no_look_until_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, KEYS)
    with reading(tmp_path) as reader:
        asked = count_looks(monkeypatch)
        assert reader.known_keys([NEW]) == set()
        assert asked == []
        store_as_before(tmp_path, [NEW], monkeypatch)
        assert reader.known_keys([NEW]) == {NEW}


def test_what_a_release_without_filter_added_is_entered_on_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, KEYS[:10])
    store_as_before(tmp_path, KEYS[10:], monkeypatch)
    with lookup(tmp_path) as found:
        assert found.may_hold(sought([NEW])) != []
    store(tmp_path, [])
    assert is_believed(tmp_path)


def test_a_rebuilt_filter_is_the_one_that_was_built_key_by_key(tmp_path: Path) -> None:
    store(tmp_path, KEYS)
    path = keys_path(spool_path(tmp_path, SPOOL))
    lines = path.read_bytes()[HEAD_BYTES:]
    path.unlink()
    store(tmp_path, [])
    assert path.read_bytes()[HEAD_BYTES:] == lines
    assert is_believed(tmp_path)


def test_after_another_boot_it_is_not_believed_and_then_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, KEYS)
    path = keys_path(spool_path(tmp_path, SPOOL))
    with path.open("r+b") as file:
        file.seek(HEAD_BYTES)
        file.write(bytes(SIZE_BYTES - HEAD_BYTES))
    inode = path.stat().st_ino
    boot = tmp_path / "boot_id"
    boot.write_text("0" * 36)
    monkeypatch.setattr(known_keys, "_BOOT_ID", boot)
    assert not is_believed(tmp_path)
    store(tmp_path, [])
    assert is_believed(tmp_path)
    assert path.stat().st_ino == inode


def test_a_spool_put_back_from_a_backup_is_covered_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spool_path(tmp_path, SPOOL)
    store(tmp_path, ["d:first"])
    shutil.copy(path, tmp_path / "backup")
    store(tmp_path, ["d:gone", "d:gone too"])
    shutil.copy(tmp_path / "backup", path)
    store_as_before(tmp_path, KEYS, monkeypatch)
    store(tmp_path, [])
    assert is_believed(tmp_path)


def test_another_file_in_the_spools_place_is_not_judged_by_its_filter(tmp_path: Path) -> None:
    place, other = tmp_path / "a", tmp_path / "b"
    for directory, keys in ((place, ["d:other"]), (other, KEYS)):
        directory.mkdir()
        store(directory, keys)
    with reading(place) as reader:
        assert reader.known_keys(KEYS) == set()
        spool_path(other, SPOOL).replace(spool_path(place, SPOOL))
        assert reader.known_keys(KEYS) == set(KEYS)
        settle(place)
        assert reader.known_keys(KEYS) == set(KEYS)


def test_a_writer_that_comes_after_the_reader_is_followed(tmp_path: Path) -> None:
    store(tmp_path, KEYS)
    keys_path(spool_path(tmp_path, SPOOL)).unlink()
    with reading(tmp_path) as reader, closing(SpoolFile(tmp_path, SPOOL, WallClock())) as file:
        settle(tmp_path)
        assert reader.known_keys([*KEYS, NEW]) == set(KEYS)
        file.store([Row(NEW, b"")])
        assert reader.known_keys([NEW]) == {NEW}


def torn(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"mq-keys1")


def longer(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"x")


def noise(path: Path) -> None:
    path.write_bytes(os.urandom(HEAD_BYTES) + bytes(SIZE_BYTES - HEAD_BYTES))


def flipped_token(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(STATE_AT)
        file.write(bytes(8))


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


@pytest.mark.parametrize("damage", [torn, longer, noise, flipped_token, linked, Path.unlink])
def test_a_damaged_filter_is_not_believed_and_the_next_writer_mends_it(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store(tmp_path, KEYS)
    damage(keys_path(spool_path(tmp_path, SPOOL)))
    with reading(tmp_path) as reader:
        assert reader.known_keys([*KEYS, NEW]) == set(KEYS)
    assert not is_believed(tmp_path)
    store(tmp_path, [])
    assert is_believed(tmp_path)


@pytest.mark.parametrize("cause", ["full", "little room", "directory"])
def test_where_no_filter_can_be_made_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    path = keys_path(spool_path(tmp_path, SPOOL))

    def full(*_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "no space left on device")

    if cause == "full":
        monkeypatch.setattr(os, "posix_fallocate", full)
    elif cause == "little room":
        monkeypatch.setattr(known_keys, "ROOM_BYTES", 1 << 62)
    else:
        path.mkdir()
    store(tmp_path, KEYS)
    assert path.is_dir() or not path.exists()
    with reading(tmp_path) as reader:
        assert reader.known_keys([*KEYS, NEW]) == set(KEYS)


def test_holes_of_a_copied_filter_are_filled_before_it_is_mapped(tmp_path: Path) -> None:
    store(tmp_path, KEYS)
    path = keys_path(spool_path(tmp_path, SPOOL))
    path.unlink()
    with path.open("wb") as file:
        file.truncate(SIZE_BYTES)
    store(tmp_path, [])
    assert path.stat().st_blocks * 512 >= SIZE_BYTES
    assert is_believed(tmp_path)


def test_a_damaged_spool_costs_the_filter_alone(tmp_path: Path) -> None:
    with sqlite3.connect(":memory:") as connection:
        assert KnownKeys.open(tmp_path / "spool-000.sqlite", connection) is None
    connection.close()


def test_a_group_with_a_known_key_leaves_nothing_uncovered(tmp_path: Path) -> None:
    with closing(SpoolFile(tmp_path, SPOOL, WallClock())) as file:
        # A key that stands already makes the first statement fail; the second has the rest alone.
        file.store([Row(key, b"") for key in KEYS[:20]])
        assert sum(file.store([Row(key, b"") for key in KEYS])) == len(KEYS) - 20
        assert is_believed(tmp_path)
    assert is_believed(tmp_path)


class AsBuildBegins(list[Sought]):
    """Keys whose lines are emptied between the first look at the token and theirs."""

    def __init__(self, keys: list[Sought], path: Path) -> None:
        super().__init__(keys)
        self._path = path

    def __iter__(self) -> Iterator[Sought]:
        with self._path.open("r+b") as file:
            file.seek(STATE_AT)
            file.write(bytes(SIZE_BYTES - STATE_AT))
        return super().__iter__()


def test_a_build_that_begins_during_a_look_hides_no_key(tmp_path: Path) -> None:
    store(tmp_path, KEYS)
    with lookup(tmp_path) as found:
        assert found.may_hold(sought([NEW])) == []
        keys = AsBuildBegins(sought(KEYS), keys_path(spool_path(tmp_path, SPOOL)))
        assert len(found.may_hold(keys)) == len(KEYS)


def test_no_key_is_missed_while_the_filter_is_built_again_and_again(tmp_path: Path) -> None:
    path = spool_path(tmp_path, SPOOL)
    store(tmp_path, KEYS)
    keys = sought(KEYS)
    done = threading.Event()

    def build() -> None:
        with closing(connect(path, "rw")) as connection:
            for _ in range(30):
                with keys_path(path).open("r+b") as file:
                    file.write(b"\1")
                built = KnownKeys.open(path, connection)
                assert built is not None
        done.set()

    with lookup(tmp_path) as found, closing(connect(path, "ro")) as connection:
        builder = threading.Thread(target=build)
        builder.start()
        for _ in range(200_000):
            if done.is_set():
                break
            assert len(found.may_hold(keys)) == len(keys)
            found.forget()
            found.look(connection)
        builder.join()
    assert is_believed(tmp_path)


def test_few_new_keys_look_known_at_the_fill_of_five_million(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 1 % (alpha = 1e-6): as many keys a line as 5 million come to, in a 32nd of it."""
    monkeypatch.setattr(known_keys, "LINES", known_keys.LINES // 32)
    store(tmp_path, [f"d:{number:032x}" for number in range(5_000_000 // 32)])
    tried = 50_000
    with lookup(tmp_path) as found:
        likely = len(found.may_hold(sought(f"d:new{number:032x}" for number in range(tried))))
    assert 0 < likely < tried * 0.01 + QUANTILE * math.sqrt(tried * 0.01 * 0.99)
