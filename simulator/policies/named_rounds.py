"""Rounds as production decisions: those that they come from, or the same things by their names.

Rounds read from production's own log know their decisions. Others, from an environment or a file,
are told as production would be asked: the context's columns by their names, each set of actions as
a title, each action as an artwork with its features' columns by their names (or, of rankings, as a
row). Columns that are 0 say nothing and are left out. An action named ``title/artwork`` is taken
apart into both, so that it is the same thing under either name; an action that stands in several
sets is another artwork in each, since production knows an artwork by its title.

Neighbouring rounds with one context are one decision, as the titles of a page are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.events import DecisionRecord
from bandit.sampling import item_key
from bandit.types import Artwork, Features, Row, RowChoice, Share, Surface, Title, TitleChoice
from simulator.logged import CodeArray, DecisionOrigin, LoggedChoices, LoggedRankings

NAMED_VERSION: Final = "named"
"""The catalog version of items told by their names."""

_SHARES: Final[dict[Surface, Share]] = {"artwork": "learned", "rows": "learned"}


def origin_of(logged: LoggedChoices | LoggedRankings) -> DecisionOrigin:
    """Return the decisions that rounds come from, or make them by names."""
    if logged.origin is not None:
        return logged.origin
    if isinstance(logged, LoggedChoices):
        return _of_choices(logged)
    return _of_rankings(logged)


def _of_choices(logged: LoggedChoices) -> DecisionOrigin:
    if logged.candidates is None:
        sets = np.arange(logged.action_count, dtype=np.int32)[None]
        set_of = np.zeros(len(logged), np.intp)
    else:
        sets, set_of = np.unique(logged.candidates, axis=0, return_inverse=True)
        set_of = set_of.reshape(-1)
    titles = _titles(sets, logged)
    records: list[DecisionRecord] = []
    record_of, title_of = np.zeros(len(logged), np.int32), np.zeros(len(logged), np.int32)
    for rounds in _pages(logged, set_of.tolist()):
        choices = []
        for place, number in enumerate(rounds):
            title = titles[int(set_of[number])]
            shown = title.artworks[int(logged.action[number])].id
            choices.append(TitleChoice(title.id, shown, float(logged.propensity[number])))
            record_of[number], title_of[number] = len(records), place
        names = [choice.title for choice in choices]
        records.append(_record(logged, rounds[0], len(records), titles=choices, loose=names))
    return DecisionOrigin(records, record_of, title_of, {NAMED_VERSION: CatalogDocument(titles)})


def _of_rankings(logged: LoggedRankings) -> DecisionOrigin:
    every = np.arange(logged.item_count, dtype=np.int32)
    features = _item_features(logged)
    names = [_item_name(logged, code) for code in range(len(features))]
    records = []
    for number in range(len(logged)):
        codes = every if logged.candidates is None else logged.candidates[number]
        asked = [names[code] for code in codes.tolist() if code >= 0]
        order = [place for place in logged.items[number].tolist() if place >= 0]
        rows = [
            RowChoice(asked[place], at, float(logged.propensity[number, at]), False, [])
            for at, place in enumerate(order)
        ]
        records.append(_record(logged, number, number, rows=rows, asked=asked))
    document = CatalogDocument([], [Row(*pair) for pair in zip(names, features, strict=True)])
    indices = np.arange(len(logged), dtype=np.int32)
    return DecisionOrigin(
        records, indices, np.full(len(logged), -1, np.int32), {NAMED_VERSION: document}
    )


def _record(
    logged: LoggedChoices | LoggedRankings,
    number: int,
    decision: int,
    *,
    titles: Sequence[TitleChoice] = (),
    loose: Sequence[str] = (),
    rows: Sequence[RowChoice] = (),
    asked: Sequence[str] = (),
) -> DecisionRecord:
    viewer = None if logged.cluster is None else f"v{logged.cluster[number]}"
    return DecisionRecord(
        decision_id=f"d{decision}",
        decided_at_us=0,
        body_digest=b"",
        catalog=NAMED_VERSION,
        policy="named",
        shares=dict(_SHARES),
        titles=list(titles),
        rows=list(rows),
        row_candidates=list(asked),
        context=_context(logged, number),
        viewer_id=viewer,
        loose_titles=list(loose),
    )


def _pages(logged: LoggedChoices, set_of: Sequence[int]) -> Iterator[list[int]]:
    """Yield neighbouring rounds with one context, viewer, and no set twice."""
    count = len(logged)
    begins = np.zeros(count, np.bool_)
    for column in (logged.context, logged.cluster):
        if column is not None and count:
            differs = column[1:] != column[:-1]
            begins[1:] |= differs.any(axis=1) if differs.ndim > 1 else differs
    page: list[int] = []
    held: set[int] = set()
    for number, begin in enumerate(begins.tolist()):
        if page and (begin or set_of[number] in held):
            yield page
            page, held = [], set()
        page.append(number)
        held.add(set_of[number])
    if page:
        yield page


def _titles(sets: CodeArray, logged: LoggedChoices) -> list[Title]:
    features = _item_features(logged)
    taken: set[str] = set()
    titles = []
    for codes in sets.tolist():
        present = [code for code in codes if code >= 0]
        names = [_item_name(logged, code) for code in present]
        heads = {name.rpartition("/")[0] for name in names}
        head = heads.pop() if len(heads) == 1 else ""
        title = head
        if not head or head in taken:
            # Told by what it holds, so that it is the same title in every part of the log.
            title = f"{head or 'set'}@{item_key('/'.join(names)):016x}"
        taken.add(title)
        artworks = [
            Artwork(name.removeprefix(f"{head}/") if head else name, features[code])
            for name, code in zip(names, present, strict=True)
        ]
        titles.append(Title(title, artworks))
    return titles


def _item_name(logged: LoggedChoices | LoggedRankings, code: int) -> str:
    names = logged.names.items
    return names[code] if code < len(names) else f"item{code}"


def _item_features(logged: LoggedChoices | LoggedRankings) -> list[Features]:
    count = logged.action_count if isinstance(logged, LoggedChoices) else logged.item_count
    if logged.candidates is not None:
        count = int(logged.candidates.max(initial=-1)) + 1
    if logged.item_features is None:
        return [{} for _ in range(count)]
    names = logged.names.features
    return [_named(row, names) for row in logged.item_features.tolist()[:count]]


def _context(logged: LoggedChoices | LoggedRankings, number: int) -> Features:
    if logged.context is None:
        return {}
    return _named(logged.context[number].tolist(), logged.names.contexts)


def _named(values: Sequence[float], names: Sequence[str]) -> Features:
    known = list(names) + [f"f{index}" for index in range(len(names), len(values))]
    return {name: value for name, value in zip(known, values, strict=True) if value}
