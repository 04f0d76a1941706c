"""Fewer passes of the garbage collector while many small objects come and go.

Decoding pages makes hundreds of thousands of tuples and records that live for a moment and never
refer in circles; looking through them all for circles takes as long as exporting them, and a sixth
of the time of learning from them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_ALLOCATIONS: Final = 200_000
"""New objects between two looks at the youngest, in place of the interpreter's few hundred."""


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for garbage in circles rarely, until the block ends."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
