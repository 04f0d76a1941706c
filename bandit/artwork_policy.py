"""Which artwork each title shows: scores → probabilities → draw."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from bandit import sampling, scoring
from bandit.candidates import PageTitles
from bandit.config.schema import Config
from bandit.exploration import Greedy, Uniform
from bandit.feature_tables import Chosen
from bandit.features import ARTWORK, CONTEXT, ID, TITLE, Encoded, identities
from bandit.serving import Asker, ServedModel
from bandit.types import BoolArray, FloatArray, IndexArray, Share

_TINY: Final = np.float32(1e-30)


class ArtworkDraw(NamedTuple):
    """What was drawn for N titles."""

    chosen: IndexArray
    """Shape (N,): columns of the titles' artworks."""
    propensities: FloatArray
    """Shape (N,)."""
    greedy_match: float | None
    """In apprentice mode: how often the model would have chosen what the baseline did."""
    entropy_bits: float | None
    """Mean over titles of the entropy of the probabilities; in the learned share only."""


class ArtworkPolicy:
    """The configured policy of the surface ``artwork``."""

    def __init__(self, config: Config) -> None:
        self._settings = config.surfaces.artwork
        self._salt = config.surfaces.salt

    def share_of(self, who: str) -> Share:
        """Return the share that a viewer belongs to."""
        return sampling.share_of(self._salt, who, self._settings.holdout, self._settings.explore)

    def draw(
        self, titles: PageTitles, asker: Asker, share: Share, model: ServedModel | None
    ) -> ArtworkDraw:
        """Draw an artwork for each title.

        Raises:
            ModelError: the model's scores are not finite.
        """
        if not titles.ids:
            return ArtworkDraw(np.zeros(0, np.intp), np.zeros(0), None, None)
        match: float | None = None
        if self._settings.mode == "apprentice" and model is not None:
            scores, _ = score_titles(titles, asker.context, model, spreads=False)
            # The strategy says which is best, and refuses scores that are not finite.
            best = Greedy().pmf(scores, titles.eligible)
            match = float(best[:, 0].mean())
        pmf = self.pmf(titles, asker, share, model)
        chosen = sampling.choose(pmf, sampling.uniforms(self._key(asker), titles.keys))
        propensities = pmf[np.arange(len(chosen)), chosen]
        entropy = _mean_entropy_bits(pmf) if share == "learned" else None
        return ArtworkDraw(chosen, propensities, match, entropy)

    def pmf(
        self, titles: PageTitles, asker: Asker, share: Share, model: ServedModel | None
    ) -> FloatArray:
        """Return (N, K) the probability of each title's artworks.

        Raises:
            ModelError: the model's scores are not finite.
        """
        settings, eligible = self._settings, titles.eligible
        if not len(eligible):
            return np.zeros(eligible.shape)
        online = settings.mode == "online"
        learned = online and share == "learned"
        if learned and model is not None:
            wants = settings.exploration.needs_spreads
            scores, spreads = score_titles(titles, asker.context, model, spreads=wants)
            return settings.exploration.pmf(scores, eligible, spreads)
        if learned or (online and share == "explore") or settings.baseline == "uniform":
            return Uniform().pmf(np.zeros(eligible.shape), eligible)
        return _first(eligible)

    def _key(self, asker: Asker) -> int:
        stickiness_s = self._settings.stickiness_s
        window = sampling.window_index(self._salt, asker.who, asker.now_us, stickiness_s)
        return sampling.draw_key(self._salt, "artwork", asker.who, window)


def _first(eligible: BoolArray) -> FloatArray:
    pmf = np.zeros(eligible.shape)
    pmf[:, :1] = 1.0
    return pmf


def score_titles(
    titles: PageTitles, context: Encoded, model: ServedModel, *, spreads: bool
) -> tuple[FloatArray, FloatArray | None]:
    """Return (N, K) a model's scores of the titles' artworks, and where asked their spreads."""
    means, deviations = [], []
    for part in titles.parts:
        catalog = part.catalog
        groups: scoring.Groups = {
            CONTEXT: context,
            TITLE: Chosen(catalog.title_features, part.titles, part.counts),
            ARTWORK: Chosen(catalog.artwork_features, part.artworks),
            ID: identities(catalog.artwork_hashes.take(part.artworks)),
        }
        count = len(part.artworks)
        means.append(scoring.scores(model.arrays.weights, model.shape, groups, count))
        if spreads:
            variances = model.arrays.variances
            deviations.append(scoring.spreads(variances, model.shape, groups, count))
    return titles.in_columns(means), titles.in_columns(deviations) if spreads else None


def _mean_entropy_bits(pmf: FloatArray) -> float:
    # It is a metric: single precision is enough, and its logarithm costs a fifth.
    rounded = pmf.astype(np.float32).ravel()
    logs = np.log(np.maximum(rounded, _TINY))
    return float(rounded @ logs) / (-math.log(2) * len(pmf))
