"""Rounds of a run as logged data: what an exploring policy's log would hold, without a log.

::

    for round in run(environment, policy, seed):
        choices = logged_choices(environment, *round)
        rankings = logged_rankings(environment, *round)

One batch at a time, so that memory stays bounded however long the run is; ``share`` keeps a random
part of the displays where a run is to fit in memory as a whole.
"""

from __future__ import annotations

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.reward import RewardRule
from bandit.types import FloatArray, IndexArray
from simulator.errors import SimulationError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings, Names
from simulator.pages import Displays, Environment, Items, Pages, Served
from simulator.streams import KEPT, stream


def logged_choices(
    environment: Environment,
    pages: Pages,
    served: Served,
    displays: Displays,
    *,
    share: float = 1.0,
    seed: int = 0,
) -> LoggedChoices:
    """Return the displays of a batch as choices of artwork, n of them.

    Item codes are numbers of artworks over all titles; position is that of the display's row;
    rounds of one viewer are one cluster.

    Args:
        environment: what the batch comes from.
        pages: the batch.
        served: what was served.
        displays: what came of it.
        share: which part of the displays to keep, drawn from ``seed`` and the batch's number.
        seed: of that draw.

    Raises:
        SimulationError: the pages only order rows.
    """
    if not pages.titles.shape[2]:
        raise SimulationError(
            f"pages of {environment.name!r} hold no titles, so no artwork is chosen",
            hint="take its rankings instead",
        )
    kept = _kept(len(displays.page), share, stream(seed, KEPT, pages.first))
    page, position, column = displays.page[kept], displays.position[kept], displays.column[kept]
    row = served.order[page, position]
    table = candidate_table(environment.items)
    return LoggedChoices(
        action=served.artworks[page, row, column],
        reward=displays.reward[kept],
        propensity=served.artwork_propensities[page, row, column],
        action_count=table.shape[1],
        candidates=table[pages.titles[page, row, column]],
        position=position,
        context=pages.contexts[page],
        item_features=environment.items.artworks,
        cluster=pages.viewers[page],
        segment=pages.segments[page],
        names=_names(environment, artwork_names(environment.document)),
    )


def logged_rankings(
    environment: Environment, pages: Pages, served: Served, displays: Displays
) -> LoggedRankings:
    """Return the row orders of a batch, one a page.

    A position's reward is that of its row by the environment's rule; 0 where it was not seen.
    """
    shape = served.order.shape
    cell = displays.page.astype(np.int64) * shape[1] + displays.position
    reward, seen = np.zeros(shape), np.zeros(shape, np.bool_)
    if len(cell):
        starts = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
        reward.ravel()[cell[starts]] = _row_rewards(environment.rule, displays.reward, starts)
        seen.ravel()[cell[starts]] = True
    count = pages.rows.shape[1]
    alike = pages.rows.strides[0] == 0 and bool((pages.rows[0] == np.arange(count)).all())
    return LoggedRankings(
        items=served.order,
        propensity=served.order_propensities,
        reward=reward,
        item_count=count,
        candidates=None if alike else pages.rows,
        seen=seen,
        context=pages.contexts,
        item_features=environment.items.rows,
        cluster=pages.viewers,
        segment=pages.segments,
        names=_names(environment, [row.id for row in environment.document.rows]),
    )


def candidate_table(items: Items) -> CodeArray:
    """Return (titles, K): the numbers of each title's artworks, -1 behind the last."""
    offsets = items.artwork_offsets
    place = np.arange(int(np.diff(offsets).max()))
    codes = offsets[:-1, None] + place
    return np.where(codes < offsets[1:, None], codes, -1).astype(np.int32)


def artwork_names(document: CatalogDocument) -> list[str]:
    """Return names of all artworks, title after title."""
    return [f"{title.id}/{artwork.id}" for title in document.titles for artwork in title.artworks]


def _kept(count: int, share: float, random: np.random.Generator) -> slice | IndexArray:
    """Return which of so many displays to keep."""
    return np.flatnonzero(random.random(count) < share) if share < 1 else slice(None)


def _names(environment: Environment, items: list[str]) -> Names:
    return Names(
        items=items, contexts=environment.context_names, segments=environment.segment_names
    )


def _row_rewards(rule: RewardRule, rewards: FloatArray, starts: IndexArray) -> FloatArray:
    """Return the rewards of rows whose seen titles' rewards start at ``starts``."""
    if rule.row_aggregation == "max":
        return np.asarray(np.maximum.reduceat(rewards, starts))
    sums = np.add.reduceat(rewards, starts)
    if rule.row_aggregation == "sum":
        return np.asarray(np.minimum(1.0, sums))
    return np.asarray(sums / np.diff(np.append(starts, len(rewards))))
