"""Connections at their end and behind their answer, over real socket pairs."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from server.client_socket import PATIENCE_S, ClientSocket
from server.slow_clients import DISCARDED_MAX, LINGER_S, SlowClients
from server.whole_requests import Connection

WAIT_S = 30.0


class Worker:
    """What a worker does with its slow clients."""

    def __init__(self) -> None:
        self.poller = selectors.DefaultSelector()
        self.kept: list[Connection] = []
        self.dropped: list[Connection] = []
        self.slow = SlowClients(self.poller, self.kept.append, self._drop)
        self.clients: list[socket.socket] = []

    def _drop(self, conn: Connection) -> None:
        self.dropped.append(conn)
        conn.close()

    def connect(self) -> tuple[Connection, socket.socket]:
        client, server = socket.socketpair()
        client.settimeout(WAIT_S)
        self.clients.append(client)
        return Connection(Config(), ClientSocket(server), "", ""), client

    def turn(self) -> None:
        for key, _ in self.poller.select(0.01):
            key.data(key.fileobj)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for key in list(self.poller.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self.poller.close()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def test_an_ending_connection_waits_for_its_client_to_hang_up(worker: Worker) -> None:
    conn, client = worker.connect()
    worker.slow.linger(conn)
    assert client.recv(1) == b""
    client.sendall(b"more, unasked for")
    worker.turn()
    worker.slow.end_overdue(time.monotonic())
    assert worker.dropped == []
    client.close()
    for _ in range(3):
        worker.turn()
    assert worker.dropped == [conn]


def test_a_client_that_does_not_hang_up_is_waited_for_no_longer(worker: Worker) -> None:
    silent, _ = worker.connect()
    chatty, client = worker.connect()
    worker.slow.linger(silent)
    worker.slow.linger(chatty)
    client.setblocking(False)
    sent = 0
    while chatty not in worker.dropped and sent < 4 * DISCARDED_MAX:
        try:
            sent += client.send(b"x" * 65_536)
        except (BlockingIOError, BrokenPipeError):
            worker.turn()
    assert worker.dropped == [chatty]
    assert sent > DISCARDED_MAX
    worker.slow.end_overdue(time.monotonic() + LINGER_S)
    assert worker.dropped == [chatty, silent]


def test_a_client_that_has_gone_is_not_waited_for(worker: Worker) -> None:
    conn, client = worker.connect()
    conn.sock.close()
    client.close()
    worker.slow.linger(conn)
    assert worker.dropped == [conn]


@pytest.mark.parametrize("keep", [True, False])
def test_the_rest_of_an_answer_is_sent_as_the_client_takes_it(worker: Worker, keep: bool) -> None:
    conn, client = worker.connect()
    rest = bytes(range(256)) * 8_000
    worker.slow.send(conn, memoryview(rest), keep=keep)
    taken = b""
    client.setblocking(False)
    while len(taken) < len(rest):
        worker.turn()
        try:
            taken += client.recv(65_536)
        except BlockingIOError:
            continue
    worker.turn()
    assert taken == rest
    assert worker.kept == ([conn] if keep else [])
    if keep:
        conn.close()


def test_a_client_that_takes_nothing_is_cut_off(worker: Worker) -> None:
    conn, _ = worker.connect()
    worker.slow.send(conn, memoryview(b"z" * 10_000_000), keep=True)
    worker.turn()
    worker.slow.end_overdue(time.monotonic())
    assert worker.dropped == []
    worker.slow.end_overdue(time.monotonic() + 2 * PATIENCE_S)
    assert worker.dropped == [conn]
