"""From a page to a decision: features → scores → probabilities → draw. It never learns.

A policy is a pure function of the page, the instant, and what is being served (one catalog and at
most one model a surface, bundled in :class:`Serving` so that a decision names exactly one version
of each). Draws are hashed, not random: the same page within one stickiness window under the same
:class:`Serving` gives the same decision.

Who is asked decides first: the *holdout* share of viewers gets the baseline, the *explore* share
uniform choices, everybody else what was learned. A surface without a model yet is served by the
*cold policy*, uniform over artworks (so that exploration starts with the first request) and, for
rows, the order asked, which is the best that is known. A model whose scores of a page are not
finite, as large weights times large features may be, is of no use for that page: the cold policy
serves the surface, and the decision does not name the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from bandit import features, sampling, scoring
from bandit.candidates import (
    PageRows,
    PageTitles,
    check_known,
    collect_rows,
    collect_titles,
    inline_titles,
    loose_titles,
    row_choices,
    rows_of,
    titles_of,
)
from bandit.catalog import Catalog
from bandit.config.schema import Config
from bandit.engine import ModelArrays
from bandit.errors import ModelError
from bandit.events import DecisionRecord, InlineRow
from bandit.exploration import Greedy, Uniform
from bandit.features import Encoded, FeatureMatrix
from bandit.limits import check_artworks, check_features, check_title
from bandit.ranking import GreedyOrder, Ranked, RankingStrategy, UniformOrder, check_scores
from bandit.types import (
    BoolArray,
    Features,
    FloatArray,
    IndexArray,
    Page,
    Share,
    Surface,
    Title,
    TitleChoice,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A verified snapshot, ready to score."""

    version: str
    shape: scoring.ModelShape
    arrays: ModelArrays
    created_at_us: int = 0


@dataclass(frozen=True, slots=True)
class Serving:
    """What decisions are made from: swapped as a whole, between requests."""

    catalog: Catalog
    models: Mapping[Surface, ServedModel] = field(default_factory=dict)


class Asker(NamedTuple):
    """Whose page it is, and how draws for it are keyed."""

    who: str
    """The viewer, or the decision where no viewer is known."""
    now_us: int
    context: Encoded


class Decision(NamedTuple):
    """A decision to log and to answer, and what there is to say about how it was made."""

    record: DecisionRecord
    entropy_bits: dict[Surface, float]
    """Mean over titles of the entropy of the probabilities, and over positions of the surprisal of
    the row drawn; learned share only."""
    unusable: list[Surface]
    """Surfaces whose model gave no finite scores for this page."""


class ArtworkDraw(NamedTuple):
    """What was drawn for N titles."""

    chosen: IndexArray
    """Shape (N,): columns of the titles' artworks."""
    propensities: FloatArray
    """Shape (N,)."""
    greedy_match: float | None
    """In apprentice mode: how often the model would have chosen what the baseline did."""


class LoggedArtworks(NamedTuple):
    """What a policy makes of the N titles of a logged decision, in the record's order."""

    titles: list[str]
    """Those that the catalog, or the record itself, holds."""
    pmf: FloatArray
    """Shape (N, K): the probability of each artwork, in the title's order."""
    eligible: BoolArray
    """Shape (N, K): which columns hold an artwork of the title."""
    logged: IndexArray
    """Shape (N,): the columns of what was shown, -1 for what is unknown."""


class RowLottery(NamedTuple):
    """How a policy orders R rows: the strategy, and what it goes by."""

    strategy: RankingStrategy
    scores: FloatArray
    """Shape (R,)."""
    pinned: Mapping[int, int]
    is_learned: bool
    """Whether the scores are a model's."""


