"""Why a display earned what it did: the steps of :class:`bandit.reward.RewardRule`, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bandit.events import FeedbackRecord
from bandit.explained import RewardReason
from bandit.reward import RewardRule


def title_reason(rule: RewardRule, events: Sequence[FeedbackRecord]) -> RewardReason:
    """Return what a seen title earned with these events, in the log's order, and why.

    >>> event = FeedbackRecord(event_id="e", decision_id="d", type="play", title="t", seconds=120.0)
    >>> title_reason(RewardRule(), [event]).why
    'played 120 s (0.5): reward 0.5'
    """
    reward = rule.reward(events)
    touches = [event for event in events if event.type != "impression"]
    if not touches:
        seen = "seen" if events else "taken as seen"
        return RewardReason(reward, f"{seen}, nothing done: default reward {reward:g}")
    steps = ", ".join(f"{_what(rule, event)} ({rule.worth(event):g})" for event in touches)
    return RewardReason(reward, f"{steps}{_combined(rule, touches)}: reward {reward:g}")


def row_reason(rule: RewardRule, rewards: Mapping[str, float], *, pinned: bool) -> RewardReason:
    """Return what a seen row earned by the rewards of its seen titles, by id, and why."""
    reward = rule.row_reward(list(rewards.values()))
    if not rewards:
        why = f"seen, none of its titles was: default reward {reward:g}"
    elif len(rewards) == 1:
        (title,) = rewards
        why = f"its one seen title, {title}: reward {reward:g}"
    else:
        what = {"max": "best", "sum": "sum", "mean": "mean"}[rule.row_aggregation]
        best = max(rewards, key=lambda title: rewards[title])
        which = f", {best}" if rule.row_aggregation == "max" and reward else ""
        why = f"the {what} of its {len(rewards)} seen titles{which}: reward {reward:g}"
    return RewardReason(reward, f"{why}; pinned, so not learned from" if pinned else why)


def _what(rule: RewardRule, event: FeedbackRecord) -> str:
    if event.type == "click":
        return "clicked"
    watched = [] if event.seconds is None else [f"{event.seconds:g} s"]
    if event.fraction is not None:
        watched.append(f"{event.fraction:.0%} of it")
    what = " ".join(["played", ", ".join(watched)]).strip()
    return f"{what}, a quick abandon" if rule.is_quick_abandon(event) else what


def _combined(rule: RewardRule, touches: Sequence[FeedbackRecord]) -> str:
    """Say how the worths made the reward, where the one worth is not all of it."""
    worths = [rule.worth(event) for event in touches]
    default = f"the default {rule.default:g}"
    if rule.aggregation == "sum":
        if len(worths) == 1 and not rule.default:
            return _clipped(sum(worths))
        added = f"; summed with {default}" if rule.default else "; summed"
        return added + _clipped(rule.default + sum(worths))
    if rule.aggregation == "last":
        last = worths[-1]
        how = "; the last counts" if len(worths) > 1 else ""
        total = max(rule.default, last) if last >= 0 else rule.default + last
        kept = f"; {default} is more" if 0 <= last < rule.default else ""
        taken = f"; taken from {default}" if last < 0 else ""
        return how + kept + taken + _clipped(total)
    gained = max(rule.default, *worths)
    lost = min(0.0, *worths)
    how = "; the best counts" if sum(worth >= 0 for worth in worths) > 1 else ""
    if rule.default and gained not in worths:
        how += f"; {default} is more"
    if lost:
        how += f"; {-lost:g} is taken for the quick abandon"
    return how + _clipped(gained + lost)


def _clipped(total: float) -> str:
    if total > 1:
        return "; at most 1"
    return "; at least 0" if total < 0 else ""
