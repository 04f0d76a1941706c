"""Our worker class under a real gunicorn: what is served where, and who gets which connection."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.client_socket import PATIENCE_S
from server.event_poller import EVENTS_A_TURN
from server.listening import listen
from server.local import children_of, wait_until

pytestmark = pytest.mark.processes

WAIT_S = 30.0
BODY = b"x" * 3000
MAIN = "MainThread"
GET = b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"
CONNECTIONS = 6
Served = tuple[int, str, int]


class Gunicorn:
    """gunicorn with the application that tells who served."""

    def __init__(
        self, workers: int, connections: int = 1000, timeout_s: int = 60, waiting_max: int = 256
    ) -> None:
        self._listener = listen("127.0.0.1", 0)
        self.address: tuple[str, int] = self._listener.getsockname()
        fd = self._listener.fileno()
        module = "tests.server.thread_telling_app"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", f"python:{module}", f"{module}:application"],
            env={
                **os.environ,
                "LISTEN_FD": str(fd),
                "WORKERS": str(workers),
                "CONNECTIONS": str(connections),
                "TIMEOUT_S": str(timeout_s),
                "WAITING_MAX": str(waiting_max),
            },
            pass_fds=(fd,),
            cwd=Path(__file__).parents[2],
        )
        wait_until(lambda: len(self.workers()) == workers, WAIT_S, "workers")
        # All have begun to accept once each of them has served.
        seen: set[int] = set()
        while len(seen) < workers:
            with Caller(self.address) as caller:
                seen.add(caller.ask(rank())[0])

    def workers(self) -> list[int]:
        return children_of(self.process.pid)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT_S)
        self._listener.close()


class Caller:
    """One connection, kept open."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=WAIT_S)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Served:
        """Read one answer; return the process, the thread and how long the body was."""
        head, body = self.whole_answer()
        assert head.startswith(b"HTTP/1.1 200"), head
        pid, thread, length, _ = body.decode().split(" ", 3)
        return int(pid), thread, int(length)

    def whole_answer(self) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, body = data.split(b"\r\n\r\n", 1)
        (length,) = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ]
        while len(body) < length:
            body += self._more()
        return head, body

    def _more(self) -> bytes:
        data = self.socket.recv(65_536)
        assert data, "closed"
        return data

    def ask(self, request: bytes) -> Served:
        self.send(request)
        return self.answer()


