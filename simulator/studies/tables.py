"""Policies by group of rounds: what each segment or position is worth under them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bandit.types import FloatArray
from simulator.errors import NoOverlapError, NotApplicableError
from simulator.estimators.inputs import Inputs
from simulator.estimators.snips import snips
from simulator.intervals import interval
from simulator.logged import CodeArray
from simulator.results import GroupRow
from simulator.studies.splitting import Clusters


def group_rows(
    policy: str,
    codes: CodeArray | None,
    names: Sequence[str],
    reward: FloatArray,
    weight: FloatArray,
    *,
    cluster: Clusters | None,
    level: float,
) -> list[GroupRow]:
    """Return one line a group, by SNIPS with a normal interval; arrays have the shape (n,).

    A group without overlap has no estimate.
    """
    if codes is None:
        return []
    return list(_rows(policy, codes, names, reward, weight, cluster, level))


def _rows(
    policy: str,
    codes: CodeArray,
    names: Sequence[str],
    reward: FloatArray,
    weight: FloatArray,
    cluster: Clusters | None,
    level: float,
) -> Iterator[GroupRow]:
    for code in np.unique(codes):
        within = codes == code
        terms = snips(Inputs(reward[within], weight[within]))
        estimate = low = high = None
        try:
            estimate = terms.value()
            found = interval(
                "normal",
                terms,
                level=level,
                cluster=None if cluster is None else cluster[within],
            )
            low, high = found.low, found.high
        except (NoOverlapError, NotApplicableError):
            # Said by the missing estimate and the effective rounds beside it.
            pass
        squares = float((weight[within] ** 2).sum())
        yield GroupRow(
            policy=policy,
            group=names[code] if code < len(names) else str(code),
            rounds=int(within.sum()),
            logged_mean=float(reward[within].mean()),
            estimate=estimate,
            low=low,
            high=high,
            effective_rounds=float(weight[within].sum()) ** 2 / squares if squares else 0.0,
        )
