"""Bounds on features, inline titles and artworks that the types alone cannot tell."""

from __future__ import annotations

from bandit.errors import PageError
from bandit.types import Features, Title


def check_features(features: Features, place: str, count_max: int) -> None:
    """Check that features are few enough and that no list mixes numbers and strings.

    Raises:
        PageError: naming the feature at fault; ``place`` says where the features stand.
    """
    count = 0
    for name, value in features.items():
        if isinstance(value, list):
            count += len(value)
            strings = sum(isinstance(member, str) for member in value)
            if strings not in (0, len(value)):
                raise PageError(
                    f"{place}.{name}",
                    "a list feature holds numbers or strings, not both",
                    hint="send two features, one for the numbers and one for the strings",
                )
        else:
            count += 1
    if count > count_max:
        raise PageError(
            place,
            f"{count} features, list items counted singly, are more than the {count_max} allowed",
            hint="send fewer features, or have the limit raised in the configuration's [limits]",
        )


def check_title(title: Title, features_max: int) -> None:
    """Check a title that a page gives itself: its features, and that its artworks differ.

    Raises:
        PageError: naming what is at fault.
    """
    check_features(title.features, f"title {title.id}: features", features_max)
    seen: set[str] = set()
    for artwork in title.artworks:
        place = f"title {title.id}, artwork {artwork.id}"
        if artwork.id in seen:
            # Two candidates of one name would share its probability unseen.
            raise PageError(
                place, "the artwork stands twice in the title", hint="send each artwork once"
            )
        seen.add(artwork.id)
        check_features(artwork.features, f"{place}: features", features_max)


def check_artworks(count: int, count_max: int) -> None:
    """Check the number of artworks to be scored for a page: its time and memory grow with it.

    Raises:
        PageError: naming the limit's key.
    """
    if count > count_max:
        raise PageError(
            "titles",
            f"the page's titles have {count} artworks, more than the {count_max} allowed",
            hint="ask for fewer titles at once, or raise limits.page_artworks_max in the "
            "configuration",
        )
