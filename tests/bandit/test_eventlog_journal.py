"""The journal: what it gives back after any cut, any flipped bit, and any number of rounds."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import pytest

from bandit.errors import LogDamagedError, LogUnavailableError
from bandit.eventlog import journal as journal_module
from bandit.eventlog.journal import Frame, Journal, Row, journal_path, journal_spools

SPOOL = "spool-000"
HEAD_BYTES = 24
SMALL_SEGMENT = 400


def rows(name: str, count: int = 1, size: int = 40) -> list[Row]:
    return [Row(f"d:{name}-{part}", f"{name}/".encode() * size) for part in range(count)]


def open_journal(directory: Path) -> tuple[Journal, list[Frame]]:
    return Journal.open(directory, SPOOL)


def write_all(directory: Path, names: Sequence[str]) -> list[list[Row]]:
    """Write one frame a name, and let go of the journal as a killed process does."""
    journal, _ = open_journal(directory)
    written = [rows(name, 1 + index % 3) for index, name in enumerate(names)]
    for one in written:
        journal.write(one)
    journal.close(emptied=False)
    return written


def reread(directory: Path) -> list[list[Row]]:
    journal, frames = open_journal(directory)
    journal.close(emptied=False)
    return [frame.rows for frame in frames]


def content(directory: Path, side: int = 0) -> bytes:
    return journal_path(directory, SPOOL, side).read_bytes()


def ends(data: bytes) -> list[int]:
    """Return where each frame ends."""
    found, start = [], 0
    while start < len(data):
        start += HEAD_BYTES + int(struct.unpack_from("<I", data, start)[0])
        found.append(start)
    return found


def crashed(directory: Path, data: bytes, side: int = 0) -> Path:
    """Return a directory whose journal's one side holds ``data``."""
    directory.mkdir(exist_ok=True)
    journal_path(directory, SPOOL, side).write_bytes(data)
    return directory


def test_frames_come_back_whole_in_order_and_go_on_counting(tmp_path: Path) -> None:
    written = write_all(tmp_path, "abc")
    assert journal_spools(tmp_path) == [SPOOL]

    journal, frames = open_journal(tmp_path)
    assert [frame.rows for frame in frames] == written
    assert [frame.number for frame in frames] == [1, 2, 3]
    assert journal.write(rows("d")) == 4
    journal.close(emptied=False)
    assert reread(tmp_path) == [*written, rows("d")]


def test_a_whole_frame_that_holds_no_records_is_told_with_its_place_and_left(
    tmp_path: Path,
) -> None:
    write_all(tmp_path, "a")
    body, numbers = b"\x93\x01\x02\x03", struct.pack("<QQ", 2, 0)
    frame = struct.pack("<II", len(body), crc32(body, crc32(numbers))) + numbers + body
    data = content(tmp_path) + frame
    place = crashed(tmp_path / "odd", data)
    with pytest.raises(LogDamagedError, match=r"spool-000\.journal-0 holds frame 2 ") as caught:
        open_journal(place)
    assert "move the journal's files away" in caught.value.hint
    assert content(place) == data


def test_what_is_known_to_be_committed_does_not_come_back(tmp_path: Path) -> None:
    journal, _ = open_journal(tmp_path)
    for name in "abc":
        journal.write(rows(name))
    journal.committed(2)
    journal.write(rows("d"))
    journal.close(emptied=False)

    assert reread(tmp_path) == [rows("c"), rows("d")]


def test_an_emptied_journal_holds_nothing(tmp_path: Path) -> None:
    journal, frames = open_journal(tmp_path)
    assert frames == []
    journal.write(rows("a"))
    journal.close(emptied=True)

    assert reread(tmp_path) == []
    assert journal_spools(tmp_path) == []


def test_a_tail_cut_at_any_byte_costs_the_cut_frame_alone(tmp_path: Path) -> None:
    written = write_all(tmp_path, "abcd")
    data = content(tmp_path)
    for length in range(len(data) + 1):
        whole = sum(end <= length for end in ends(data))
        place = crashed(tmp_path / "cut", data[:length])
        assert reread(place) == written[:whole]
        journal, _ = open_journal(place)
        journal.write(rows("next"))
        journal.close(emptied=False)
        assert reread(place) == [*written[:whole], rows("next")]


