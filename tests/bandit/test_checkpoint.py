from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bandit.checkpoint import (
    CURRENT_NAME,
    PREVIOUS_NAME,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from bandit.joiner import JoinerMemo
from bandit.merge import LateRecord, MergePosition
from bandit.reward import RewardRule
from bandit.statistics import LearningCounts


def _checkpoint(clock_us: int) -> Checkpoint:
    counts = LearningCounts(outcomes={"window": clock_us})
    counts.shares["artwork"]["learned"].reward = 0.1 + clock_us
    return Checkpoint(
        position=MergePosition(
            clock_us, {"spool-000": 17}, {"spool-000": "f00d"}, [LateRecord("spool-000", 3, 2)]
        ),
        joiner=JoinerMemo(clock_us, 4, RewardRule(), 2000, {"opened": 9}, {"d1": 5}, {"d2": 6}),
        counts=counts,
        engines={"artwork": bytes(range(256))},
    )


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, _checkpoint(7))
    assert load_checkpoint(tmp_path) == (_checkpoint(7), [])


def test_nothing_saved_is_nothing_wrong(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) == (None, [])


def test_the_newest_counts_and_the_one_before_is_kept(tmp_path: Path) -> None:
    for clock_us in (1, 2, 3):
        save_checkpoint(tmp_path, _checkpoint(clock_us))
    assert load_checkpoint(tmp_path)[0] == _checkpoint(3)
    assert {path.name for path in tmp_path.iterdir()} == {CURRENT_NAME, PREVIOUS_NAME}


@pytest.mark.parametrize("place", [0, 64, 70, 200, -1])
def test_any_flipped_byte_falls_back_to_the_previous(tmp_path: Path, place: int) -> None:
    save_checkpoint(tmp_path, _checkpoint(1))
    save_checkpoint(tmp_path, _checkpoint(2))
    data = bytearray((tmp_path / CURRENT_NAME).read_bytes())
    data[place] ^= 0x20
    (tmp_path / CURRENT_NAME).write_bytes(bytes(data))
    loaded, problems = load_checkpoint(tmp_path)
    assert loaded == _checkpoint(1)
    assert len(problems) == 1


@pytest.mark.parametrize("size", [0, 10, 64, 65, 100])
def test_a_cut_file_falls_back_to_the_previous(tmp_path: Path, size: int) -> None:
    save_checkpoint(tmp_path, _checkpoint(1))
    save_checkpoint(tmp_path, _checkpoint(2))
    data = (tmp_path / CURRENT_NAME).read_bytes()
    (tmp_path / CURRENT_NAME).write_bytes(data[:size])
    assert load_checkpoint(tmp_path)[0] == _checkpoint(1)


def test_another_format_is_passed_over_and_said_plainly(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, _checkpoint(1))
    save_checkpoint(tmp_path, msgspec.structs.replace(_checkpoint(2), v=99))
    loaded, problems = load_checkpoint(tmp_path)
    assert loaded == _checkpoint(1)
    assert len(problems) == 1
    assert "format 99, not" in problems[0]


def test_a_crash_between_the_renames_leaves_the_previous(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, _checkpoint(1))
    (tmp_path / CURRENT_NAME).rename(tmp_path / PREVIOUS_NAME)
    (tmp_path / ".checkpoint.next").write_bytes(b"half")
    assert load_checkpoint(tmp_path)[0] == _checkpoint(1)
    save_checkpoint(tmp_path, _checkpoint(2))
    assert load_checkpoint(tmp_path)[0] == _checkpoint(2)
