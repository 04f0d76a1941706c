"""Whether a catalog document is right as a whole: what its types alone cannot tell.

Artwork ids need to be unique within their title only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from bandit.catalog.documents import CatalogDocument
from bandit.catalog.problems import Problems
from bandit.config.schema import LimitsConfig
from bandit.errors import PageError
from bandit.limits import check_features
from bandit.types import ARTWORKS_MAX, Features, Row, Title

Place = Callable[[int], str]


class Places(NamedTuple):
    """Where the items of a document stand, by their index."""

    title: Place = "titles[{}]".format
    row: Place = "rows[{}]".format
    whole: str = "titles"


_IN_DOCUMENT: Final = Places()


def check_document(
    document: CatalogDocument, limits: LimitsConfig, places: Places = _IN_DOCUMENT
) -> None:
    """Check a document: ids, references, features, and that there is something to serve.

    ``places`` names items in errors in another way than by their index, such as a file's lines.

    Raises:
        CatalogError: names the place and the mend of every fault, up to
            :data:`bandit.catalog.problems.PROBLEMS_MAX`.
    """
    problems = Problems()
    if not document.titles:
        problems.add(places.whole, "the catalog has no title", "add at least one title")
    _check_unique((title.id for title in document.titles), places.title, problems)
    for index, title in enumerate(document.titles):
        _check_title(title, places.title(index), limits, problems)
    _check_unique((row.id for row in document.rows), places.row, problems)
    known = {title.id for title in document.titles}
    for index, row in enumerate(document.rows):
        _check_row(row, places.row(index), known, limits, problems)
    problems.raise_if_any()


def _check_unique(ids: Iterable[str], place: Place, problems: Problems) -> None:
    seen: dict[str, int] = {}
    for index, item_id in enumerate(ids):
        first = seen.setdefault(item_id, index)
        if first != index:
            problems.add(
                _field(place(index), "id"),
                f"the id {item_id!r} is taken by {place(first)}",
                "give each an id of its own",
            )


def _check_title(title: Title, place: str, limits: LimitsConfig, problems: Problems) -> None:
    _check_features(title.features, place, limits, problems)
    if not 1 <= len(title.artworks) <= ARTWORKS_MAX:
        problems.add(
            _field(place, "artworks"),
            f"title {title.id!r} has {len(title.artworks)} artworks",
            f"give a title between 1 and {ARTWORKS_MAX} artworks",
        )
    _check_unique(
        (artwork.id for artwork in title.artworks),
        lambda index: _field(place, f"artworks[{index}]"),
        problems,
    )
    for index, artwork in enumerate(title.artworks):
        _check_features(artwork.features, _field(place, f"artworks[{index}]"), limits, problems)


def _check_row(
    row: Row, place: str, known: set[str], limits: LimitsConfig, problems: Problems
) -> None:
    _check_features(row.features, place, limits, problems)
    seen: set[str] = set()
    for index, title_id in enumerate(row.titles):
        if title_id not in known:
            problems.add(
                _field(place, f"titles[{index}]"),
                f"row {row.id!r} names title {title_id!r}, which is not in the catalog",
                "add the title, or take it out of the row",
            )
        elif title_id in seen:
            problems.add(
                _field(place, f"titles[{index}]"),
                f"row {row.id!r} names title {title_id!r} twice",
                "name each title of a row once",
            )
        seen.add(title_id)


def _check_features(
    features: Features, place: str, limits: LimitsConfig, problems: Problems
) -> None:
    if not features:
        return
    try:
        check_features(features, _field(place, "features"), limits.item_features_max)
    except PageError as error:
        problems.add(error.field, error.message, error.hint)


def _field(place: str, field: str) -> str:
    """Join a place and a field: a path with a dot, a line of a file with a space."""
    return f"{place}.{field}" if place.endswith("]") else f"{place} {field}"
