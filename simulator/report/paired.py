"""Policies of a simulation beside one another, seed by seed.

Seeds are different worlds: what a policy earns differs more between them than between policies, so
that intervals of single policies overlap where their order is plain on every seed. Differences on
the same seeds tell of that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulator.report.estimates import with_interval
from simulator.report.numbers import share
from simulator.results import Interval, SimulatedPolicy
from simulator.studies.over_seeds import seed_interval

BASELINE = "uniform"
ORACLE = "oracle"


class Gain(NamedTuple):
    """How much more one policy earned a page than another, on the same seeds."""

    by_seed: list[float]
    mean: float
    interval: Interval

    def told(self) -> str:
        """Return it in words."""
        return with_interval(self.mean, [self.interval] if len(self.by_seed) > 1 else [])

    @property
    def plain(self) -> bool:
        """Whether the interval leaves no doubt of its sign."""
        return len(self.by_seed) > 1 and not self.interval.low <= 0 <= self.interval.high


def gain(policy: SimulatedPolicy, other: SimulatedPolicy) -> Gain:
    """Return what a policy earned more than another."""
    both = zip(policy.by_seed, other.by_seed, strict=True)
    found = np.array([one - another for one, another in both])
    interval = seed_interval(found, policy.final_reward.level)
    return Gain(found.tolist(), float(found.mean()), interval)


def is_oracle(policy: SimulatedPolicy) -> bool:
    """Return whether a policy knows what no policy that is served can know."""
    return policy.policy.partition(" (")[0] == ORACLE


def reference_of(policies: Sequence[SimulatedPolicy]) -> SimulatedPolicy | None:
    """Return whom the others are compared with: uniform, or the first that was asked for."""
    served = [policy for policy in policies if not is_oracle(policy)]
    uniform = [policy for policy in served if policy.policy == BASELINE]
    found = [*uniform, *served][:1]
    return found[0] if found and len(policies) > 1 else None


def share_of_lead(policy: SimulatedPolicy, reference: SimulatedPolicy) -> float | None:
    """Return which part of the oracle's lead over the reference a policy makes good.

    In expected rewards, as regrets are; None where the oracle has no lead, or nobody knows it.
    """
    lead, left = reference.final_regret_mean, policy.final_regret_mean
    return None if lead is None or left is None or lead <= 0 else (lead - left) / lead


def headline(policies: Sequence[SimulatedPolicy], seeds: int, unit: str = "a page") -> str:
    """Tell which policy that can be served earned most, and how much of what could be had."""
    served = sorted(
        (policy for policy in policies if not is_oracle(policy)),
        key=lambda policy: -policy.final_reward_mean,
    )
    if not served:
        return "No policy that can be served was run to its end."
    best, *others = served
    of_those = " of the policies that can be served" if len(served) < len(policies) else ""
    found = with_interval(best.final_reward_mean, [best.final_reward] if seeds > 1 else [])
    over = f"over {seeds} seeds" if seeds > 1 else "on one seed, which tells nothing of luck"
    told = [f"{best.policy} earned most{of_those}: {found} {unit}, {over}."]
    if not others:
        told = [f"{best.policy} earned {found} {unit}, {over}."]
    reference = reference_of(policies)
    if reference is not None and reference is not best:
        told.append(_against(best, reference))
    if others and others[0] is not reference:
        told.append(_next(best, others[0]))
    return " ".join(told)


def _against(best: SimulatedPolicy, reference: SimulatedPolicy) -> str:
    found = gain(best, reference)
    if len(found.by_seed) > 1 and not found.plain:
        return (
            f"These seeds do not tell it apart from {reference.policy}: the difference is "
            f"{found.told()}."
        )
    more = f"That is {found.told()} more than {reference.policy} on the same seeds"
    part = share_of_lead(best, reference)
    if part is None:
        return more + "."
    return f"{more}, and {share(part)} of the lead that the oracle has over {reference.policy}."


def _next(best: SimulatedPolicy, second: SimulatedPolicy) -> str:
    found = gain(best, second)
    if not found.plain:
        return f"These seeds do not tell it apart from {second.policy}, the next."
    return f"Next is {second.policy}, which earned {found.told()} less."
