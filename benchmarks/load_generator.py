"""The load generator's one process: asyncio's transports, httptools' parser.

It costs 36 µs of CPU time a request at saturation, about 100 µs at 3,500 requests/s and 140 µs
below 1,500/s (4 kB there, 14 kB back). What is spent below saturation is spent in waking up twice
a request and in send(), which on one machine carries the bytes to the server's socket: 57 µs.
Threads with http.client, in two processes, cost 190 to 300 µs and woke later.

Why the select() selector: epoll counts its timeouts in whole milliseconds, which would show in
every latency; select() counts them in microseconds, and the sockets are few.
"""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import socket
import time
from collections import deque
from typing import Final, NamedTuple

import httptools
import numpy as np

from benchmarks.connections import open_connections
from benchmarks.load import GRACE_S, ID_PLACE, LoadResult, Pace, Target

_NONCE_BYTES: Final = 8
_HEX_DIGITS: Final = len(ID_PLACE) - 2 * _NONCE_BYTES


class _Answered(NamedTuple):
    due_s: float
    latency_s: float
    late_s: float


def generate(target: Target, pace: Pace) -> LoadResult:
    """Send the requests that ``pace`` asks for, and return what came of them."""
    # Nothing that is made in the loop is cyclic; a collection would only delay what is due.
    gc.disable()
    try:
        with asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
        ) as runner:
            return runner.run(_Generator(target, pace).run())
    finally:
        gc.enable()


class _Requests:
    """The bytes of each request; where a body has a place for an id, each has its own."""

    def __init__(self, target: Target) -> None:
        self._prefix = os.urandom(_NONCE_BYTES).hex()
        self._parts = [_parts(target, body) for body in target.bodies or (b"",)]

    def make(self, number: int) -> bytes:
        name = f"{self._prefix}{number:0{_HEX_DIGITS}x}".encode()
        return name.join(self._parts[number % len(self._parts)])


def _parts(target: Target, body: bytes) -> list[bytes]:
    headers = {"Host": f"127.0.0.1:{target.port}", **target.headers}
    if body:
        headers["Content-Length"] = str(len(body))
    lines = [f"{target.method} {target.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    whole = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
    return whole.split(ID_PLACE)


class _Connection(asyncio.Protocol):
    """One connection that is kept open; at most one request is under way on it."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.due_s = self.free_since_s = self.late_s = 0.0
        self.is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, content: bytes, due_s: float, now_s: float) -> None:
        assert self._transport is not None
        self.due_s = due_s
        self.late_s = now_s - max(due_s, self.free_since_s)
        self.is_waiting = True
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._hang_up()

    def on_message_complete(self) -> None:
        """Take note of an answer; the parser calls this."""
        if not self.is_waiting:
            return
        self.is_waiting = False
        stays = self._parser.should_keep_alive()
        self._generator.answered(self, self._parser.get_status_code(), stays=stays)
        if not stays:
            self._hang_up()

    def _hang_up(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.lost(self)


class _Generator:
    def __init__(self, target: Target, pace: Pace) -> None:
        self._target = target
        self._pace = pace
        self._requests = _Requests(target)
        self._free: deque[_Connection] = deque()
        self._connections: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._answered: list[_Answered] = []
        self._errors = 0
        self._taken = 0
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def run(self) -> LoadResult:
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        workers = self._target.workers
        for opened in open_connections(self._target.port, self._pace.connections, workers):
            await self._adopt(opened)
        cpu_began_s = time.process_time()
        self._begin_s = self._loop.time()
        self._loop.call_at(self._begin_s + self._pace.seconds, self._finish_if_all_answered)
        self._send_what_is_due()
        limit_s = self._pace.seconds + GRACE_S
        try:
            await asyncio.wait_for(self._done.wait(), limit_s)
        except TimeoutError:
            self._give_up()
        took_s = self._loop.time() - self._begin_s
        cpu_s = time.process_time() - cpu_began_s
        self._close()
        due_s, latencies_s, late_s = np.array(self._answered, float).reshape(-1, 3).T
        return LoadResult(self._errors, took_s, due_s, latencies_s, late_s, cpu_s)

    async def _adopt(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        _, connection = await self._loop.create_connection(lambda: _Connection(self), sock=opened)
        self._connections.add(connection)
        connection.free_since_s = self._loop.time()
        self._free.append(connection)

    async def _open_another(self) -> None:
        for opened in open_connections(self._target.port, 1, ()):
            await self._adopt(opened)
        self._send_what_is_due()

    def _due_s(self, number: int) -> float:
        rate = self._pace.rate_per_s
        return self._loop.time() if rate is None else self._begin_s + number / rate

    def _all_taken(self) -> bool:
        """Tell whether no further request is due within the time."""
        return self._due_s(self._taken) >= self._begin_s + self._pace.seconds

    def _send_what_is_due(self) -> None:
        """Send on free connections; come back when the next request is due."""
        while self._free and not self._over and not self._all_taken():
            due_s, now_s = self._due_s(self._taken), self._loop.time()
            if due_s > now_s:
                if self._timer is None:
                    self._timer = self._loop.call_at(due_s, self._on_timer)
                return
            connection = self._free.popleft()
            connection.send(self._requests.make(self._taken), due_s, now_s)
            self._taken += 1

    def _on_timer(self) -> None:
        self._timer = None
        self._send_what_is_due()

    def answered(self, connection: _Connection, status: int, *, stays: bool) -> None:
        now_s = self._loop.time()
        self._note(connection.due_s, now_s, connection.late_s, ok=status == self._target.status)
        if stays:
            connection.free_since_s = now_s
            self._free.append(connection)
        self._send_what_is_due()
        self._finish_if_all_answered()

    def lost(self, connection: _Connection) -> None:
        """Count what was under way on it as failed, and open another in its place."""
        self._connections.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        if connection.is_waiting and not self._over:
            self._note(connection.due_s, self._loop.time(), connection.late_s, ok=False)
            self._finish_if_all_answered()
        if not self._over:
            task = self._loop.create_task(self._open_another())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Nobody listens any more: what is due from now on fails once time is up.
            self._errors += 1

    def _note(self, due_s: float, now_s: float, late_s: float, *, ok: bool) -> None:
        self._answered.append(_Answered(due_s, now_s - due_s, late_s))
        self._errors += not ok

    def _finish_if_all_answered(self) -> None:
        if self._all_taken() and not any(one.is_waiting for one in self._connections):
            self._done.set()

    def _give_up(self) -> None:
        """Charge what was due and never answered."""
        now_s = self._loop.time()
        for connection in self._connections:
            if connection.is_waiting:
                self._note(connection.due_s, now_s, connection.late_s, ok=False)
        while self._pace.rate_per_s is not None and not self._all_taken():
            self._note(self._due_s(self._taken), now_s, 0.0, ok=False)
            self._taken += 1

    def _close(self) -> None:
        self._over = True
        for task in self._opening:
            task.cancel()
        for connection in list(self._connections):
            connection._hang_up()