def test_a_frame_torn_over_old_content_never_brings_the_old_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", SMALL_SEGMENT)
    journal, _ = open_journal(tmp_path)
    # Frames of one size, so that old ones line up with the ends of new ones.
    for number in range(1, 30):
        before = [content(tmp_path, side) for side in (0, 1)] if number > 8 else []
        assert journal.write(rows(f"{number:02}", size=10)) == number
        if number > 8:
            check_every_cut(tmp_path, before, number)
        journal.committed(number)
    journal.close(emptied=False)


def check_every_cut(directory: Path, before: list[bytes], number: int) -> None:
    """Check each mixture of the files before and after a write that a kill could leave."""
    after = [content(directory, side) for side in (0, 1)]
    changed = next(side for side in (0, 1) if after[side] != before[side])
    first = next(
        at
        for at, byte in enumerate(after[changed])
        if before[changed][at : at + 1] != bytes([byte])
    )
    place = crashed(directory / "cut", after[1 - changed], 1 - changed)
    for length in range(first, first + 40):
        mixed = after[changed][:length] + before[changed][length:]
        if mixed != after[changed]:
            crashed(place, mixed, changed)
            found = [row.key for frame in reread(place) for row in frame]
            assert set(found) <= {f"d:{number - 1:02}-0"}


@pytest.mark.parametrize("seed", [11])
def test_a_flipped_bit_never_changes_a_record(tmp_path: Path, seed: int) -> None:
    written = write_all(tmp_path, "abcdef")
    data = content(tmp_path)
    places = random.Random(seed).sample(range(8 * len(data)), 500)
    lost_others = 0
    for place in places:
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        found = reread(crashed(tmp_path / "flipped", bytes(flipped)))
        hit = sum(end <= place // 8 for end in ends(data))
        assert all(one in written for one in found)
        assert written[hit] not in found
        assert found[:hit] == written[:hit]
        lost_others += found != written[:hit] + written[hit + 1 :]
    # Only a damaged length, or the last frame's neighbourhood, may cost more than the frame hit.
    assert lost_others < len(places) / 10


def test_two_files_take_turns_and_stay_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", SMALL_SEGMENT)
    journal, _ = open_journal(tmp_path)
    for number in range(1, 200):
        assert journal.write(rows(str(number))) == number
        journal.committed(number - 1)
        assert journal.size() <= 2 * SMALL_SEGMENT
        if number % 20 == 0:
            assert reread_copy(tmp_path)[-1] == rows(str(number))
    journal.close(emptied=False)
    sizes = [journal_path(tmp_path, SPOOL, side).stat().st_size for side in (0, 1)]
    assert all(0 < size <= SMALL_SEGMENT for size in sizes)


def reread_copy(directory: Path) -> list[list[Row]]:
    """Read what a process that took over now would find, and leave the files alone."""
    place = directory / "copy"
    for side in (0, 1):
        if journal_path(directory, SPOOL, side).exists():
            crashed(place, content(directory, side), side)
    return reread(place)


def test_while_the_committer_stalls_it_keeps_everything_and_shrinks_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", SMALL_SEGMENT)
    journal, _ = open_journal(tmp_path)
    for number in range(1, 101):
        journal.write(rows(str(number)))
    assert reread_copy(tmp_path) == [rows(str(number)) for number in range(1, 101)]
    assert journal.size() > 10 * SMALL_SEGMENT

    journal.committed(100)
    for number in range(101, 121):
        journal.write(rows(str(number)))
        journal.committed(number)
    assert journal.size() <= 2 * SMALL_SEGMENT
    journal.close(emptied=False)


def test_a_write_that_fails_is_never_read_and_the_next_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _ = open_journal(tmp_path)
    journal.write(rows("a"))
    pwrite = os.pwrite

    def short(handle: int, data: bytes, offset: int) -> int:
        return pwrite(handle, data[: len(data) // 2], offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", short)
        with pytest.raises(LogUnavailableError) as raised:
            journal.write(rows("refused"))
    assert raised.value.hint
    assert reread_copy(tmp_path) == [rows("a")]

    assert journal.write(rows("b")) == 2
    journal.close(emptied=False)
    assert reread(tmp_path) == [rows("a"), rows("b")]


def test_a_journal_that_cannot_be_read_is_an_error_with_a_hint(tmp_path: Path) -> None:
    journal_path(tmp_path, SPOOL, 0).mkdir()
    with pytest.raises(LogUnavailableError) as raised:
        open_journal(tmp_path)
    assert raised.value.hint
