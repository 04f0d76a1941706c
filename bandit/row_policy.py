"""In what order the rows stand: scores → a lottery → the order drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bandit import sampling, scoring
from bandit.candidates import PageRows
from bandit.config.schema import Config
from bandit.features import CONTEXT, ID, ROW
from bandit.ranking import GreedyOrder, Ranked, RankingStrategy, UniformOrder, check_scores
from bandit.serving import Asker, ServedModel
from bandit.types import FloatArray, Share


class RowLottery(NamedTuple):
    """How a policy orders R rows: the strategy, and what it goes by."""

    strategy: RankingStrategy
    scores: FloatArray
    """Shape (R,)."""
    pinned: Mapping[int, int]
    is_learned: bool
    """Whether the scores are a model's."""


class RowDraw(NamedTuple):
    """The order that was drawn."""

    ranked: Ranked
    surprisal_bits: float | None
    """Mean over positions of the surprisal of the row drawn; where the scores are a model's."""


class RowPolicy:
    """The configured policy of the surface ``rows``."""

    def __init__(self, config: Config) -> None:
        self._settings = config.surfaces.rows
        self._salt = config.surfaces.salt

    def share_of(self, who: str) -> Share:
        """Return the share that a viewer belongs to."""
        return sampling.share_of(self._salt, who, self._settings.holdout, self._settings.explore)

    def draw(
        self,
        rows: PageRows,
        rows_max: int | None,
        asker: Asker,
        share: Share,
        model: ServedModel | None,
    ) -> RowDraw:
        """Draw an order of the rows.

        Raises:
            ModelError: the model's scores are not finite.
        """
        if not rows.ids:
            return RowDraw(Ranked(np.zeros(0, np.intp), np.zeros(0)), None)
        lottery = self.lottery(rows, asker, share, model)
        uniforms = sampling.uniforms(self._key(asker), rows.keys)
        ranked = lottery.strategy.rank(lottery.scores, uniforms, lottery.pinned, rows_max)
        surprisal: float | None = None
        if lottery.is_learned:
            surprisal = float(-np.log2(ranked.propensities).mean())
        return RowDraw(ranked, surprisal)

    def lottery(
        self, rows: PageRows, asker: Asker, share: Share, model: ServedModel | None
    ) -> RowLottery:
        """Return how the rows are ordered.

        Raises:
            ModelError: the model's scores are not finite.
        """
        settings = self._settings
        online = settings.mode == "online"
        count = len(rows.ids)
        if online and share == "learned" and model is not None:
            groups: scoring.Groups = {
                CONTEXT: asker.context,
                ROW: rows.features,
                ID: rows.identity,
            }
            scores = scoring.scores(model.arrays.weights, model.shape, groups, count)
            check_scores(scores)
            return RowLottery(settings.exploration, scores, rows.pinned, is_learned=True)
        if (online and share == "explore") or settings.baseline == "uniform":
            return RowLottery(UniformOrder(), np.zeros(count), rows.pinned, is_learned=False)
        descending = -np.arange(count, dtype=np.float64)
        return RowLottery(GreedyOrder(), descending, rows.pinned, is_learned=False)

    def _key(self, asker: Asker) -> int:
        stickiness_s = self._settings.stickiness_s
        window = sampling.window_index(self._salt, asker.who, asker.now_us, stickiness_s)
        return sampling.draw_key(self._salt, "rows", asker.who, window)
