"""Where the demo's simulated viewers live, which their context tells besides.

The simulator's homepage knows no countries. Here each viewer gets one, always the same: every other
one that of the first favourite genre, so that what is liked differs from country to country, the
rest any. So the country tells less than the favourites do, and a model learns to use it.
"""

from __future__ import annotations

from typing import Final

from bandit.sampling import item_key
from bandit.types import Features

COUNTRIES: Final = ("Brazil", "Canada", "France", "Germany", "India", "Japan")
_GOES_WITH_GENRE: Final = 2
"""One viewer in so many lives where the first favourite genre is liked."""


def with_country(context: Features, viewer_id: str) -> Features:
    """Return a context that tells the viewer's country too."""
    key = item_key(viewer_id)
    favourites = context["favourite_genres"]
    if key % _GOES_WITH_GENRE == 0 and isinstance(favourites, list):
        key = item_key(str(favourites[0]))
    return {**context, "country": COUNTRIES[key // _GOES_WITH_GENRE % len(COUNTRIES)]}
