"""How often each caller may call: past it, 429 with Retry-After.

Counted are calls that need a key, by the digest of the key (``rate_limits.client``, ``.admin``, by
the key's own role), and feedback that comes with decision tokens and no key, by the network address
(``rate_limits.address``; of IPv6 the /64, which one subscriber has). A call counts once, however
many pages or events it holds: ``limits`` bounds those. Probes and other open calls are not counted.

*Without Redis* each process grants its equal part of a limit, rounded up: with a limit of N and
``server.workers`` W that is ceil(N / W), never less than 1. Over all that is N up to N + W - 1; a
caller whose connections lie unevenly is refused earlier, one with a single kept connection after
ceil(N / W). A process that is started anew counts from nothing, so that a reload grants up to
twice.

*With Redis* each process judges by what all processes granted as far as it knows, and the whole
limit is anybody's. Counts are exchanged behind the requests' backs (:mod:`server.rate_exchange`),
every 100 ms and at once, but no oftener than every 5 ms, when a caller is new to the process or was
granted an eighth of the limit since; so each of P processes may grant about an eighth of it too
much, plus what it answers within one round trip and 5 ms. A caller below the limit is never refused
for it. Where Redis is down, hangs or takes no writes, each process counts for itself as without it,
after half a second at the latest, and what it granted is added once Redis is back; of several hosts
each then grants the whole limit. No request waits for Redis, ever: the main loop serves ranks.

Why not Flask-Limiter: it hangs on Flask's request, which hot calls never see (:mod:`server.front`),
and asks its store within the request.

What it costs: nothing where no limit is set (the dispatcher has none to ask), otherwise 1 µs a
call, 4 for an IPv4 address and 12 for one of IPv6.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from bandit.clock import MICROSECONDS, Clock
from bandit.config.schema import Config
from bandit.metrics import Metrics
from server.client_address import Network, client_network, networks_of
from server.errors import RateLimitedError
from server.rate_exchange import NUMBERS_AT_ONCE, Exchange, Outbox, Sent, redis_at
from server.rate_windows import Limit, LimitName, Tally, limits_of, wait_us

CALLERS_MAX: Final = 65_536
"""Most callers counted under one limit; past it, who has not called for longest is forgotten."""

_HURRY_PART: Final = 8

_CALLERS_AT_ONCE: Final = NUMBERS_AT_ONCE // 2


class _Callers:
    """What was granted to each caller under one limit; for any thread."""

    def __init__(self, name: str, limit: Limit, parts: int) -> None:
        self.limit = limit
        self._name = name
        self._part = limit.part(parts)
        self._hurry_at = -(-limit.most // _HURRY_PART)
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._asked: set[str] = set()
        self._lock = threading.Lock()

    def grant(self, who: str, now_us: int, exchange: Exchange | None) -> int:
        """Count one request and return 0, or return how long it has to wait, in microseconds."""
        window, passed_us = divmod(now_us, self.limit.length_us)
        with self._lock:
            tally = self._tallies.get(who)
            is_new = tally is None
            if tally is None:
                tally = self._tallies[who] = Tally(window)
                if len(self._tallies) > CALLERS_MAX:
                    self._tallies.popitem(last=False)
            else:
                self._tallies.move_to_end(who)
                tally.roll(window)
            if exchange is None or not exchange.is_fresh:
                most, before, current = self._part, tally.own_before, tally.own
            else:
                most = self.limit.most
                # A Redis that came back empty knows less than this process.
                before = max(tally.own_before, tally.shared_before + tally.unsent_before)
                current = max(tally.own, tally.shared + tally.unsent)
            wait = wait_us(most, self.limit.length_us, before, current, passed_us)
            if wait == 0:
                tally.grant()
            if exchange is not None:
                self._asked.add(who)
                if is_new or tally.unsent >= self._hurry_at:
                    exchange.hurry()
        return wait

    def collect(self) -> list[Outbox]:
        """Return what to tell the others: the counts of all who called since it was last told."""
        with self._lock:
            asked, self._asked = sorted(self._asked), set()
            tallies = [(who, self._tallies[who]) for who in asked if who in self._tallies]
            return [
                self._outbox(tallies[start : start + _CALLERS_AT_ONCE])
                for start in range(0, len(tallies), _CALLERS_AT_ONCE)
            ]

    def _outbox(self, tallies: Sequence[tuple[str, Tally]]) -> Outbox:
        numbers: list[Sent] = []
        sent = []
        for who, tally in tallies:
            window = tally.window
            numbers.append(self._number(who, window, tally.unsent))
            numbers.append(self._number(who, window - 1, tally.unsent_before))
            sent.append((tally, window, tally.unsent, tally.unsent_before))

        def told(totals: Sequence[int]) -> None:
            with self._lock:
                for each, all_, all_before in zip(sent, totals[::2], totals[1::2], strict=True):
                    tally, window, now, before = each
                    tally.told(window, now, before, all_, all_before)

        return Outbox(numbers, told)

    def _number(self, who: str, window: int, by: int) -> Sent:
        digest = blake2b(who.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return Sent(f"{self._name}:{digest}:{window}", by, self.limit.length_s)


class RateLimiter:
    """Holds the configured limits, for all threads of one process.

    Args:
        limits: at least one.
        parts: how many processes share each limit where they do not tell each other.
        tenant: its counts in Redis are its own.
        redis_url: where counts are exchanged, if anywhere.
        proxies: whose X-Forwarded-For is believed.
        clock: the windows' time; all that exchange counts should agree on it.
        metrics: counts failures of Redis.

    Raises:
        ConfigError: ``redis_url`` cannot be used.
    """

    def __init__(
        self,
        limits: Mapping[LimitName, Limit],
        *,
        parts: int,
        clock: Clock,
        metrics: Metrics,
        tenant: str = "default",
        redis_url: str | None = None,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._proxies = proxies
        self._clock = clock
        self._callers = {
            name: _Callers(f"marquee:{tenant}:{name}:{limit.most}:{limit.length_s}", limit, parts)
            for name, limit in limits.items()
        }
        self._exchange = None
        if redis_url is not None:
            self._exchange = Exchange(redis_url, self._collect, metrics)
            self._exchange.start()

    @classmethod
    def from_config(cls, config: Config, clock: Clock, metrics: Metrics) -> RateLimiter | None:
        """Return what holds the configured limits, None where there are none.

        Raises:
            ConfigError: a limit, or the address of Redis, is wrong.
        """
        limits = limits_of(config.rate_limits)
        if not limits:
            return None
        return cls(
            limits,
            parts=config.server.workers,
            clock=clock,
            metrics=metrics,
            tenant=config.auth.tenant,
            redis_url=config.rate_limits.redis_url,
            proxies=_proxies(config),
        )

    def admit_from(self, remote: str, forwarded: str | None) -> None:
        """Count a request of nobody known, by its address.

        Args:
            remote: the other end of the connection.
            forwarded: the header X-Forwarded-For.

        Raises:
            RateLimitedError: the address has to wait.
        """
        if "address" in self._callers:
            self.admit("address", client_network(remote, forwarded, self._proxies))

    def admit(self, name: LimitName, who: str) -> None:
        """Count a request, where that limit is set.

        ``who`` names the caller; only a digest of it leaves the process.

        Raises:
            RateLimitedError: the caller has to wait.
        """
        callers = self._callers.get(name)
        if callers is None:
            return
        wait = callers.grant(who, self._clock.now_us(), self._exchange)
        if wait:
            limit = callers.limit
            raise RateLimitedError(name, limit.most, limit.length_s, wait / MICROSECONDS)

    @property
    def is_shared(self) -> bool:
        """Whether this process knows at this moment what all others granted."""
        return self._exchange is not None and self._exchange.is_fresh

    def close(self) -> None:
        """Exchange no more."""
        if self._exchange is not None:
            self._exchange.close()

    def _collect(self) -> list[Outbox]:
        return [outbox for callers in self._callers.values() for outbox in callers.collect()]


def check_rate_limits(config: Config) -> None:
    """Check that the configured limits can be held.

    Raises:
        ConfigError: a limit, or the address of Redis, is wrong.
    """
    limits_of(config.rate_limits)
    _proxies(config)
    if config.rate_limits.redis_url is not None:
        redis_at(config.rate_limits.redis_url).close()


def _proxies(config: Config) -> tuple[Network, ...]:
    return networks_of(config.rate_limits.trusted_proxies, "rate_limits.trusted_proxies")