class Policy:
    """The configured policy of both surfaces."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._salt = config.surfaces.salt
        self._allow = None if config.context.allow is None else frozenset(config.context.allow)
        self._deny = frozenset(config.context.deny)
        tags = [config.surfaces.artwork.exploration, config.surfaces.rows.exploration]
        self.name = "+".join(str(tag.__struct_config__.tag) for tag in tags)

    def decide(
        self,
        page: Page,
        *,
        decision_id: str,
        now_us: int,
        serving: Serving,
        body_digest: bytes = b"",
        deferred: bool = False,
    ) -> Decision:
        """Decide one page.

        Raises:
            PageError: the page cannot be decided as it stands; names the field and the mend.
        """
        context = self._used_context(page.context)
        inline = inline_titles(page)
        self._check_inline(page, inline)
        asker = Asker(
            page.viewer_id or decision_id, now_us, features.encode(features.CONTEXT, context)
        )
        shares: dict[Surface, Share] = {
            "artwork": self._share("artwork", asker.who),
            "rows": self._share("rows", asker.who),
        }
        entropy: dict[Surface, float] = {}
        usable = dict(serving.models)
        rows = collect_rows(page.rows, serving.catalog)
        rank = partial(self._rank, rows, page.max_rows, asker, shares["rows"], entropy)
        ranked = _with_model("rows", usable, rank)
        asked = [title for index in ranked.order for title in page.rows[index].titles]
        titles = collect_titles([*asked, *page.titles], inline, serving.catalog)
        if titles.omitted and not titles.ids:
            check_known(page, inline, serving.catalog)
        check_artworks(int(titles.eligible.sum()), self._config.limits.page_artworks_max)
        draw = partial(self._draw, titles, asker, shares["artwork"], entropy)
        drawn = _with_model("artwork", usable, draw)
        known = set(titles.ids)
        record = DecisionRecord(
            decision_id=decision_id,
            decided_at_us=now_us,
            body_digest=body_digest,
            catalog=serving.catalog.version,
            policy=self.name,
            shares=shares,
            titles=_title_choices(titles, drawn),
            rows=row_choices(page, ranked, rows.pinned, known),
            row_candidates=rows.ids,
            pins={rows.ids[index]: position for position, index in rows.pinned.items()},
            context=context,
            viewer_id=page.viewer_id,
            snapshots={name: model.version for name, model in usable.items()},
            inline_titles=titles.inline,
            inline_rows=[InlineRow(name, given) for name, given in rows.inline.items()],
            greedy_match=drawn.greedy_match,
            deferred=deferred,
            loose_titles=loose_titles(page, known),
            omitted=titles.omitted,
        )
        unusable = [name for name in serving.models if name not in usable]
        return Decision(record, entropy, unusable)

    def artwork_pmf(self, record: DecisionRecord, serving: Serving) -> LoggedArtworks:
        """Return the probabilities that this policy gives to the artworks of a logged decision.

        They are those that :meth:`decide` would draw from for the same page, whoever decided it.
        ``serving`` must hold the catalog that the record names; what it does not hold is left out.
        """
        titles = titles_of(record, serving.catalog)
        asker = self._logged_asker(record)
        share = self._share("artwork", asker.who)
        pmf = partial(self._artwork_pmf, titles, asker, share)
        artwork_of = {choice.title: choice.artwork for choice in record.titles}
        return LoggedArtworks(
            titles.ids,
            _with_model("artwork", dict(serving.models), pmf),
            titles.eligible,
            titles.columns([artwork_of[title] for title in titles.ids]),
        )

    def row_lottery(self, record: DecisionRecord, serving: Serving) -> RowLottery:
        """Return how this policy would order the candidate rows of a logged decision."""
        rows = rows_of(record, serving.catalog)
        asker = self._logged_asker(record)
        share = self._share("rows", asker.who)
        return _with_model("rows", dict(serving.models), partial(self._lottery, rows, asker, share))

    def row_propensities(self, record: DecisionRecord, serving: Serving) -> FloatArray:
        """Return (L,) the propensities that this policy gives to the order of a logged decision.

        Each is that of the row at its place, given the rows above it.
        """
        lottery = self.row_lottery(record, serving)
        place = {name: index for index, name in enumerate(record.row_candidates)}
        order = np.array([place[row.id] for row in record.rows], np.intp)
        return lottery.strategy.conditional_propensities(lottery.scores, order, lottery.pinned)

    def _logged_asker(self, record: DecisionRecord) -> Asker:
        context = features.encode(features.CONTEXT, self._used_context(record.context))
        return Asker(record.viewer_id or record.decision_id, record.decided_at_us, context)

    def _used_context(self, context: Features) -> Features:
        used = {
            name: value
            for name, value in context.items()
            if name not in self._deny and (self._allow is None or name in self._allow)
        }
        check_features(used, "context", self._config.limits.context_features_max)
        return used

    def _check_inline(self, page: Page, inline: Mapping[str, Title]) -> None:
        most = self._config.limits.item_features_max
        for index, row in enumerate(page.rows):
            if row.features:
                check_features(row.features, f"rows[{index}].features", most)
        for title in inline.values():
            check_title(title, most)

    def _share(self, surface: Surface, who: str) -> Share:
        settings = getattr(self._config.surfaces, surface)
        return sampling.share_of(self._salt, who, settings.holdout, settings.explore)

    def _key(self, surface: Surface, asker: Asker) -> int:
        stickiness_s = getattr(self._config.surfaces, surface).stickiness_s
        window = sampling.window_index(self._salt, asker.who, asker.now_us, stickiness_s)
        return sampling.draw_key(self._salt, surface, asker.who, window)

    def _rank(
        self,
        rows: PageRows,
        rows_max: int | None,
        asker: Asker,
        share: Share,
        entropy: dict[Surface, float],
        model: ServedModel | None,
    ) -> Ranked:
        lottery = self._lottery(rows, asker, share, model)
        uniforms = sampling.uniforms(self._key("rows", asker), rows.keys)
        ranked = lottery.strategy.rank(lottery.scores, uniforms, lottery.pinned, rows_max)
        if lottery.is_learned and len(ranked.propensities):
            entropy["rows"] = float(-np.log2(ranked.propensities).mean())
        return ranked

    def _lottery(
        self, rows: PageRows, asker: Asker, share: Share, model: ServedModel | None
    ) -> RowLottery:
        settings = self._config.surfaces.rows
        online = settings.mode == "online"
        count = len(rows.ids)
        if online and share == "learned" and model is not None:
            groups: dict[str, Encoded | FeatureMatrix] = {
                features.CONTEXT: asker.context,
                features.ROW: rows.features,
                features.ID: rows.identity,
            }
            scores = scoring.scores(model.arrays.weights, model.shape, groups, count)
            check_scores(scores)
            return RowLottery(settings.exploration, scores, rows.pinned, is_learned=True)
        if (online and share == "explore") or settings.baseline == "uniform":
            return RowLottery(UniformOrder(), np.zeros(count), rows.pinned, is_learned=False)
        descending = -np.arange(count, dtype=np.float64)
        return RowLottery(GreedyOrder(), descending, rows.pinned, is_learned=False)

    def _draw(
        self,
        titles: PageTitles,
        asker: Asker,
        share: Share,
        entropy: dict[Surface, float],
        model: ServedModel | None,
    ) -> ArtworkDraw:
        if not titles.ids:
            return ArtworkDraw(np.zeros(0, np.intp), np.zeros(0), None)
        settings = self._config.surfaces.artwork
        match: float | None = None
        if settings.mode == "apprentice" and model is not None:
            scores, _ = _artwork_scores(titles, asker.context, model, spreads=False)
            # The strategy says which is best, and refuses scores that are not finite.
            best = Greedy().pmf(scores, titles.eligible)
            match = float(best[:, 0].mean())
        pmf = self._artwork_pmf(titles, asker, share, model)
        chosen = sampling.choose(pmf, sampling.uniforms(self._key("artwork", asker), titles.keys))
        propensities = np.take_along_axis(pmf, chosen[:, None], 1)[:, 0]
        if share == "learned":
            entropy["artwork"] = _mean_entropy_bits(pmf)
        return ArtworkDraw(chosen, propensities, match)

    def _artwork_pmf(
        self, titles: PageTitles, asker: Asker, share: Share, model: ServedModel | None
    ) -> FloatArray:
        settings = self._config.surfaces.artwork
        eligible = titles.eligible
        if not len(eligible):
            return np.zeros(eligible.shape)
        online = settings.mode == "online"
        learned = online and share == "learned"
        if learned and model is not None:
            wants = settings.exploration.needs_spreads
            scores, spreads = _artwork_scores(titles, asker.context, model, spreads=wants)
            return settings.exploration.pmf(scores, eligible, spreads)
        if learned or (online and share == "explore") or settings.baseline == "uniform":
            return Uniform().pmf(np.zeros(eligible.shape), eligible)
        return _first(eligible)


def _with_model(
    surface: Surface, usable: dict[Surface, ServedModel], attempt: Callable[[ServedModel | None], T]
) -> T:
    """Return an attempt's outcome; without the model, and so told, where its scores are no use."""
    model = usable.get(surface)
    if model is not None:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return attempt(model)
        except ModelError:
            del usable[surface]
    return attempt(None)