def rank(body: bytes = BODY, path: str = "/v1/rank", **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def one() -> Iterator[Gunicorn]:
    gunicorn = Gunicorn(workers=1)
    yield gunicorn
    gunicorn.stop()


@pytest.fixture
def caller(one: Gunicorn) -> Iterator[Caller]:
    with Caller(one.address) as caller:
        yield caller


@pytest.fixture
def few() -> Iterator[Gunicorn]:
    gunicorn = Gunicorn(workers=1, connections=CONNECTIONS)
    yield gunicorn
    gunicorn.stop()


@pytest.fixture
def three() -> Iterator[Gunicorn]:
    gunicorn = Gunicorn(workers=3)
    yield gunicorn
    gunicorn.stop()


def test_whole_ranks_are_served_on_the_main_thread(caller: Caller) -> None:
    for body in (BODY, BODY, b"", b"y" * 50_000):
        _, thread, length = caller.ask(rank(body))
        assert (thread, length) == (MAIN, len(body))


def test_everything_else_goes_to_the_pool(caller: Caller) -> None:
    others = [
        b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n",
        rank(path="/v1/rank/batch"),
        rank(path="/v1/rank?x=1"),
        rank(b"z" * 70_000),
        b"POST /v1/rank HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n",
    ]
    for request in others:
        assert caller.ask(request)[1] != MAIN
        assert caller.ask(rank())[1:] == (MAIN, len(BODY))


def test_ranks_that_would_wait_go_to_the_pool(caller: Caller) -> None:
    assert caller.ask(rank(X_Ranks="wait"))[1] == MAIN
    for _ in range(2):
        assert caller.ask(rank())[1] != MAIN
    assert caller.ask(rank(X_Ranks="go"))[1] != MAIN
    assert caller.ask(rank())[1] == MAIN


def test_a_long_turn_does_not_look_like_a_dead_worker() -> None:
    gunicorn = Gunicorn(workers=1, timeout_s=2)
    (worker,) = gunicorn.workers()
    with ExitStack() as stack:
        callers = burst(gunicorn, stack, EVENTS_A_TURN + 1)
        spread(callers)
        for each in callers:
            each.send(rank(X_Lasts="0.5"))
        assert {each.answer()[:2] for each in callers} == {(worker, MAIN)}
    gunicorn.stop()


def test_an_expectation_is_answered_before_the_body_comes(caller: Caller) -> None:
    head, body = rank(Expect="100-continue").split(b"\r\n\r\n", 1)
    caller.send(head + b"\r\n\r\n")
    assert caller.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.send(body)
    _, thread, length = caller.answer()
    assert thread != MAIN
    assert length == len(BODY)


def test_pipelined_requests_are_answered_in_order(caller: Caller) -> None:
    caller.send(rank(b"1") + rank(b"22") + rank(b"333"))
    lengths: list[bytes] = []
    data = b""
    while len(lengths) < 3:
        data += caller.socket.recv(65_536)
        lengths = [
            part.split(b"\r\n\r\n")[1].split(b" ")[2] for part in data.split(b"HTTP/1.1 200")[1:]
        ]
    assert lengths == [b"1", b"2", b"3"]


def test_half_a_request_holds_nobody_up(one: Gunicorn, caller: Caller) -> None:
    with ExitStack() as stack:
        for cut in (10, 40, len(rank()) - 1):
            slow = stack.enter_context(Caller(one.address))
            slow.send(rank()[:cut])
            for _ in range(5):
                assert caller.ask(rank())[1] == MAIN
            slow.send(rank()[cut:])
            assert slow.answer()[2] == len(BODY)


def test_a_client_that_does_not_read_holds_nobody_up(one: Gunicorn, caller: Caller) -> None:
    more = 30_000_000
    with Caller(one.address) as lazy:
        lazy.send(rank(X_More=str(more)))
        for _ in range(20):
            assert caller.ask(rank())[1] == MAIN
        _, body = lazy.whole_answer()
        assert len(body) > more
        assert lazy.ask(rank())[1] == MAIN, "the connection is kept, and served at once again"


def test_more_slow_clients_than_threads_hold_nobody_up(one: Gunicorn, caller: Caller) -> None:
    feedback = rank(path="/v1/feedback")
    with ExitStack() as stack:
        senders = [(rank(), cut) for cut in (10, 40, len(rank()) - 1)]
        senders += [(feedback, cut) for cut in (10, 40, len(feedback) - 1)]
        slow = [(stack.enter_context(Caller(one.address)), *each) for each in senders]
        lazy = [stack.enter_context(Caller(one.address)) for _ in senders]
        for each, request, cut in slow:
            assert each.ask(rank())[1] == MAIN
            each.send(request[:cut])
        for each in lazy:
            each.send(rank(X_More="30000000"))
        caller.socket.settimeout(PATIENCE_S / 2)
        for _ in range(5):
            assert caller.ask(rank())[1] == MAIN
            assert caller.ask(GET)[1] != MAIN
        for each, request, cut in slow:
            each.send(request[cut:])
            assert each.answer()[2] == len(BODY)
            assert each.ask(GET)[1] != MAIN


def test_half_a_request_that_ends_goes_to_the_pool_at_once(one: Gunicorn) -> None:
    for cut in (40, len(rank()) - 1):
        with Caller(one.address) as ending:
            ending.socket.settimeout(PATIENCE_S / 2)
            ending.send(rank()[:cut])
            ending.socket.shutdown(socket.SHUT_WR)
            while ending.socket.recv(65_536):
                pass


def test_a_worker_with_no_room_for_files_waits_for_some(one: Gunicorn) -> None:
    (worker,) = one.workers()
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    files = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (files + 3, before[1]))
    try:
        with ExitStack() as stack:
            first = [stack.enter_context(Caller(one.address)) for _ in range(3)]
            for each in first:
                each.ask(rank())
            second = [stack.enter_context(Caller(one.address)) for _ in range(3)]
            for each in second:
                each.send(rank())
            assert cpu_share(worker) < 0.5
            for ended, each in zip(first, second, strict=True):
                ended.socket.close()
                assert each.answer()[0] == worker
    finally:
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
    assert one.workers() == [worker]


def test_a_worker_takes_no_more_connections_than_it_may(few: Gunicorn) -> None:
    (worker,) = few.workers()
    with ExitStack() as stack:
        first = [stack.enter_context(Caller(few.address)) for _ in range(CONNECTIONS)]
        for each in first:
            each.ask(rank())
        second = [stack.enter_context(Caller(few.address)) for _ in range(3)]
        for each in second:
            each.send(rank())
        assert cpu_share(worker) < 0.5
        for each in second:
            each.socket.settimeout(0.01)
            with pytest.raises(TimeoutError):
                each.socket.recv(1)
        for each in first:
            each.socket.close()
        for each in second:
            each.socket.settimeout(WAIT_S)
            assert each.answer()[0] == worker


