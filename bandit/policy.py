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

Where the time goes, for 240 titles × 8 artworks in 40 rows with 20 context features, in µs on a
machine busy with other work, where the form without tables took 1,700: scores of artworks 105,
their probabilities, draw and entropy 75, scores and order of rows 100, titles found 50, the record
with its 280 choices 50, all else 60; 440 in all. No call takes more than a fortieth of it. It is
some 200 NumPy calls on short arrays and as many of Python, each half as dear in a loop of its own
as here, where it finds the caches cold; sums over features are a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np

from bandit import features
from bandit.artwork_policy import ArtworkDraw, ArtworkPolicy
from bandit.candidates import (
    PageTitles,
    check_known,
    collect_rows,
    collect_titles,
    inline_titles,
    known_titles,
    row_choices,
    rows_of,
    titles_of,
)
from bandit.config.schema import Config
from bandit.events import DecisionRecord, InlineRow
from bandit.limits import check_artworks, check_features, check_title
from bandit.row_policy import RowLottery, RowPolicy
from bandit.serving import Asker, ServedModel, Serving, with_model
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

__all__ = ["Decision", "LoggedArtworks", "Policy", "RowLottery", "ServedModel", "Serving"]


class Decision(NamedTuple):
    """A decision to log and to answer, and what there is to say about how it was made."""

    record: DecisionRecord
    entropy_bits: dict[Surface, float]
    """Mean over titles of the entropy of the probabilities, and over positions of the surprisal of
    the row drawn; learned share only."""
    unusable: list[Surface]
    """Surfaces whose model gave no finite scores for this page."""


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


class Policy:
    """The configured policy of both surfaces."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._artworks = ArtworkPolicy(config)
        self._rows = RowPolicy(config)
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
            "artwork": self._artworks.share_of(asker.who),
            "rows": self._rows.share_of(asker.who),
        }
        usable = dict(serving.models)
        rows = collect_rows(page.rows, serving.catalog)
        rank = partial(self._rows.draw, rows, page.max_rows, asker, shares["rows"])
        ranked, surprisal = with_model("rows", usable, rank)
        shelves = [page.rows[index].titles for index in ranked.order.tolist()]
        asked = [*chain.from_iterable(shelves), *page.titles]
        titles = collect_titles(asked, inline, serving.catalog)
        if titles.omitted and not titles.ids:
            check_known(page, inline, serving.catalog)
        check_artworks(titles.artworks, self._config.limits.page_artworks_max)
        draw = partial(self._artworks.draw, titles, asker, shares["artwork"])
        drawn = with_model("artwork", usable, draw)
        record = DecisionRecord(
            decision_id=decision_id,
            decided_at_us=now_us,
            body_digest=body_digest,
            catalog=serving.catalog.version,
            policy=self.name,
            shares=shares,
            titles=_title_choices(titles, drawn),
            rows=row_choices(page, ranked, rows.pinned, titles),
            row_candidates=rows.ids,
            pins={rows.ids[index]: position for position, index in rows.pinned.items()},
            context=context,
            viewer_id=page.viewer_id,
            snapshots={name: model.version for name, model in usable.items()},
            inline_titles=titles.inline,
            inline_rows=[InlineRow(name, given) for name, given in rows.inline.items()],
            greedy_match=drawn.greedy_match,
            deferred=deferred,
            loose_titles=known_titles([page.titles], titles)[0],
            omitted=titles.omitted,
            line=serving.line,
        )
        unusable = [name for name in serving.models if name not in usable]
        bits: dict[Surface, float | None] = {"rows": surprisal, "artwork": drawn.entropy_bits}
        entropy = {name: value for name, value in bits.items() if value is not None}
        return Decision(record, entropy, unusable)

    def artwork_pmf(self, record: DecisionRecord, serving: Serving) -> LoggedArtworks:
        """Return the probabilities that this policy gives to the artworks of a logged decision.

        They are those that :meth:`decide` would draw from for the same page, whoever decided it.
        ``serving`` must hold the catalog that the record names; what it does not hold is left out.
        """
        titles = titles_of(record, serving.catalog)
        asker = self._logged_asker(record)
        pmf = partial(self._artworks.pmf, titles, asker, self._artworks.share_of(asker.who))
        artwork_of = {choice.title: choice.artwork for choice in record.titles}
        return LoggedArtworks(
            titles.ids,
            with_model("artwork", dict(serving.models), pmf),
            titles.eligible,
            titles.columns([artwork_of[title] for title in titles.ids]),
        )

    def row_lottery(self, record: DecisionRecord, serving: Serving) -> RowLottery:
        """Return how this policy would order the candidate rows of a logged decision."""
        rows = rows_of(record, serving.catalog)
        asker = self._logged_asker(record)
        lottery = partial(self._rows.lottery, rows, asker, self._rows.share_of(asker.who))
        return with_model("rows", dict(serving.models), lottery)

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
        used = context
        if self._deny or self._allow is not None:
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


def _title_choices(titles: PageTitles, draw: ArtworkDraw) -> list[TitleChoice]:
    names = titles.artwork_ids(draw.chosen)
    return list(map(TitleChoice, titles.ids, names, draw.propensities.tolist()))
