"""The parts of our worker class by themselves, and what it relies on within gunicorn."""

from __future__ import annotations

import inspect
import selectors
import socket
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import Response, create
from gunicorn.workers.gthread import TConn, ThreadWorker

from bandit.config import load_config
from bandit.errors import ConfigError
from server.client_socket import ClientSocket
from server.connection_table import SPREAD, VAIN_WAITS, WAIT_S, ConnectionTable, Slot
from server.event_poller import EVENTS_A_TURN, EventPoller
from server.http_children import check_installed, http_child
from server.one_send import HeldHead, WholeAnswer
from server.open_files import CONNECTIONS_MAX, KEPT_FOR_OTHERS, connections_allowed
from server.strict_headers import STRICT


def claimed(table: ConnectionTable) -> Slot:
    slot = table.claim()
    assert slot is not None
    return slot


def test_gunicorn_is_as_our_worker_class_knows_it() -> None:
    """Another release may serve wrongly: read its threaded worker before allowing it."""
    assert version("gunicorn").split(".")[0] == "27"
    known = {
        "accept": ["self", "listener"],
        "finish_request": ["self", "conn", "fs"],
        "get_thread_pool": ["self"],
        "handle": ["self", "conn"],
        "handle_error": ["self", "req", "client", "addr", "exc"],
        "handle_request": ["self", "req", "conn"],
        "notify": ["self"],
        "on_client_socket_readable": ["self", "conn", "client"],
        "on_pending_socket_readable": ["self", "conn", "client"],
        "set_accept_enabled": ["self", "enabled"],
        "wait_for_and_dispatch_events": ["self", "timeout"],
        "_cap_keepalive": ["self", "deadline"],
    }
    for name, parameters in known.items():
        assert list(inspect.signature(getattr(ThreadWorker, name)).parameters) == parameters, name
    init = inspect.getsource(ThreadWorker.__init__)
    for name in ("method_queue", "keepalived_conns", "pending_conns", "nr_conns", "_accepting",
                 "max_keepalived"):  # fmt: skip
        assert f"self.{name} = " in init, name
    assert inspect.getsource(ThreadWorker.init_process).count("self.") == 4, "sets up three things"
    # The one object that stands in for a connection has just these.
    used = inspect.getsource(ThreadWorker.handle_request)
    assert {part.split(".")[1] for part in _words(used) if part.startswith("conn.")} == {
        "sock", "client", "server",
    }  # fmt: skip
    assert list(inspect.signature(TConn).parameters) == ["cfg", "sock", "client", "server"]
    assert list(inspect.signature(create).parameters)[:5] == [
        "req", "sock", "client", "server", "cfg",
    ]  # fmt: skip
    assert list(inspect.signature(Response).parameters) == ["req", "sock", "cfg"]
    assert list(inspect.signature(Request).parameters)[:3] == ["cfg", "unreader", "peer_addr"]
    assert IterUnreader(iter((b"a",))).read() == b"a"


def _words(source: str) -> list[str]:
    return source.replace(",", " ").replace("(", " ").replace(")", " ").split()


def test_a_worker_waits_while_another_has_fewer() -> None:
    table = ConnectionTable(3)
    mine, other = claimed(table), claimed(table)
    other.publish(0, accepting=True)
    mine.publish(SPREAD, accepting=True)
    assert not mine.lets_others_first(SPREAD - 1, now=0.0)
    assert mine.lets_others_first(SPREAD, now=0.0)
    assert not mine.lets_others_first(SPREAD, now=WAIT_S), "one wait, then the connection is taken"
    assert mine.lets_others_first(SPREAD, now=WAIT_S), "and the next one waits again"
    other.publish(1, accepting=True)
    assert not mine.lets_others_first(SPREAD, now=10.0)


def test_a_worker_that_does_not_accept_is_not_waited_for() -> None:
    table = ConnectionTable(3)
    mine, other = claimed(table), claimed(table)
    assert not mine.lets_others_first(5, now=0.0), "it has not begun to accept"
    other.publish(0, accepting=False)
    assert not mine.lets_others_first(5, now=0.0)
    other.publish(0, accepting=True)
    assert mine.lets_others_first(5, now=0.0)
    other.free()
    assert not mine.lets_others_first(5, now=1.0)


