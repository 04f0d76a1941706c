from __future__ import annotations

from pathlib import Path

from bandit.dead_letters import DeadLetters


def test_a_culprit_is_set_aside_after_its_last_attempt_and_stays_so(tmp_path: Path) -> None:
    for attempt in range(3):
        letters = DeadLetters(tmp_path, 3)
        assert len(letters) == 0
        letters.blame("learn", "d1", "boom", attempt)
    assert letters.holds("learn", "d1")
    again = DeadLetters(tmp_path, 3)
    assert again.holds("learn", "d1")
    assert not again.holds("join", "d1")
    assert not again.holds("learn", "d2")
    assert len(again) == 1


def test_what_goes_well_in_the_end_starts_afresh(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, 2)
    letters.blame("learn", "d1", "boom", 1)
    letters.passed("d1")
    letters.blame("learn", "d1", "boom", 2)
    assert not letters.holds("learn", "d1")


def test_a_damaged_record_is_set_aside_once(tmp_path: Path) -> None:
    for _ in range(2):
        letters = DeadLetters(tmp_path, 3)
        letters.set_damaged_aside("spool-000", 7, "not MessagePack", 1)
        letters.set_damaged_aside("spool-000", 8, "not MessagePack", 1)
    assert len(letters) == 2
    assert len((tmp_path / "dead-letters.jsonl").read_bytes().splitlines()) == 2


def test_a_line_torn_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, 1)
    letters.blame("learn", "d1", "boom", 1)
    letters.blame("learn", "d2", "boom", 1)
    path = tmp_path / "dead-letters.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    torn = DeadLetters(tmp_path, 1)
    assert (torn.holds("learn", "d1"), torn.holds("learn", "d2")) == (True, False)
    torn.blame("learn", "d2", "boom", 2)
    assert DeadLetters(tmp_path, 1).holds("learn", "d2")
