"""From a page's ids to arrays: which titles and rows are asked for, and where their features are.

Titles and rows come from the catalog or stand in the request itself; the latter are built into a
small catalog of their own, so that both are scored by the same code. A title that is in neither is
left out and named, so that one withdrawn title never takes a page down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple, cast

import numpy as np

from bandit.catalog import INLINE_VERSION, Catalog, CatalogDocument
from bandit.errors import PageError, UnknownItemError
from bandit.events import DecisionRecord
from bandit.feature_tables import Chosen
from bandit.features import (
    EMPTY,
    ROW,
    Encoded,
    FeatureMatrix,
    encode,
    encode_id,
    identities,
    stack,
)
from bandit.ranking import Ranked
from bandit.sampling import item_keys
from bandit.types import (
    BoolArray,
    Features,
    FloatArray,
    IndexArray,
    KeyArray,
    Page,
    PageRow,
    RowChoice,
    Title,
)


class Part(NamedTuple):
    """The titles of a page that come from one catalog, n of them."""

    catalog: Catalog
    titles: IndexArray
    """Shape (n,): indices into the catalog."""
    places: IndexArray | None
    """Shape (n,): indices into the page's titles; None where these are all of them."""
    first: IndexArray
    """Shape (n,): the index of each title's first artwork."""
    counts: int | IndexArray
    """How many artworks a title has: each, or (n,) one by one."""
    artworks: IndexArray
    """Shape (m,): indices of all their artworks, title after title."""


class PageTitles(NamedTuple):
    """The distinct titles of a page, N of them with up to K artworks each."""

    ids: list[str]
    keys: KeyArray
    """Shape (N,): sampling keys."""
    eligible: BoolArray
    """Shape (N, K): which columns hold an artwork of the title."""
    parts: list[Part]
    inline: list[Title]
    omitted: list[str]
    """Titles asked for that are neither in the catalog nor inline."""

    @property
    def artworks(self) -> int:
        """How many artworks all titles have."""
        return sum(len(part.artworks) for part in self.parts)

    def in_columns(self, flat: Sequence[FloatArray]) -> FloatArray:
        """Return (N, K) values from those of each part's artworks; 0 where there is no artwork."""
        if len(flat) == 1 and flat[0].size == self.eligible.size:
            return flat[0].reshape(self.eligible.shape)
        columns = np.zeros(self.eligible.shape)
        for part, values in zip(self.parts, flat, strict=True):
            if part.places is None:
                columns[self.eligible] = values
            else:
                block = np.zeros((len(part.titles), self.eligible.shape[1]))
                block[self.eligible[part.places]] = values
                columns[part.places] = block
        return columns

    def artwork_ids(self, chosen: IndexArray) -> list[str]:
        """Return the ids of the artworks in columns ``chosen``, shape (N,)."""
        names = [""] * len(self.ids)
        for part in self.parts:
            if part.places is None:
                return part.catalog.artwork_ids.take(part.first + chosen)
            served = part.catalog.artwork_ids.take(part.first + chosen[part.places])
            for place, name in zip(part.places.tolist(), served, strict=True):
                names[place] = name
        return names

    def columns(self, artworks: Sequence[str]) -> IndexArray:
        """Return (N,) the columns of the titles' artworks of these ids, -1 for what is unknown."""
        columns = np.full(len(self.ids), -1, np.intp)
        for part in self.parts:
            places = range(len(self.ids)) if part.places is None else part.places.tolist()
            for place, title in zip(places, part.titles.tolist(), strict=True):
                found = part.catalog.find_artwork(title, artworks[place])
                if found is not None:
                    columns[place] = found - part.catalog.artwork_offsets[title]
        return columns


class PageRows(NamedTuple):
    """The candidate rows of a page, R of them, in request order."""

    ids: list[str]
    keys: KeyArray
    features: FeatureMatrix | Chosen
    identity: FeatureMatrix
    pinned: dict[int, int]
    """Position on the page → index of the row that must stand there."""
    inline: dict[str, Features]


