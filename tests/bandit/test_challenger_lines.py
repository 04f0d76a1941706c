"""The file that says which line serves, and the history that it follows."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bandit.challenger.line_file import HISTORY, POINTER, LineFile, Move, ServingLine
from bandit.errors import ChallengerError


def move(what: str = "promoted", *, overlay: str = "one", at_us: int = 5) -> Move:
    return Move(
        at_us=at_us,
        what="promoted" if what == "promoted" else "demoted",
        by="hand",
        number=0,
        overlay=overlay,
        evidence={"decisions": 7},
        snapshots={"champion": {"artwork": "000000001-00000000"}},
        changes={"reward.click": (0.2, 0.3)},
    )


def test_a_move_is_written_down_and_then_carried_out(tmp_path: Path) -> None:
    lines = LineFile(tmp_path / "challenger")
    assert lines.read() == ServingLine()
    assert lines.history() == []
    after = lines.move(move(), "champion")
    assert after is not None
    assert lines.read() == after
    assert (after.line, after.number, after.since_us) == ("challenger", 1, 5)
    assert lines.history() == [msgspec.structs.replace(move(), number=1)]
    assert lines.move(move(), "champion") is None, "it serves already"
    back = lines.move(move("demoted"), "challenger")
    assert back is not None
    assert (back.line, back.number) == ("champion", 2)
    assert [one.number for one in lines.history()] == [1, 2]


def test_who_was_promoted_with_another_overlay_does_not_serve(tmp_path: Path) -> None:
    lines = LineFile(tmp_path)
    lines.move(move(overlay="one"), "champion")
    assert lines.read().serves("one") == "challenger"
    assert lines.read().serves("two") == "champion"


def test_a_crash_between_history_and_pointer_is_made_good(tmp_path: Path) -> None:
    lines = LineFile(tmp_path)
    lines.move(move(), "champion")
    before = (tmp_path / POINTER).read_bytes()
    lines.move(move("demoted", at_us=9), "challenger")
    after = lines.read()
    (tmp_path / POINTER).write_bytes(before)
    assert lines.read().line == "challenger"
    assert lines.finish() == after == lines.read()
    assert lines.finish() == after, "twice is once"


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    lines = LineFile(tmp_path)
    lines.move(move(), "champion")
    with (tmp_path / HISTORY).open("ab") as file:
        file.write(b'{"at_us": 9, "what": "demo')
    lines.move(move("demoted"), "challenger")
    assert [one.what for one in lines.history()] == ["promoted", "demoted"]


@pytest.mark.parametrize("content", [b"", b"{", json.dumps({"v": 9}).encode(), b"\xff"])
def test_a_damaged_pointer_is_told_of_and_made_anew_from_the_history(
    tmp_path: Path, content: bytes
) -> None:
    lines = LineFile(tmp_path)
    after = lines.move(move(), "champion")
    (tmp_path / POINTER).write_bytes(content)
    with pytest.raises(ChallengerError, match="cannot be used"):
        lines.read()
    assert lines.finish() == after


def test_a_damaged_pointer_without_history_means_the_champion(tmp_path: Path) -> None:
    (tmp_path / POINTER).write_bytes(b"{")
    assert LineFile(tmp_path).finish() == ServingLine()