def test_a_hung_worker_is_waited_for_a_few_times_only() -> None:
    table = ConnectionTable(2)
    mine, hung = claimed(table), claimed(table)
    hung.publish(0, accepting=True)
    waits = [mine.lets_others_first(9, now=float(second)) for second in range(VAIN_WAITS + 5)]
    assert sum(waits) == VAIN_WAITS
    assert not waits[-1]
    hung.publish(0, accepting=True)
    assert mine.lets_others_first(9, now=1000.0), "it stirs again"


def test_surplus_is_given_up_for_workers_that_live() -> None:
    table = ConnectionTable(3)
    mine, idle, hung = claimed(table), claimed(table), claimed(table)
    for slot in (mine, idle, hung):
        slot.publish(0, accepting=True)
    assert mine.surplus(12) == 0, "nobody was seen to live yet"
    idle.publish(4, accepting=True)
    assert mine.surplus(12) == (12 - 4 - SPREAD) // 2
    idle.publish(12, accepting=True)
    assert mine.surplus(12) == 0


def test_slots_are_used_again() -> None:
    table = ConnectionTable(1)
    slot = claimed(table)
    assert table.claim() is None
    slot.free()
    assert table.claim() is not None


def test_a_turn_takes_a_bounded_number_of_events_in_a_fair_order() -> None:
    poller = EventPoller()
    pairs = [socket.socketpair() for _ in range(3 * EVENTS_A_TURN)]
    try:
        for reading, writing in pairs:
            poller.register(reading, 1, reading)
            writing.send(b".")
        seen: set[int] = set()
        for _ in range(3):
            events = poller.select(1.0)
            assert len(events) == EVENTS_A_TURN
            seen |= {key.fd for key, _ in events}
        assert len(seen) == len(pairs), "nobody comes twice before all came once"
        with pytest.raises(KeyError):
            poller.register(pairs[0][0], 1, None)
        for reading, _ in pairs:
            poller.unregister(reading)
        assert poller.select(0.0) == []
        with pytest.raises(KeyError):
            poller.unregister(pairs[0][0])
    finally:
        poller.close()
        for each in (end for pair in pairs for end in pair):
            each.close()


def test_a_file_is_watched_for_more_than_there_is() -> None:
    poller = EventPoller()
    reading, writing = socket.socketpair()
    with reading, writing:
        poller.register(reading, selectors.EVENT_READ, None)
        writing.send(b"a")
        assert poller.select(1.0)
        assert poller.select(1.0), "as long as it can be read"
        poller.watch_for_more(reading)
        assert poller.select(1.0), "once"
        assert poller.select(0.0) == []
        writing.send(b"b")
        assert poller.select(1.0)
        assert not poller.has_ended(reading)
        assert poller.select(0.0) == []
        writing.shutdown(socket.SHUT_WR)
        assert poller.select(1.0)
        assert poller.has_ended(reading)
        poller.unregister(reading)
        poller.register(reading, selectors.EVENT_WRITE, None)
        assert poller.select(1.0)[0][1] == selectors.EVENT_WRITE
        assert not poller.has_ended(reading)
    poller.close()


def client_socket(
    patience_s: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[ClientSocket, socket.socket]:
    monkeypatch.setattr("server.client_socket.PATIENCE_S", patience_s)
    monkeypatch.setattr("server.client_socket._LEAST_S", 0.001)
    accepted, theirs = socket.socketpair()
    ours = ClientSocket(accepted)
    ours.setblocking(True)
    return ours, theirs


def test_patience_with_a_client_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = client_socket(0.1, monkeypatch)
    with ours, theirs:
        theirs.send(b"abc")
        assert ours.recv(10) == b"abc"
        for _ in range(2):
            with pytest.raises(ConnectionResetError, match="too long"):
                ours.recv(10)
        ours.sendall(b"an answer that says so")
        assert theirs.recv(100) == b"an answer that says so"
        ours.renew_patience()
        with pytest.raises(ConnectionResetError, match="too long"):
            ours.sendall(b"." * 5_000_000)
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(10)


def test_a_trickle_does_not_renew_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = client_socket(0.2, monkeypatch)
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            theirs.send(b".")

    with ours, theirs:
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(ConnectionResetError, match="too long"):
                b"".join(iter(lambda: ours.recv(1), b""))
        finally:
            stop.set()
            thread.join()


def test_connections_leave_files_for_the_rest() -> None:
    assert connections_allowed(1024, 8) == 1024 - KEPT_FOR_OTHERS
    assert connections_allowed(65_536, 8) == CONNECTIONS_MAX
    assert connections_allowed(100, 8) == 16


def test_the_limit_of_open_files_is_raised() -> None:
    told = subprocess.run(
        [sys.executable, "-c",
         "import resource as r; from server.open_files import raise_open_files as f;"
         "r.setrlimit(r.RLIMIT_NOFILE, (200, 400)); print(f(), r.getrlimit(r.RLIMIT_NOFILE)[0])"],
        capture_output=True, check=True, cwd=Path(__file__).parents[2], text=True,
    )  # fmt: skip
    assert told.stdout.split() == ["400", "400"]


def test_a_head_leaves_with_what_follows() -> None:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with ours, theirs:
        held = HeldHead(ours)
        for piece in (b"head ", b"body ", b"more"):
            held.sendall(piece)
        held.flush()
        assert [theirs.recv(100) for _ in range(2)] == [b"head body ", b"more"]
        alone = HeldHead(ours)
        alone.sendall(b"head")
        alone.flush()
        alone.flush()
        assert theirs.recv(100) == b"head"
        assert alone.fileno() == ours.fileno()


HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "3"), ("X-Request-Id", "a/b:c")]