def collect_titles(
    asked: Sequence[str | Title], inline: Mapping[str, Title], catalog: Catalog
) -> PageTitles:
    """Find the distinct titles among ``asked``, in order of first mention.

    ``inline`` maps the ids of all titles that the page gives itself; they stand in place of
    catalog titles of the same id.
    """
    names = dict.fromkeys(_ids(asked, some_inline=bool(inline)))
    indices = list(map(catalog.title_index_of.get, names))
    if inline or None in indices:
        return _collect_mixed(names, indices, inline, catalog)
    part = _part(catalog, np.array(indices, np.intp), None)
    keys = catalog.title_keys.take(part.titles)
    return PageTitles(list(names), keys, _eligible(part.counts, len(names)), [part], [], [])


def _collect_mixed(
    names: Mapping[str, None],
    indices: Sequence[int | None],
    inline: Mapping[str, Title],
    catalog: Catalog,
) -> PageTitles:
    """Find titles of which some are inline or unknown."""
    omitted = [
        name
        for name, index in zip(names, indices, strict=True)
        if index is None and name not in inline
    ]
    index_of = dict(zip(names, indices, strict=True))
    for name in omitted:
        del index_of[name]
    ids = list(index_of)
    counts, keys = np.zeros(len(ids), np.intp), np.zeros(len(ids), np.uint64)
    parts = []
    own = [inline[name] for name in ids if name in inline]
    places = np.array([name not in inline for name in ids], np.bool_)
    if places.any():
        found = [index_of[name] for name in ids if name not in inline]
        parts.append(_part(catalog, np.array(found, np.intp), np.flatnonzero(places)))
    if own:
        built = Catalog.build(CatalogDocument(own, []), version=INLINE_VERSION)
        parts.append(_part(built, np.arange(len(own)), np.flatnonzero(~places)))
    for part in parts:
        counts[part.places] = part.counts
        keys[part.places] = part.catalog.title_keys[part.titles]
    return PageTitles(ids, keys, _eligible(counts, len(ids)), parts, own, omitted)


def _part(catalog: Catalog, titles: IndexArray, places: IndexArray | None) -> Part:
    first = catalog.artwork_offsets.take(titles)
    counts = catalog.artwork_offsets.take(titles + 1) - first
    each = int(counts[0]) if len(counts) else 0
    if (counts == each).all():
        artworks = (first[:, None] + np.arange(each)).ravel()
        return Part(catalog, titles, places, first, each, artworks)
    ends = counts.cumsum()
    artworks = np.arange(ends[-1]) + np.repeat(first - ends + counts, counts)
    return Part(catalog, titles, places, first, counts, artworks)


def _eligible(counts: int | IndexArray, titles: int) -> BoolArray:
    if isinstance(counts, int):
        return np.ones((titles, counts), np.bool_)
    return np.asarray(np.arange(counts.max(initial=0)) < counts[:, None])


def _ids(asked: Sequence[str | Title], *, some_inline: bool) -> list[str]:
    if some_inline:
        return [title if isinstance(title, str) else title.id for title in asked]
    return cast(list[str], list(asked))


def inline_titles(page: Page) -> dict[str, Title]:
    """Return the titles that a page gives itself, by id; the first of equal ids counts."""
    asked = [*page.titles, *chain.from_iterable([row.titles for row in page.rows])]
    try:
        # Most pages name titles only: joining them tells so at a tenth of a loop's cost.
        "".join(cast(list[str], asked))
    except TypeError:
        whole = [title for title in asked if not isinstance(title, str)]
        return {title.id: title for title in reversed(whole)}
    return {}


