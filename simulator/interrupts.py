"""Ctrl-C that no library can swallow.

``KeyboardInterrupt`` is raised wherever the interpreter happens to be: within a callback of a
library's, say, which may tell nobody of what it raised. So whoever works through a list of tasks
asks between two of them whether there was one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def remembered_interrupts() -> Iterator[Callable[[], bool]]:
    """Have Ctrl-C raise as ever for a block, and be remembered as well.

    Yields:
        What tells whether there was one. Outside the main thread, and where interrupts are ignored
        or handled by somebody else, it tells of none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield lambda: False
        return
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)
