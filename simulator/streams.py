"""Random streams of environments and policies, each for one purpose, that meet no other.

All purposes stand here, so that what a policy draws is never what a viewer does. Why a spawn key:
seeds of NumPy's generators given as lists are filled up with zeros, so that ``[7, 1]`` and
``[7, 1, 0]`` are one stream. A spawn key follows behind the filling, and does not equal another key
of another length.
"""

from __future__ import annotations

from typing import Final

import numpy as np

VISITS: Final = 1
"""Who comes: by the number of a batch's first page."""
RESPONSES: Final = 2
"""What viewers do: by the number of a batch's first page."""
WORLD: Final = 3
"""Tastes and people."""
TEMPLATES: Final = 4
"""What pages ask for."""
ORDERS: Final = 5
"""The order of examples, or of logged rounds."""
FAULTS: Final = 6
"""What the published code of a carousel mixes up."""
KEPT: Final = 7
"""Which displays are recorded."""
CATALOG: Final = 8
"""A synthetic catalog."""
CHOICES: Final = 9
"""What a policy draws."""


def stream(seed: int, purpose: int, number: int = 0) -> np.random.Generator:
    """Return the stream of one purpose in a run from ``seed``."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, number)))