def check_known(page: Page, inline: Mapping[str, Title], catalog: Catalog) -> None:
    """Check that a page has something to show, whichever of its rows are drawn.

    Raises:
        UnknownItemError: no title of the page is known, and it has no row that asks for none.
    """
    titles = [*page.titles, *chain.from_iterable(row.titles for row in page.rows)]
    asked = _ids(titles, some_inline=bool(inline))
    omitted = [name for name in asked if name not in inline and catalog.title_index(name) is None]
    if len(omitted) < len(asked) or not asked or any(not row.titles for row in page.rows):
        return
    raise UnknownItemError(
        "titles",
        f"none of the {len(set(omitted))} titles asked for is in catalog {catalog.version}, "
        f"for example {omitted[0]!r}",
        hint="PUT or PATCH /v1/catalog with them, or send them whole: id, features, artworks",
    )


def collect_rows(rows: Sequence[PageRow], catalog: Catalog) -> PageRows:
    """Find the features of a page's rows.

    A row that is not in the catalog and brings no features is ranked by its identity alone.

    Raises:
        PageError: a row stands twice, or two rows are pinned to one position.
    """
    ids = [row.id for row in rows]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise PageError("rows", f"row {twice!r} stands twice", hint="send each row once")
    pinned: dict[int, int] = {}
    inline: dict[str, Features] = {}
    for place, row in enumerate(rows):
        if row.pinned is not None and pinned.setdefault(row.pinned, place) != place:
            raise PageError(
                f"rows[{place}].pinned",
                f"position {row.pinned} is taken by row {ids[pinned[row.pinned]]!r}",
                hint="pin each row to a position of its own",
            )
        if row.features is not None:
            inline[row.id] = row.features
    found = list(map(catalog.row_index_of.get, ids))
    if not inline and None not in found:
        indices = np.array(found, np.intp)
        identity = identities(catalog.row_hashes.take(indices))
        features = Chosen(catalog.row_features, indices)
        return PageRows(ids, catalog.row_keys.take(indices), features, identity, pinned, inline)
    given = stack([_row_features(row, catalog) for row in rows])
    return PageRows(ids, item_keys(ids), given, stack(list(map(encode_id, ids))), pinned, inline)


def row_choices(
    page: Page, ranked: Ranked, pinned: Mapping[int, int], titles: PageTitles
) -> list[RowChoice]:
    """Return the rows of a page as they were served, with those of their titles that are known."""
    held = set(pinned.values())
    rows = [page.rows[index] for index in ranked.order.tolist()]
    served = known_titles([row.titles for row in rows], titles)
    drawn = zip(ranked.order.tolist(), rows, ranked.propensities.tolist(), served, strict=True)
    return [
        RowChoice(row.id, position, propensity, index in held, names)
        for position, (index, row, propensity, names) in enumerate(drawn)
    ]


def known_titles(lists: Sequence[Sequence[str | Title]], titles: PageTitles) -> list[list[str]]:
    """Return the ids of those of the page's titles in each list that are known."""
    if not titles.inline and not titles.omitted:
        return cast(list[list[str]], list(map(list, lists)))
    gone = frozenset(titles.omitted)
    ids = [_ids(asked, some_inline=True) for asked in lists]
    return [[name for name in names if name not in gone] for names in ids]


def titles_of(record: DecisionRecord, catalog: Catalog) -> PageTitles:
    """Find the titles of a logged decision anew; those that the catalog lacks are left out."""
    inline = {title.id: title for title in record.inline_titles}
    return collect_titles([choice.title for choice in record.titles], inline, catalog)


def rows_of(record: DecisionRecord, catalog: Catalog) -> PageRows:
    """Find the candidate rows of a logged decision anew."""
    given = {row.id: row.features for row in record.inline_rows}
    rows = [PageRow(name, given.get(name), record.pins.get(name)) for name in record.row_candidates]
    return collect_rows(rows, catalog)


def _row_features(row: PageRow, catalog: Catalog) -> Encoded:
    if row.features is not None:
        return encode(ROW, row.features)
    index = catalog.row_index(row.id)
    return EMPTY if index is None else catalog.row_features.one(index)
