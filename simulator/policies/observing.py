"""From displays to what each surface has to learn."""

from __future__ import annotations

import numpy as np

from bandit.reward import RewardRule
from bandit.types import FloatArray, IndexArray
from simulator.pages import Codes, Displays, Environment, Pages, Served
from simulator.policies.models import Asked, Observed, Problem


def asked_by(pages: Pages) -> Asked:
    """Return who asks for the pages of a batch."""
    return Asked(pages.contexts, pages.segments)


def problems_of(environment: Environment) -> tuple[Problem, Problem]:
    """Return what is known of artworks and of rows before a run."""
    contexts, segments = len(environment.context_names), len(environment.segment_names)
    items = environment.items
    return Problem(items.artworks, contexts, segments), Problem(items.rows, contexts, segments)


def artwork_sets(environment: Environment) -> Codes:
    """Return (titles, K) the item codes of each title's artworks, -1 for gaps."""
    offsets = environment.items.artwork_offsets
    counts = np.diff(offsets)
    place = np.arange(counts.max(initial=1))
    return np.where(place < counts[:, None], offsets[:-1, None] + place, -1).astype(np.int32)


def observed_artworks(pages: Pages, served: Served, displays: Displays, sets: Codes) -> Observed:
    """Return what each title seen earned with the artwork that it was shown with."""
    row = served.order[displays.page, displays.position]
    title = pages.titles[displays.page, row, displays.column]
    item = sets[title, served.artworks[displays.page, row, displays.column]]
    return Observed(asked_by(pages).take(displays.page), item, displays.reward)


def observed_rows(pages: Pages, served: Served, displays: Displays, rule: RewardRule) -> Observed:
    """Return what each row seen earned: as production has it, by the rule for rows."""
    place = displays.page.astype(np.intp) * served.order.shape[1] + displays.position
    order = np.argsort(place, kind="stable")
    distinct, starts = np.unique(place[order], return_index=True)
    page, position = np.divmod(distinct, served.order.shape[1])
    rewards = displays.reward
    if pages.titles.shape[2]:
        rewards = _row_rewards(displays.reward[order], starts, rule)
    else:
        rewards = displays.reward[order][starts]
    item = pages.rows[page, served.order[page, position]]
    return Observed(asked_by(pages).take(page.astype(np.int32)), item, rewards)


def _row_rewards(rewards: FloatArray, starts: IndexArray, rule: RewardRule) -> FloatArray:
    """Combine the rewards of each row's titles, as :meth:`RewardRule.row_reward` does."""
    if not len(starts):
        return np.zeros(0)
    if rule.row_aggregation == "max":
        return np.asarray(np.maximum.reduceat(rewards, starts))
    totals = np.add.reduceat(rewards, starts)
    if rule.row_aggregation == "sum":
        return np.asarray(np.minimum(1.0, totals))
    return np.asarray(totals / np.diff(np.append(starts, len(rewards))))