def by_gunicorn(status: str, headers: list[tuple[str, str]], body: bytes, *, keep: bool) -> bytes:
    """Return an answer as gunicorn's own response writes it."""
    head = b"POST /v1/rank HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
    request = Request(Config(), IterUnreader(iter((head,))), ("127.0.0.1", 1))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        response = Response(request, ours, Config())
        if not keep:
            response.force_close()
        response.start_response(status, headers)
        response.write(body)
        response.close()
        ours.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: theirs.recv(1 << 16), b""))


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("201 CREATED", [*HEADERS, *STRICT], b"abc"),
        ("503 SERVICE UNAVAILABLE", [*HEADERS, ("Retry-After", "1")], b"abc"),
        ("204 NO CONTENT", [("X-Request-Id", "d")], b""),
    ],
)
def test_whole_answers_are_those_of_gunicorn(
    status: str,
    headers: list[tuple[str, str]],
    body: bytes,
    keep: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.5)
    answer = WholeAnswer()
    answer.start_response(status, headers)
    whole = answer.contents([body[:1], body[1:]], (1, 1), keep=keep)
    assert whole == by_gunicorn(status, headers, body, keep=keep)
    monkeypatch.setattr("time.time", lambda: 1_700_000_001.0)
    later = answer.contents([body], (1, 1), keep=keep)
    assert later == whole.replace(b"22:13:20", b"22:13:21")


def test_a_body_of_no_announced_length_is_given_one() -> None:
    answer = WholeAnswer()
    answer.start_response("200 OK", [])
    assert b"\r\nContent-Length: 2\r\n\r\nab" in answer.contents([b"ab"], (1, 0), keep=False)


@pytest.mark.parametrize(
    ("status", "header"),
    [
        ("200 OK", ("X-A", "1\r\nSet-Cookie: b")),
        ("200 OK", ("X-A\r\nX-B", "1")),
        ("200 OK", ("X-A", "1\n")),
        ("200 OK", ("X A", "1")),
        ("200 OK", ("X-A", "\x00")),
        ("200 OK", ("X-A", "\u2028")),
        ("200 OK\r\nX-A: 1", ("X-B", "1")),
    ],
)
def test_no_head_is_sent_that_would_say_something_else(
    status: str, header: tuple[str, str]
) -> None:
    answer = WholeAnswer()
    answer.start_response(status, [header])
    with pytest.raises(ValueError, match="not lawful"):
        answer.contents([b""], (1, 1), keep=True)


def test_the_configured_http_server_is_run(tmp_path: Path) -> None:
    for name in ("gunicorn", "granian"):
        spec = http_child(name, {"A": "1"}, [7, 8], lambda: 1.0)
        module = f"server.{name}_process"
        assert (spec.name, spec.argv[2], spec.inherited) == (name, module, (7, 8))
        assert spec.environ["A"] == "1"


def test_an_http_server_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(None, {"MARQUEE__SERVER__HTTP_SERVER": "granian"})
    check_installed(config)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="granian is not installed") as caught:
        check_installed(config)
    assert caught.value.path == "server.http_server"
    assert "pip install 'marquee[fast]'" in caught.value.hint
