"""One thread for scikit-learn and the linear algebra below it.

Several threads sum in an order that depends on their number, and results must not depend on the
machine. They also wait for each other after every small step, which on a machine that is busy
otherwise, as with several jobs, takes ten times as long.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Keep what is called within to one thread."""
    limiter: AbstractContextManager[object] = _controller().limit(limits=1)
    return limiter


@cache
def _controller() -> ThreadpoolController:
    """Return the switch of the libraries that are loaded; finding them takes milliseconds."""
    return ThreadpoolController()