def cpu_share(pid: int, seconds: float = 0.5) -> float:
    """Measure the share of a processor that a process takes while nothing happens."""

    def spent() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = spent()
    time.sleep(seconds)
    return (spent() - before) / seconds


def test_heads_that_gunicorn_refuses_are_refused(one: Gunicorn, caller: Caller) -> None:
    assert caller.ask(rank())[1] == MAIN
    for header in ("Content_Length", "X_Spaced "):
        with Caller(one.address) as wrong:
            request = rank().replace(b"Host: here", b"Host: here\r\n" + header.encode() + b": 3")
            wrong.send(request.replace(b"Content_Length", b"Content-Length"))
            assert wrong.whole_answer()[0].startswith(b"HTTP/1.1 400")
    assert caller.ask(rank())[1] == MAIN


def test_a_fault_of_the_application_ends_one_connection(one: Gunicorn, caller: Caller) -> None:
    with Caller(one.address) as failing:
        failing.send(rank(X_Fail="1"))
        assert failing.whole_answer()[0].startswith(b"HTTP/1.1 500")
        assert failing.socket.recv(10) == b""
    assert caller.ask(rank())[1] == MAIN


def test_a_client_can_ask_to_close(one: Gunicorn) -> None:
    with Caller(one.address) as caller:
        assert caller.ask(rank(Connection="close"))[1] == MAIN
        assert caller.socket.recv(10) == b""


def test_answers_come_in_one_piece(caller: Caller) -> None:
    for request in (rank(), b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"):
        caller.send(request)
        assert b"\r\n\r\n" in (piece := caller.socket.recv(65_536))
        assert piece.split(b"\r\n\r\n")[1], "the body came with the head"


def test_an_ending_worker_answers_and_says_so() -> None:
    gunicorn = Gunicorn(workers=1)
    with Caller(gunicorn.address) as caller:
        caller.ask(rank())
        gunicorn.process.terminate()
        head, _ = _answer_after(caller, lambda head: b"Connection: close" in head)
        assert head.startswith(b"HTTP/1.1 200")
    gunicorn.stop()
    assert gunicorn.process.returncode == 0


def _answer_after(caller: Caller, wanted: Callable[[bytes], bool]) -> tuple[bytes, bytes]:
    end = time.monotonic() + WAIT_S
    while True:
        caller.send(rank())
        head, body = caller.whole_answer()
        if wanted(head):
            return head, body
        assert time.monotonic() < end


def spread(callers: list[Caller]) -> Counter[int]:
    for caller in callers:
        caller.send(rank())
    return Counter(caller.answer()[0] for caller in callers)


def burst(gunicorn: Gunicorn, stack: ExitStack, count: int = 30) -> list[Caller]:
    return [stack.enter_context(Caller(gunicorn.address)) for _ in range(count)]


def test_connections_are_shared_evenly(three: Gunicorn) -> None:
    with ExitStack() as stack:
        shares = spread(burst(three, stack))
        assert len(shares) == 3
        assert max(shares.values()) - min(shares.values()) <= 4


def test_a_stopped_worker_keeps_no_connection_from_the_others(three: Gunicorn) -> None:
    stopped = three.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            shares = spread(burst(three, stack))
            assert set(shares) == set(three.workers()) - {stopped}
            assert min(shares.values()) >= 10
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_a_killed_worker_keeps_no_connection_from_the_others(three: Gunicorn) -> None:
    with ExitStack() as stack:
        callers = burst(three, stack)
        before = spread(callers)
        killed = three.workers()[0]
        os.kill(killed, signal.SIGKILL)
        shares = spread(burst(three, stack))
        assert sum(shares.values()) == 30
        assert killed not in shares
        wait_until(lambda: len(three.workers()) == 3, WAIT_S, "a new worker")
        assert killed in before


def test_surplus_connections_move_to_a_new_worker(three: Gunicorn) -> None:
    with ExitStack() as stack:
        killed = three.workers()[0]
        os.kill(killed, signal.SIGKILL)
        callers = burst(three, stack)
        wait_until(lambda: len(three.workers()) == 3, WAIT_S, "a new worker")
        end = time.monotonic() + WAIT_S
        while True:
            shares: Counter[int] = Counter()
            for at, caller in enumerate(callers):
                caller.send(rank())
                head, body = caller.whole_answer()
                shares[int(body.split()[0])] += 1
                if b"Connection: close" in head:
                    caller.socket.close()
                    callers[at] = stack.enter_context(Caller(three.address))
            if len(shares) == 3 and min(shares.values()) >= 6:
                break
            assert time.monotonic() < end, shares
