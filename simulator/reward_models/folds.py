"""Which fold each round belongs to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.errors import EstimationError

FoldArray = npt.NDArray[np.int8]

FOLDS_MAX = 100


def fold_of_rounds(
    count: int, folds: int, seed: int, cluster: npt.NDArray[np.int64] | None = None
) -> FoldArray:
    """Return (count,) folds, at random and of equal size up to one.

    All rounds of a cluster are in one fold, so that no model is trained on the viewer it predicts;
    folds are then of equally many clusters.

    Raises:
        EstimationError: there are fewer rounds or clusters than folds, or fewer than 2 folds.
    """
    if cluster is None:
        members, units = count, np.arange(count)
    else:
        distinct, units = np.unique(cluster, return_inverse=True)
        members = len(distinct)
    if not 2 <= folds <= FOLDS_MAX:
        raise EstimationError(
            f"{folds} folds are not enough or too many", hint=f"take 2 to {FOLDS_MAX}; 3 is usual"
        )
    if members < folds:
        raise EstimationError(
            f"{members} {'rounds' if cluster is None else 'viewers'} cannot fill {folds} folds",
            hint="gather more rounds, or use an estimator without a model",
        )
    shuffled = np.random.default_rng(seed).permutation(members)
    fold_of_unit = np.empty(members, np.int8)
    fold_of_unit[shuffled] = np.arange(members) % folds
    return fold_of_unit[units]
