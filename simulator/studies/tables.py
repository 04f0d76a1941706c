"""Policies by group of rounds: what each segment or position is worth under them."""

from __future__ import annotations

import numpy as np

from simulator.errors import NoOverlapError, NotApplicableError
from simulator.estimators.inputs import Inputs
from simulator.estimators.snips import snips
from simulator.intervals import interval
from simulator.results import GroupRow
from simulator.studies.cases import Grouping


def group_rows(policy: str, grouping: Grouping | None, level: float) -> list[GroupRow]:
    """Return one line a group, by SNIPS with a normal interval; none where nobody knows groups.

    A group without overlap has no estimate, one whose rounds all earned the same no interval.
    """
    if grouping is None:
        return []
    return [_row(policy, grouping, code, level) for code in np.unique(grouping.codes).tolist()]


def _row(policy: str, grouping: Grouping, code: int, level: float) -> GroupRow:
    within = grouping.codes == code
    reward, weight = grouping.reward[within], grouping.weight[within]
    cluster = None if grouping.cluster is None else grouping.cluster[within]
    terms = snips(Inputs(reward, weight))
    estimate = low = high = None
    try:
        estimate = terms.value()
        found = interval("normal", terms, level=level, cluster=cluster)
        if found.low < found.high:
            low, high = found.low, found.high
    except (NoOverlapError, NotApplicableError):
        # Told by what is missing, and by the effective rounds beside it.
        pass
    squares = float((weight**2).sum())
    return GroupRow(
        policy=policy,
        group=grouping.names[code] if code < len(grouping.names) else str(code),
        rounds=int(within.sum()),
        logged_mean=float(reward.mean()),
        estimate=estimate,
        low=low,
        high=high,
        effective_rounds=float(weight.sum()) ** 2 / squares if squares else 0.0,
    )
