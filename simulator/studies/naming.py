"""Names that tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names; those that several bear get a number, from the second on.

    >>> distinct(["linucb", "uniform", "linucb"])
    ['linucb', 'uniform', 'linucb (2)']
    """
    borne: Counter[str] = Counter()
    found = []
    for name in names:
        borne[name] += 1
        found.append(name if borne[name] == 1 else f"{name} ({borne[name]})")
    return found
