"""What every exploration strategy shares: its checks, its floor and its contract.

A strategy is its own configuration: a frozen struct decoded straight from TOML, told apart by
``type``. Subclasses say only how scores become probabilities; that rows are lawful, single
candidates certain and nobody below the floor is seen to here, once.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from bandit.errors import ModelError
from bandit.types import BoolArray, FloatArray, IndexArray

Floor = Annotated[
    float,
    Meta(
        ge=0,
        le=1,
        description="Least probability of any candidate; where that is more than an equal share, "
        "the equal share.",
    ),
]


class Strategy(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="type",
):
    """Scores in, probabilities out; pure, and vectorised over titles.

    All arrays are (N, K): N titles, padded to the K candidates of the largest.
    """

    min_probability: Floor = 0.0

    @property
    def needs_spreads(self) -> bool:
        """Whether :meth:`pmf` must be given standard deviations of the scores."""
        return False

    def pmf(
        self, scores: FloatArray, eligible: BoolArray, spreads: FloatArray | None = None
    ) -> FloatArray:
        """Return each title's probabilities over its candidates.

        Args:
            scores: (N, K) expected rewards, about [0, 1]; what is not eligible may hold anything.
            eligible: (N, K), with at least one True a row.
            spreads: (N, K) standard deviations of the scores, where :attr:`needs_spreads`.

        Returns:
            (N, K): rows sum to 1 (to 1e-12), zero where not eligible, elsewhere at least
            ``min(min_probability, 1 / eligible in the row)``.

        Raises:
            ModelError: an eligible score or spread is not finite, a spread is negative, or spreads
                are needed and missing.
            ValueError: shapes differ, or a row has nothing eligible.
        """
        if scores.ndim != 2 or scores.shape != eligible.shape:
            raise ValueError(f"scores {scores.shape} and eligible {eligible.shape} must be (N, K)")
        full = bool(eligible.all())
        counts = np.full(len(eligible), eligible.shape[1]) if full else eligible.sum(axis=1)
        if not counts.all():
            raise ValueError("every title needs at least one eligible candidate")
        if not (np.isfinite(scores) if full else np.isfinite(scores) | ~eligible).all():
            raise ModelError(
                "a candidate's score is not finite",
                hint="roll back to an earlier snapshot: this one's weights cannot be used",
            )
        masked = scores if full else np.where(eligible, scores, -np.inf)
        widths = self._checked_spreads(spreads, eligible)
        probabilities = self._probabilities(masked, eligible, counts, widths)
        return _lift(probabilities, eligible, counts, self.min_probability)

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        """Return (N, K) probabilities before the floor.

        ``scores`` are -inf where not eligible; ``counts`` (N,) is how many are; ``spreads`` is all
        zero unless the strategy needs it. Gaps between finite scores may overflow to infinity,
        which every strategy takes to mean "never but for the floor".
        """
        raise NotImplementedError

    def _checked_spreads(self, spreads: FloatArray | None, eligible: BoolArray) -> FloatArray:
        if not self.needs_spreads:
            return np.zeros(eligible.shape)
        if spreads is None:
            raise ModelError(
                "the exploration strategy needs the spread of every score and got none",
                hint="use an engine that keeps variances, or another exploration type",
            )
        if spreads.shape != eligible.shape:
            raise ValueError(f"spreads {spreads.shape} and eligible {eligible.shape} differ")
        if not ((np.isfinite(spreads) & (spreads >= 0)) | ~eligible).all():
            raise ModelError(
                "a candidate's spread is negative or not finite",
                hint="roll back to an earlier snapshot: this one's variances cannot be used",
            )
        return np.where(eligible, spreads, 0.0)


def best_candidates(scores: FloatArray) -> IndexArray:
    """Return (N,) the index of each title's best score; of equals the first, as titles list it."""
    return np.asarray(scores.argmax(axis=1))


def on_best(scores: FloatArray) -> FloatArray:
    """Return (N, K) probabilities with all on each title's best candidate."""
    probabilities = np.zeros(scores.shape)
    probabilities[np.arange(len(scores)), best_candidates(scores)] = 1.0
    return probabilities


def evenly(eligible: BoolArray, counts: IndexArray) -> FloatArray:
    """Return (N, K) equal probabilities over what is eligible."""
    return eligible * (1.0 / counts)[:, None]


def _lift(
    probabilities: FloatArray, eligible: BoolArray, counts: IndexArray, floor: float
) -> FloatArray:
    """Mix in the least share of equal probabilities that lifts every candidate to the floor.

    The order of probabilities stays; a row already above its floor is returned as it is.
    """
    if floor == 0:
        return probabilities
    equal = 1.0 / counts
    floors = np.minimum(floor, equal)
    least = np.where(eligible, probabilities, 1.0).min(axis=1)
    lacking = np.maximum(0.0, floors - least)
    # Where anything lacks, the least is below an equal share and the divisor positive.
    share = np.divide(lacking, equal - least, out=np.zeros_like(lacking), where=lacking > 0)
    share = np.minimum(share, 1.0)[:, None]
    mixed = (1.0 - share) * probabilities + share * equal[:, None]
    return np.where(eligible, np.maximum(mixed, floors[:, None]), 0.0)
