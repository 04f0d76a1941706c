"""How often is too often: limits as they are written, and what is counted to hold them.

A window slides: what was granted in the fixed window before counts by the share of it that still
lies within one window's length of now, as if it had come evenly. So there is no moment at which a
caller gets two windows' worth at once, and a caller who never stops is granted the limit's rate;
two numbers a caller hold it, where the exact moving window needs the time of each request. A
refused request is not counted: who asks too often is granted what the limit says, not less.

Why the counting is ours and only the notation that of the library `limits`: its in-memory store
takes 2 to 4 µs a request, which would do, but keeps one number where three are needed here, what
this process granted, what it has not told to the others yet, and what all granted together. Its
store in Redis asks once a request and makes it wait for the answer.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

from bandit.clock import MICROSECONDS
from bandit.config.service import RateLimitsConfig
from bandit.errors import ConfigError

LimitName = Literal["client", "admin", "address"]
"""A limit, as its key in ``rate_limits`` is named."""

_NOTATION_HINT: Final = "write it as in 100/second or 5000/minute"


class Limit(NamedTuple):
    """So many requests within such a time."""

    most: int
    length_us: int

    @property
    def length_s(self) -> int:
        """The window's length in seconds."""
        return self.length_us // MICROSECONDS

    def part(self, parts: int) -> int:
        """Return the equal part of one of several who share it: rounded up, so at least 1."""
        return -(-self.most // parts)


class Tally:
    """What was granted to one caller under one limit, in the current window and the one before.

    ``own`` is what this process granted. ``shared`` is what all granted together, as far as it was
    told when last asked; ``unsent`` is that part of ``own`` which is not in it yet.
    """

    __slots__ = ("own", "own_before", "shared", "shared_before", "unsent", "unsent_before",
                 "window")  # fmt: skip

    def __init__(self, window: int) -> None:
        self._empty(window)

    def _empty(self, window: int) -> None:
        self.window = window
        self.own = self.unsent = self.shared = 0
        self.own_before = self.unsent_before = self.shared_before = 0

    def roll(self, window: int) -> None:
        """Go to another window; one that is not the next, as when a clock steps, starts anew."""
        if window == self.window:
            return
        before = self.own, self.unsent, self.shared
        is_next = window == self.window + 1
        self._empty(window)
        if is_next:
            self.own_before, self.unsent_before, self.shared_before = before

    def grant(self) -> None:
        """Count one request."""
        self.own += 1
        self.unsent += 1

    def told(self, window: int, sent: int, sent_before: int, all_: int, all_before: int) -> None:
        """Note what all granted together, once ``window``'s numbers were sent and answered."""
        if window == self.window:
            self.unsent -= sent
            self.unsent_before -= sent_before
            self.shared, self.shared_before = all_, all_before
        elif window == self.window - 1:
            self.unsent_before -= sent
            self.shared_before = all_


def wait_us(most: int, length_us: int, before: int, current: int, passed_us: int) -> int:
    """Return how long one more request has to wait, in microseconds; 0 if it may be granted now.

    Args:
        most: what is granted within ``length_us``.
        length_us: the window's length.
        before: what was granted in the fixed window before this one.
        current: what was granted in this one.
        passed_us: how much of this one is over.
    """
    if before * (length_us - passed_us) + current * length_us < most * length_us:
        return 0
    if current < most:
        return math.floor(length_us * (before - most + current) / before) - passed_us + 1
    return length_us - passed_us + math.floor(length_us * (current - most) / current) + 1


def parse_limit(text: str, path: str) -> Limit:
    """Read a limit in the notation of the library ``limits``.

    Raises:
        ConfigError: naming the key at ``path``, if it is not one such limit or allows nothing.
    """
    # Its import takes 60 ms, which a service without limits does not spend.
    from limits import parse_many

    try:
        items = parse_many(text)
    except ValueError as error:
        raise ConfigError(path, f"{text!r} is not a limit", hint=_NOTATION_HINT) from error
    if len(items) != 1:
        raise ConfigError(path, f"{text!r} is more than one limit", hint=_NOTATION_HINT)
    limit = Limit(items[0].amount, items[0].get_expiry() * MICROSECONDS)
    if limit.most < 1 or limit.length_us < 1:
        raise ConfigError(path, f"{text!r} would let nothing through", hint=_NOTATION_HINT)
    return limit


def limits_of(config: RateLimitsConfig) -> dict[LimitName, Limit]:
    """Return what is limited, and how; nothing where no limit is configured.

    Raises:
        ConfigError: a limit cannot be read.
    """
    asked: dict[LimitName, str | None] = {
        "client": config.client,
        "admin": config.admin,
        "address": config.address,
    }
    return {
        name: parse_limit(text, f"rate_limits.{name}")
        for name, text in asked.items()
        if text is not None
    }
