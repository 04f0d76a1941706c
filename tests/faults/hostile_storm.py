"""A storm of hostile requests against running servers: several connections, good requests between.

What is looked at in the end: whether any process died or was replaced, the count of each status,
whether every good request was answered well, and how the resident memory of workers and learner
grew between the end of a warm-up and the end.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from server.local import LocalServer, children_of, wait_until
from tests.faults.hostile_requests import CATALOG, TITLES, Hostile

CLIENT_KEY: Final = "client-key-of-the-storm"
ADMIN_KEY: Final = "admin-key-of-the-storm-"
SETTINGS: Final = {
    "MARQUEE__AUTH__CLIENT_KEYS": f'["{CLIENT_KEY}"]',
    "MARQUEE__AUTH__ADMIN_KEYS": f'["{ADMIN_KEY}"]',
    "MARQUEE__SERVER__WORKERS": "2",
    # Short windows: what is open at the learner comes to its full number within the warm-up.
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "14",
    "MARQUEE__SURFACES__ROWS__MODEL__BITS": "14",
    # A machine that is busy besides is not what is tried here.
    "MARQUEE__LOG__RANK_COMMIT_TIMEOUT_S": "30",
}
GOOD_EVERY: Final = 20
"""After so many hostile requests a connection sends a good one."""
WAIT_S: Final = 60.0
CLOSED: Final = 0
"""Counted in a status' place where the server closed the connection without a word."""


class Seen(NamedTuple):
    """What a storm saw."""

    statuses: Counter[int]
    by_kind: Counter[tuple[str, int]]
    goods: list[int]
    """The statuses of good requests."""
    bad_goods: list[str]
    """Answers to good requests that were not well."""
    server_errors: list[str]
    """The first requests that were answered by 5xx, or not at all where they should have been."""


class Wire:
    """One connection, opened anew whenever it is of no more use."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 0)
        self._socket: socket.socket | None = None

    def exchange(self, data: bytes, *, ends: bool = False) -> tuple[int, bytes]:
        """Send a request as it is; return the status and the body of the answer.

        A kept connection may be closed at any time (RFC 9112, 9.3): then it is sent once more.
        """
        is_kept = self._socket is not None
        status, body = self._exchange(data, ends=ends)
        if status == CLOSED and is_kept and not ends:
            status, body = self._exchange(data, ends=ends)
        return status, body

    def _exchange(self, data: bytes, *, ends: bool) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=WAIT_S)
        status, body, closes = CLOSED, b"", True
        # A server that refuses a body unread closes while it is still being sent.
        with suppress(ConnectionError):
            with suppress(ConnectionError):
                self._socket.sendall(data)
                if ends:
                    self._socket.shutdown(socket.SHUT_WR)
            status, body, closes = _answer(self._socket)
        if closes or ends or status == CLOSED:
            self.close()
        return status, body

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _answer(connection: socket.socket) -> tuple[int, bytes, bool]:
    """Read one answer; return status, body, and whether the server closes after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return CLOSED, data, True
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head[9:12])
    if status == 100:
        return _answer(connection)
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    length = int(found[1]) if found and status not in (204, 304) else 0
    while len(body) < length:
        part = connection.recv(65_536)
        if not part:
            return CLOSED, body, True
        body += part
    return status, body, re.search(rb"\r\nconnection: *close", head, re.IGNORECASE) is not None


def call(url: str, method: str, path: str, value: object, key: str = ADMIN_KEY) -> tuple[int, Any]:
    """Send one good request in JSON over a connection of its own."""
    wire = Wire(url)
    try:
        status, body = wire.exchange(_good(method, path, value, key))
    finally:
        wire.close()
    return status, msgspec.json.decode(body) if body else None


def _good(method: str, path: str, value: object, key: str) -> bytes:
    body = msgspec.json.encode(value)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


GOOD_PAGE: Final[Mapping[str, Any]] = {
    "viewer_id": "good",
    "context": {"hour": 3},
    "rows": [{"id": "good-row", "titles": [{"id": "mine", "artworks": [{"id": "a"}]}]}],
    "titles": TITLES[:2],
}


