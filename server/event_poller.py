"""What a worker's loop waits with: epoll, a bounded number of events at once.

It has the methods of :mod:`selectors` that gunicorn's threaded worker uses. Why not a selector: it
returns everything that is ready, so that a turn of the loop could last as long as all connections'
requests together, with no look at signals, heartbeat or finished requests in between. The kernel
puts what it has told of to the end of its queue, so that a bound keeps the order fair. It also
takes 1 µs an event, a selector 3. And it can watch a file that can be read already, for more.
"""

from __future__ import annotations

import select
import selectors
from typing import Any, Final

EPOLL: Final = hasattr(select, "epoll")

EVENTS_A_TURN: Final = 8
"""Most events told of at once."""

_NO_MORE: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR if EPOLL else 0
_FOR_MORE: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET if EPOLL else 0


class EventPoller:
    """Files to be read or written to, and what belongs to each."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._ended: set[int] = set()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file, or a descriptor, until it can be read or, if so asked, written to."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        writes = events == selectors.EVENT_WRITE
        self._epoll.register(fd, select.EPOLLOUT if writes else select.EPOLLIN)
        self._keys[fd] = key = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def watch_for_more(self, fileobj: Any) -> None:
        """Tell of a watched file once now, and then only when more has come than there was."""
        self._epoll.modify(fileobj.fileno(), _FOR_MORE)

    def has_ended(self, fileobj: Any) -> bool:
        """Tell whether a file that is watched for more was seen to get no more."""
        return fileobj.fileno() in self._ended

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop to watch a file.

        Raises:
            KeyError: it is not watched, or closed.
        """
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys.pop(fd)
        self._ended.discard(fd)
        self._epoll.unregister(fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for at most ``timeout`` seconds; return what is ready.

        A signal that does not raise does not end the wait.
        """
        seconds = -1.0 if timeout is None else max(timeout, 0.0)
        keys = self._keys
        ready = []
        for fd, told in self._epoll.poll(seconds, EVENTS_A_TURN):
            if fd in keys:
                ready.append((keys[fd], keys[fd].events))
                if told & _NO_MORE:
                    self._ended.add(fd)
        return ready

    def close(self) -> None:
        """Let go of the kernel's queue."""
        self._epoll.close()
        self._keys.clear()


def event_poller() -> EventPoller | selectors.BaseSelector:
    """Return the poller of this system: a selector where there is no epoll."""
    return EventPoller() if EPOLL else selectors.DefaultSelector()
