"""From a page's ids to arrays: which titles and rows are asked for, and where their features are.

Titles and rows come from the catalog or stand in the request itself; the latter are built into a
small catalog of their own, so that both are scored by the same code. A title that is in neither is
left out and named, so that one withdrawn title never takes a page down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from bandit.catalog import INLINE_VERSION, Catalog, CatalogDocument
from bandit.errors import PageError, UnknownItemError
from bandit.events import DecisionRecord
from bandit.features import EMPTY, ROW, Encoded, FeatureMatrix, encode, encode_id, stack
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

_INLINE: Final = -1
"""Stands for the catalog's index of a title that the request gives itself."""


class Part(NamedTuple):
    """The titles of a page that come from one catalog."""

    catalog: Catalog
    titles: IndexArray
    """Shape (n,): indices into the catalog."""
    places: IndexArray
    """Shape (n,): indices into the page's titles."""
    artworks: IndexArray
    """Shape (m,): indices of all their artworks, title after title."""
    title_of_artwork: IndexArray
    """Shape (m,): for each artwork, its title's index into the catalog."""


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

    def spread_out(self, part: Part, flat: FloatArray, into: FloatArray) -> None:
        """Write the flat (m,) values of a part's artworks to their places in an (N, K) array."""
        rows = self.eligible[part.places]
        block = np.zeros(rows.shape)
        block[rows] = flat
        into[part.places] = block

    def artwork_ids(self, chosen: IndexArray) -> list[str]:
        """Return the ids of the artworks in columns ``chosen``, shape (N,)."""
        names = [""] * len(self.ids)
        for part in self.parts:
            artworks = part.catalog.artwork_offsets[part.titles] + chosen[part.places]
            for place, index in zip(part.places.tolist(), artworks.tolist(), strict=True):
                names[place] = part.catalog.artwork_ids[index]
        return names

    def columns(self, artworks: Sequence[str]) -> IndexArray:
        """Return (N,) the columns of the titles' artworks of these ids, -1 for what is unknown."""
        columns = np.full(len(self.ids), -1, np.intp)
        for part in self.parts:
            for place, title in zip(part.places.tolist(), part.titles.tolist(), strict=True):
                found = part.catalog.find_artwork(title, artworks[place])
                if found is not None:
                    columns[place] = found - part.catalog.artwork_offsets[title]
        return columns


class PageRows(NamedTuple):
    """The candidate rows of a page, R of them, in request order."""

    ids: list[str]
    keys: KeyArray
    features: FeatureMatrix
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
    ids, indices, omitted = _known(asked, inline, catalog)
    sources: list[tuple[Catalog, list[int], list[int]]] = []
    places = [place for place, index in enumerate(indices) if index != _INLINE]
    if places:
        sources.append((catalog, [indices[place] for place in places], places))
    places = [place for place, index in enumerate(indices) if index == _INLINE]
    own = [inline[ids[place]] for place in places]
    if own:
        built = Catalog.build(CatalogDocument(own, []), version=INLINE_VERSION)
        sources.append((built, list(range(len(own))), places))
    return _assemble(ids, sources, own, omitted)


def _known(
    asked: Sequence[str | Title], inline: Mapping[str, Title], catalog: Catalog
) -> tuple[list[str], list[int], list[str]]:
    """Return the known ids, their indices into the catalog or ``_INLINE``, and the unknown ids."""
    names = dict.fromkeys(title if isinstance(title, str) else title.id for title in asked)
    ids: list[str] = []
    indices: list[int] = []
    omitted: list[str] = []
    for name in names:
        index = _INLINE if name in inline else catalog.title_index(name)
        if index is None:
            omitted.append(name)
        else:
            ids.append(name)
            indices.append(index)
    return ids, indices, omitted


def _assemble(
    ids: list[str],
    sources: Iterable[tuple[Catalog, list[int], list[int]]],
    inline: list[Title],
    omitted: list[str],
) -> PageTitles:
    counts = np.zeros(len(ids), np.intp)
    keys = np.zeros(len(ids), np.uint64)
    parts = []
    for source, title_indices, place_list in sources:
        titles = np.array(title_indices, np.intp)
        places = np.array(place_list, np.intp)
        first = source.artwork_offsets[titles]
        count = source.artwork_offsets[titles + 1] - first
        ends = np.cumsum(count)
        artworks = np.arange(ends[-1]) + np.repeat(first - ends + count, count)
        parts.append(Part(source, titles, places, artworks, np.repeat(titles, count)))
        counts[places] = count
        keys[places] = source.title_keys[titles]
    eligible = np.arange(counts.max(initial=0)) < counts[:, None]
    return PageTitles(ids, keys, eligible, parts, inline, omitted)


def inline_titles(page: Page) -> dict[str, Title]:
    """Return the titles that a page gives itself, by id; the first of equal ids counts."""
    found: dict[str, Title] = {}
    for asked in [page.titles, *(row.titles for row in page.rows)]:
        for title in asked:
            if not isinstance(title, str):
                found.setdefault(title.id, title)
    return found


def check_known(page: Page, inline: Mapping[str, Title], catalog: Catalog) -> None:
    """Check that a page has something to show, whichever of its rows are drawn.

    Raises:
        UnknownItemError: no title of the page is known, and it has no row that asks for none.
    """
    asked = [*page.titles, *(title for row in page.rows for title in row.titles)]
    ids, _, omitted = _known(asked, inline, catalog)
    if ids or not omitted or any(not row.titles for row in page.rows):
        return
    raise UnknownItemError(
        "titles",
        f"none of the {len(omitted)} titles asked for is in catalog {catalog.version}, "
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
    for place, row in enumerate(rows):
        if row.pinned is not None and pinned.setdefault(row.pinned, place) != place:
            raise PageError(
                f"rows[{place}].pinned",
                f"position {row.pinned} is taken by row {ids[pinned[row.pinned]]!r}",
                hint="pin each row to a position of its own",
            )
    inline = {row.id: row.features for row in rows if row.features is not None}
    found = [catalog.row_index(name) for name in ids]
    indices = [index for index in found if index is not None]
    if not inline and indices and len(indices) == len(ids):
        features, identity = catalog.row_features.take(indices), catalog.row_identity.take(indices)
        return PageRows(ids, catalog.row_keys[indices], features, identity, pinned, inline)
    features = stack([_row_features(row, catalog) for row in rows])
    identity = stack([encode_id(name) for name in ids])
    return PageRows(ids, item_keys(ids), features, identity, pinned, inline)


def row_choices(
    page: Page, ranked: Ranked, pinned: Mapping[int, int], known: set[str]
) -> list[RowChoice]:
    """Return the rows of a page as they were served, with those of their titles that are known."""
    held = set(pinned.values())
    choices = []
    for position, index in enumerate(ranked.order.tolist()):
        row = page.rows[index]
        names = [title if isinstance(title, str) else title.id for title in row.titles]
        served = [name for name in names if name in known]
        propensity = float(ranked.propensities[position])
        choices.append(RowChoice(row.id, position, propensity, index in held, served))
    return choices


def loose_titles(page: Page, known: set[str]) -> list[str]:
    """Return the known titles that a page asks for outside any row."""
    names = [title if isinstance(title, str) else title.id for title in page.titles]
    return [name for name in names if name in known]


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