class _Sender:
    """One connection of the storm."""

    def __init__(
        self, url: str, hostile: Hostile, name: str, seen: Seen, one_at_a_time: threading.Lock
    ) -> None:
        self._wire = Wire(url)
        self._hostile = hostile
        self._name = name
        self._seen = seen
        self._one_at_a_time = one_at_a_time
        self._sent = 0

    def send(self, count: int) -> None:
        """Send so many hostile requests."""
        for _ in range(count):
            request = self._hostile.next()
            with self._one_at_a_time if request.goes_alone else nullcontext():
                status, body = self._wire.exchange(request.data, ends=request.ends)
            self._seen.statuses[status] += 1
            self._seen.by_kind[request.kind, status] += 1
            if status >= 500 or (status == CLOSED and request.kind != "heads"):
                self._tell(f"{status} {body[:300]!r} to {request.data[:1500]!r}")
            self._sent += 1
            if self._sent % GOOD_EVERY == 0:
                self._send_good()
        self._wire.close()

    def _tell(self, what: str) -> None:
        if len(self._seen.server_errors) < 20:
            self._seen.server_errors.append(what)

    def _send_good(self) -> None:
        status, body = self._wire.exchange(_good("POST", "/v1/rank", GOOD_PAGE, CLIENT_KEY))
        answer = msgspec.json.decode(body) if status == 201 else {}
        self._seen.goods.append(status)
        if not answer.get("logged") or answer["rows"][0]["titles"][0]["artwork"] != "a":
            self._seen.bad_goods.append(f"rank: {status} {body[:300]!r}")
            return
        event = {
            "event_id": f"good-{self._name}-{self._sent}",
            "decision_id": answer["decision_id"],
            "type": "click",
            "title": "mine",
        }
        report = _good("POST", "/v1/feedback", {"events": [event]}, CLIENT_KEY)
        status, body = self._wire.exchange(report)
        self._seen.goods.append(status)
        if status != 202 or msgspec.json.decode(body)["accepted"] != 1:
            self._seen.bad_goods.append(f"feedback: {status} {body[:300]!r}")


class Storm:
    """Hostile requests over several connections, each with a source of its own."""

    def __init__(self, server: LocalServer, seed: int, connections: int) -> None:
        status, _ = call(server.url, "PUT", "/v1/catalog", CATALOG)
        assert status == 200, status
        status, decision = call(server.url, "POST", "/v1/rank", GOOD_PAGE)
        assert status == 201, status
        self.seens = [Seen(Counter(), Counter(), [], [], []) for _ in range(connections)]
        one_at_a_time = threading.Lock()
        self._senders = [
            _Sender(
                server.url,
                Hostile(f"{seed}/{index}", CLIENT_KEY, ADMIN_KEY, decision),
                f"{seed}-{index}",
                seen,
                one_at_a_time,
            )
            for index, seen in enumerate(self.seens)
        ]

    def blow(self, count: int) -> None:
        """Send so many requests over all connections together."""
        each = -(-count // len(self._senders))
        failures: list[BaseException] = []
        threads = [
            threading.Thread(target=_caught, args=(lambda one=one: one.send(each), failures))
            for one in self._senders
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]


def together(storms: Iterable[Storm]) -> Seen:
    """Return what all connections of all storms saw."""
    seens = [seen for storm in storms for seen in storm.seens]
    statuses, by_kind = Counter[int](), Counter[tuple[str, int]]()
    for one in seens:
        statuses += one.statuses
        by_kind += one.by_kind
    goods = [status for one in seens for status in one.goods]
    bad_goods = [line for one in seens for line in one.bad_goods]
    errors = [line for one in seens for line in one.server_errors]
    return Seen(statuses, by_kind, goods, bad_goods, errors)


def _caught(run: Callable[[], None], failures: list[BaseException]) -> None:
    try:
        run()
    except BaseException as error:  # noqa: BLE001 - raised again in the main thread
        failures.append(error)


def processes_of(server: LocalServer) -> dict[str, int]:
    """Return the pids of workers and learner by their names."""
    pids = {}
    for child in children_of(server.pid):
        command = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
        if "learner_process" in command:
            pids["learner"] = child
        elif "gunicorn" in command:
            for index, worker in enumerate(children_of(child)):
                pids[f"worker {index}"] = worker
    return pids


def memory_kb(pid: int) -> int:
    """Return the resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def wait_for_rest(url: str) -> None:
    """Wait until the learner has closed all decisions and caught up."""

    def rests() -> bool:
        status, answer = call(url, "GET", "/v1/status", None)
        learner = answer["learner"] if status == 200 else None
        return learner is not None and learner["open_decisions"] == 0

    wait_until(rests, WAIT_S, "rest at the learner")


def fill_caches(url: str, pages: int) -> None:
    """Have pages decided, each with features that nobody has seen before.

    They are as long as those that workers still keep: the caches are full once and for all.
    """
    wire = Wire(url)
    for page in range(pages):
        unseen = [f"{page:05}.{index:03}." for index in range(250)]
        strings = {name.ljust(47, "n"): name.ljust(48, "v") for name in unseen[:200]}
        context = strings | {name.ljust(96, "n"): 0.5 for name in unseen[200:]}
        status, _ = wire.exchange(
            _good("POST", "/v1/rank", {**GOOD_PAGE, "context": context}, CLIENT_KEY)
        )
        assert status == 201, status
        if page % 10 == 9:
            # Another connection may come to another worker.
            wire.close()
    wire.close()