def _first(eligible: BoolArray) -> FloatArray:
    pmf = np.zeros(eligible.shape)
    pmf[:, :1] = 1.0
    return pmf


def _artwork_scores(
    titles: PageTitles, context: Encoded, model: ServedModel, *, spreads: bool
) -> tuple[FloatArray, FloatArray | None]:
    scored = np.zeros(titles.eligible.shape)
    spread = np.zeros(titles.eligible.shape) if spreads else None
    for part in titles.parts:
        catalog = part.catalog
        groups: dict[str, Encoded | FeatureMatrix] = {
            features.CONTEXT: context,
            features.TITLE: catalog.title_features.take(part.title_of_artwork),
            features.ARTWORK: catalog.artwork_features.take(part.artworks),
            features.ID: catalog.artwork_identity.take(part.artworks),
        }
        count = len(part.artworks)
        flat = scoring.scores(model.arrays.weights, model.shape, groups, count)
        titles.spread_out(part, flat, scored)
        if spread is not None:
            flat = scoring.spreads(model.arrays.variances, model.shape, groups, count)
            titles.spread_out(part, flat, spread)
    return scored, spread


def _mean_entropy_bits(pmf: FloatArray) -> float:
    logs = np.log2(pmf, where=pmf > 0, out=np.zeros(pmf.shape))
    return float(-(pmf * logs).sum() / len(pmf))


def _title_choices(titles: PageTitles, draw: ArtworkDraw) -> list[TitleChoice]:
    names = titles.artwork_ids(draw.chosen)
    return list(map(TitleChoice, titles.ids, names, draw.propensities.tolist()))
