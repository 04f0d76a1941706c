"""Bounds on features that the types alone cannot tell."""

from __future__ import annotations

from bandit.errors import PageError
from bandit.types import Features


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
