"""From outcomes to rounds: seen titles as single choices, pages of rows as rankings.

What was seen and what it earned follow the configuration's exposure and reward rule, by the same
functions that the learner uses.

Rounds that were decided *without chance* although there was a choice (the holdout's baseline, the
cold order of rows, a greedy strategy) are left out unless they are asked for: their propensity is 1
and says nothing of the other choices, and every estimator that weighs by propensities would take
all that a target does otherwise on them for nothing. Whether chance decided depends on the page and
the share alone, never on what was drawn, so that leaving them out biases nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.events import DecisionRecord
from bandit.exposure import Exposure, Seen, seen
from bandit.joiner import Outcome
from bandit.reward import RewardRule
from bandit.types import Surface
from simulator.datasets.packed_records import PackedRecords
from simulator.datasets.page_items import ActionSet, ArtworkItems, ItemTable
from simulator.datasets.page_scan import segment_of
from simulator.datasets.seen_ids import stable_hash
from simulator.datasets.vocabulary import Columns, tokens_of
from simulator.logged import DecisionOrigin, LoggedChoices, LoggedRankings, Names


class Pages(NamedTuple):
    """What turns pages into rounds."""

    rule: RewardRule
    exposure: Mapping[Surface, Exposure]
    contexts: Columns
    segments: Sequence[str]
    segment: str | None
    artworks: ArtworkItems
    rows: ItemTable
    row_codes: Mapping[str, int]
    longest: int
    """L: positions of the longest page."""
    most_rows: int
    """R: candidates of the page that has most."""
    keep_certain: bool
    catalogs: Mapping[str, CatalogDocument]
    """By the version that decisions name."""


class _Choice(NamedTuple):
    page: int
    title: int
    action: int
    reward: float
    propensity: float
    position: int
    offered: ActionSet


def choices_of(pages: Pages, outcomes: Sequence[Outcome]) -> LoggedChoices:
    """Return a round for each seen title whose artworks are known."""
    found = [
        choice
        for page, outcome in enumerate(outcomes)
        for choice in _choices_on(pages, page, outcome)
    ]
    decisions = [outcome.decision for outcome in outcomes]
    candidates = np.full((len(found), pages.artworks.largest), -1, np.int32)
    for number, choice in enumerate(found):
        candidates[number, : len(choice.offered.codes)] = choice.offered.codes
    of_page = np.array([choice.page for choice in found], np.int32)
    return LoggedChoices(
        action=np.array([choice.action for choice in found], np.int32),
        reward=np.array([choice.reward for choice in found], np.float64),
        propensity=np.array([choice.propensity for choice in found], np.float64),
        action_count=pages.artworks.largest,
        candidates=candidates,
        position=np.array([choice.position for choice in found], np.int32),
        item_features=pages.artworks.table.features,
        names=_names(pages, pages.artworks.table),
        origin=DecisionOrigin(
            PackedRecords.pack(decisions),
            of_page,
            np.array([choice.title for choice in found], np.int32),
            pages.catalogs,
        ),
        **_page_columns(pages, decisions, "artwork", of_page),
    )


def _choices_on(pages: Pages, number: int, outcome: Outcome) -> Iterable[_Choice]:
    decision = outcome.decision
    found = seen(decision, outcome.events, pages.exposure["artwork"])
    positions = _positions(decision)
    for index, choice in enumerate(decision.titles):
        events = found.titles.get(choice.title)
        if events is None:
            continue
        offered = pages.artworks.of(decision, choice.title)
        if offered is None or choice.artwork not in offered.artworks:
            continue
        if choice.propensity == 1 and len(offered.artworks) > 1 and not pages.keep_certain:
            continue
        yield _Choice(
            page=number,
            title=index,
            action=offered.artworks.index(choice.artwork),
            reward=pages.rule.reward(events),
            propensity=choice.propensity,
            position=positions.get(choice.title, len(decision.rows)),
            offered=offered,
        )


def _positions(decision: DecisionRecord) -> dict[str, int]:
    """Return the position of the first row that holds each title."""
    positions: dict[str, int] = {}
    for row in decision.rows:
        for title in row.titles:
            positions.setdefault(title, row.position)
    return positions


def rankings_of(pages: Pages, outcomes: Sequence[Outcome]) -> LoggedRankings:
    """Return a round for each page that has rows."""
    taken = [
        outcome
        for outcome in outcomes
        if outcome.decision.rows
        and (pages.keep_certain or not ordered_without_chance(outcome.decision))
    ]
    decisions = [outcome.decision for outcome in taken]
    shape = (len(taken), pages.longest)
    items = np.full(shape, -1, np.int32)
    propensity, reward = np.ones(shape), np.zeros(shape)
    looked_at = np.zeros(shape, np.bool_)
    candidates = np.full((len(taken), pages.most_rows), -1, np.int32)
    for number, outcome in enumerate(taken):
        asked = outcome.decision.row_candidates
        candidates[number, : len(asked)] = [pages.row_codes[name] for name in asked]
        place_of = {name: place for place, name in enumerate(asked)}
        found = seen(outcome.decision, outcome.events, pages.exposure["rows"])
        for at, row in enumerate(outcome.decision.rows):
            items[number, at] = place_of[row.id]
            propensity[number, at] = row.propensity
            if at in found.rows:
                looked_at[number, at] = True
                reward[number, at] = _row_reward(pages.rule, found, at)
    every = np.arange(len(taken), dtype=np.int32)
    return LoggedRankings(
        items=items,
        propensity=propensity,
        reward=reward,
        item_count=pages.most_rows,
        candidates=candidates,
        seen=looked_at,
        item_features=pages.rows.features,
        names=_names(pages, pages.rows),
        origin=DecisionOrigin(
            PackedRecords.pack(decisions), every, np.full_like(every, -1), pages.catalogs
        ),
        **_page_columns(pages, decisions, "rows", every),
    )


def _row_reward(rule: RewardRule, found: Seen, row: int) -> float:
    return rule.row_reward([rule.reward(events) for events in found.rows[row].values()])


def ordered_without_chance(decision: DecisionRecord) -> bool:
    """Tell whether the rows' order was certain although more than one could stand somewhere."""
    free = [row for row in decision.rows if not row.pinned]
    open_rows = len(decision.row_candidates) - len(decision.pins)
    return open_rows > 1 and bool(free) and all(row.propensity == 1 for row in free)


def _page_columns(
    pages: Pages, decisions: Sequence[DecisionRecord], surface: Surface, of_page: Any
) -> dict[str, Any]:
    """Return what goes by page: context, viewer and segment, spread over the rounds."""
    context = pages.contexts.encode([tokens_of(decision.context) for decision in decisions])
    viewers = [stable_hash(decision.viewer_id or decision.decision_id) for decision in decisions]
    segments = [segment_of(decision, pages.segment, surface) for decision in decisions]
    codes = np.searchsorted(pages.segments, segments) if segments else np.empty(0)
    return {
        "context": context[of_page],
        "cluster": np.array(viewers, np.int64)[of_page],
        "segment": codes.astype(np.int32)[of_page],
    }


def _names(pages: Pages, table: ItemTable) -> Names:
    return Names(
        items=table.names,
        contexts=pages.contexts.names,
        features=table.columns.names,
        segments=pages.segments,
    )
