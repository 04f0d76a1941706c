"""What is told of a drift alarm, whoever tells it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from bandit.types import Surface

AlarmName = Literal["reward_drop", "entropy_collapse"]
AlarmState = Literal["learning_usual", "watching", "raised"]


class AlarmReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a drift alarm stands.

    ``usual`` and ``now`` are the mean reward of a display, or the mean bits; None before there are
    any. ``evidence`` is how much of what raises the alarm has been gathered, by the logarithm, 0 to
    1.
    """

    name: AlarmName
    surface: Surface
    state: AlarmState
    evidence: float
    usual: float | None
    now: float | None
    raised_at_us: int | None


def in_words(alarm: AlarmReport) -> str:
    """Say how an alarm stands, and what to do."""
    what, unit = _WHAT[alarm.name]
    if alarm.state == "learning_usual":
        return (
            f"{what} of {alarm.surface}: what is usual is being learned; nothing is watched before "
            "enough pages were served by a model"
        )
    usual, now = alarm.usual or 0.0, alarm.now or 0.0
    figures = f"{now:.3g} {unit} of late, {usual:.3g} is usual"
    if alarm.state == "watching":
        return f"{what} of {alarm.surface}: {figures}"
    fall = f" ({1.0 - now / usual:.0%} less)" if 0.0 <= now < usual else ""
    return f"{what} of {alarm.surface} fell: {figures}{fall}. {_TO_DO[alarm.name]}"


_WHAT: Final[dict[AlarmName, tuple[str, str]]] = {
    "reward_drop": ("the learned share's reward", "a display"),
    "entropy_collapse": ("the learned share's entropy", "bits a display"),
}
_RESET: Final = (
    "once that is mended or meant to be so, POST /v1/insights/alarms/reset lets all alarms begin "
    "anew"
)
_TO_DO: Final[dict[AlarmName, str]] = {
    "reward_drop": (
        "See whether the holdout's fell as well: if so, the cause lies outside the model (feedback "
        "that no longer comes, another client or catalog); if not, activate an older snapshot; "
        f"{_RESET}"
    ),
    "entropy_collapse": (
        "The policy hardly tries anything but its favourites now: look at the exploration's "
        f"settings and the newest snapshot's weights, or activate an older snapshot; {_RESET}"
    ),
}
