"""What Bendada, Salha and Bontempelli (RecSys 2020) compare on carousels, and what they find.

The settings are those of ``main.py`` of their published code, the findings those of section 4.1.1.
"""

from __future__ import annotations

from typing import Final

POLICIES: Final = {
    "uniform": "random",
    "segment-etc:displays=100": "etc-seg-explore",
    "segment-etc:displays=20": "etc-seg-exploit",
    "segment-greedy:epsilon=0.1": "epsilon-greedy-explore",
    "segment-greedy:epsilon=0.01": "epsilon-greedy-exploit",
    "segment-kl-ucb": "kl-ucb-seg",
    "segment-ts:successes=1,failures=1": "ts-seg-naive",
    "segment-ts:successes=1,failures=99": "ts-seg-pessimistic",
}
"""Our specs, and the names that they have in the published code."""
PUBLISHED: Final = (
    *(
        ("ts-seg-pessimistic", other)
        for other in POLICIES.values()
        if other != "ts-seg-pessimistic"
    ),
    ("etc-seg-exploit", "kl-ucb-seg"),
    ("etc-seg-exploit", "etc-seg-explore"),
)
"""Pairs of which the paper finds that the first regrets less."""
