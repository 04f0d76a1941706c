"""Notes on feedback that came too late, and on logs without impressions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandit.events import DecisionRecord, FeedbackRecord
from bandit.exposure import Exposure
from bandit.joiner import Outcome
from bandit.outcome_files.manifest import Manifest, read_manifest
from bandit.types import FeedbackType, Surface
from simulator.datasets.feedback_notes import Reports, closing_notes

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "logged"


def outcome(*kinds: FeedbackType) -> Outcome:
    decision = DecisionRecord(
        decision_id="d", decided_at_us=0, body_digest=b"d", catalog="c", policy="p",
        shares={}, titles=[],
    )  # fmt: skip
    events = tuple(
        FeedbackRecord(event_id=f"e{number}", decision_id="d", type=kind, title="t")
        for number, kind in enumerate(kinds)
    )
    return Outcome(decision, 0, events, "window")


@pytest.mark.parametrize(
    ("kinds", "artwork", "noted"),
    [
        (["click"], "cascade", True),
        (["play"], "reported", True),
        (["click", "play"], "all", False),
        (["impression", "click"], "cascade", False),
        (["click", "impression"], "reported", False),
        ([], "cascade", False),
    ],
)
def test_pages_that_are_known_by_what_came_of_them_alone_are_noted(
    kinds: list[FeedbackType], artwork: Exposure, noted: bool
) -> None:
    reports = Reports()
    reports.take([outcome()])
    reports.take([outcome(kind) for kind in kinds])
    exposure: dict[Surface, Exposure] = {"artwork": artwork, "rows": "all"}
    notes = reports.notes(exposure)
    assert bool(notes) == noted
    if noted:
        assert f"(artwork: {artwork})" in notes[0]
        assert 'exposure = "all"' in notes[0]


def manifest(late: int, **rule: Any) -> Manifest:
    replace = msgspec.structs.replace
    found = read_manifest(SAMPLE)
    return replace(
        found,
        outcomes=3000,
        closed_by={"play": 1554, "window": 1446},
        dispositions={**found.dispositions, "late": late},
        reward=replace(found.reward, window_s=5.0, clock_leeway_s=0.0, **rule),
    )


def test_what_a_play_or_the_window_cut_off_is_noted() -> None:
    early, late = closing_notes(manifest(1200, close_after_play_s=0.5))
    assert early.startswith("1,554 of 3,000 outcomes were closed by a play, 0.5 s after it")
    assert late.startswith("1,200 feedback events came late")
    assert len(closing_notes(manifest(0, close_after_play_s=0.5))) == 1


def test_a_play_that_cuts_nothing_off_is_not_noted() -> None:
    for close_s in (None, 5.0):
        assert closing_notes(manifest(0, close_after_play_s=close_s)) == []
        assert len(closing_notes(manifest(3, close_after_play_s=close_s))) == 1
