"""From feedback to reward: what a display earned, by the configuration's rule.

Every function here is pure; the rule is the config section ``reward`` itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bandit.events import FeedbackRecord


class RewardRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What clicks and plays are worth, and for how long they are waited for.

    An event's worth is ``click`` for a click; for a play the sum of ``play``,
    ``play_seconds * min(1, seconds / seconds_full)`` and ``play_fraction * fraction``, and
    ``-quick_abandon_penalty`` in its place if it was a quick abandon. Worths are combined by
    ``aggregation`` and the result, starting from ``default``, is clipped to [0, 1]: nothing but a
    quick abandon earns less than no touch at all.
    """

    default: Annotated[
        float, Meta(ge=0, le=1, description="Reward of what was seen and not touched.")
    ] = 0.0
    click: Annotated[float, Meta(ge=0, le=1, description="Worth of a click.")] = 0.2
    play: Annotated[float, Meta(ge=0, le=1, description="Worth of a play as such.")] = 0.5
    play_seconds: Annotated[
        float, Meta(ge=0, le=1, description="Worth of a play of seconds_full seconds or more.")
    ] = 0.0
    seconds_full: Annotated[
        float, Meta(gt=0, description="Seconds of play that earn all of play_seconds.")
    ] = 1800.0
    play_fraction: Annotated[
        float, Meta(ge=0, le=1, description="Worth of a play to the very end.")
    ] = 0.5
    quick_abandon_s: Annotated[
        float,
        Meta(
            ge=0, description="A play shorter than this, in seconds, is a quick abandon; 0: none."
        ),
    ] = 30.0
    quick_abandon_penalty: Annotated[
        float, Meta(ge=0, le=1, description="Subtracted for a quick abandon.")
    ] = 0.1
    aggregation: Annotated[
        Literal["max", "sum", "last"],
        Meta(description="How the worths of several events of one display combine."),
    ] = "max"
    row_aggregation: Annotated[
        Literal["max", "sum", "mean"],
        Meta(description="How the rewards of a row's seen titles make the row's reward."),
    ] = "max"
    window_s: Annotated[
        float, Meta(gt=0, description="How long feedback is waited for, in seconds.")
    ] = 600.0
    close_after_play_s: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Seconds after a play that was no quick abandon in which the decision "
            "closes, if its window does not end before: the viewer has left the homepage. Unset "
            "waits for the window always.",
        ),
    ] = 0.5
    clock_leeway_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Added to the window, in seconds, so that nodes whose clocks differ by so "
            "much never close a decision early.",
        ),
    ] = 5.0

    def is_quick_abandon(self, event: FeedbackRecord) -> bool:
        """Tell whether the event is a play that ended at once."""
        return (
            event.type == "play"
            and event.seconds is not None
            and event.seconds < self.quick_abandon_s
        )

    def worth(self, event: FeedbackRecord) -> float:
        """Return what one event is worth, before aggregation; an impression is worth nothing."""
        if event.type == "impression":
            return 0.0
        if event.type == "click":
            return self.click
        if self.is_quick_abandon(event):
            return -self.quick_abandon_penalty
        worth = self.play
        if event.seconds is not None:
            worth += self.play_seconds * min(1.0, event.seconds / self.seconds_full)
        if event.fraction is not None:
            worth += self.play_fraction * event.fraction
        return worth

    def reward(self, events: Sequence[FeedbackRecord]) -> float:
        """Return the reward in [0, 1] that a display with these events earned.

        ``events`` stand in the log's order; impressions among them do not count.
        """
        worths = [self.worth(event) for event in events if event.type != "impression"]
        if not worths:
            return self.default
        if self.aggregation == "max":
            # A quick abandon takes from the best other worth instead of hiding behind it.
            gained = max(self.default, *worths)
            total = gained + min(0.0, *worths)
        elif self.aggregation == "sum":
            total = self.default + sum(worths)
        else:
            last = worths[-1]
            total = max(self.default, last) if last >= 0 else self.default + last
        return min(1.0, max(0.0, total))

    def row_reward(self, rewards: Sequence[float]) -> float:
        """Return a row's reward from those of its seen titles, ``default`` if there are none."""
        if not rewards:
            return self.default
        if self.row_aggregation == "max":
            return max(rewards)
        if self.row_aggregation == "sum":
            return min(1.0, sum(rewards))
        return sum(rewards) / len(rewards)
