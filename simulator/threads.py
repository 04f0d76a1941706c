"""One thread for the linear algebra of a run.

Several threads sum in an order that depends on their number, and what a policy learns must not
depend on the machine. They also wait for each other after every small step, which on a machine that
is busy otherwise takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


def one_thread_limit() -> Callable[[], AbstractContextManager[object]]:
    """Return what keeps to one thread whatever is called within.

    It holds the libraries that are loaded now: finding them takes milliseconds, holding them does
    not. Without threadpoolctl, which serving does without, nothing is held.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        return nullcontext
    controller = ThreadpoolController()

    def limit() -> AbstractContextManager[object]:
        held: AbstractContextManager[object] = controller.limit(limits=1)
        return held

    return limit
