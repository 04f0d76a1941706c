"""A worker with more to do than it may take on: who waits, who is refused, who goes past."""

from __future__ import annotations

import fcntl
import json
import selectors
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.client_socket import PATIENCE_S
from server.local import wait_until
from tests.server.test_inline_worker import GET, MAIN, WAIT_S, Caller, Gunicorn, rank
from tests.server.thread_telling_app import threads

pytestmark = pytest.mark.processes

WAITING_MAX = 3
FEEDBACK = "/v1/feedback"
READYZ = GET.replace(b"livez", b"readyz")


@pytest.fixture(scope="module")
def gunicorn() -> Iterator[Gunicorn]:
    running = Gunicorn(workers=1, waiting_max=WAITING_MAX)
    yield running
    running.stop()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Held:
    """What requests wait for that say so: a file's lock."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "held"
        self.file = self.path.open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def request(self, body: bytes = b"") -> bytes:
        return rank(body, FEEDBACK, X_Until=str(self.path))

    def release(self) -> None:
        """Let all go on."""
        self.file.close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    held = Held(tmp_path)
    yield held
    held.release()


def callers(gunicorn: Gunicorn, stack: ExitStack, count: int) -> list[Caller]:
    return [stack.enter_context(Caller(gunicorn.address)) for _ in range(count)]


def fill(gunicorn: Gunicorn, stack: ExitStack, held: Held) -> list[Caller]:
    """Have all threads of the pool held."""
    holding = callers(gunicorn, stack, threads)
    probe = stack.enter_context(Caller(gunicorn.address))
    for each in holding:
        each.send(held.request())
    wait_until(lambda: probe.ask(GET)[1] == MAIN, WAIT_S, "a full pool")
    return holding


def first_answered(callers: list[Caller], count: int) -> list[Caller]:
    """Wait until so many are answered; return them."""
    with selectors.DefaultSelector() as selector:
        for each in callers:
            selector.register(each.socket, selectors.EVENT_READ, each)
        wait_until(lambda: len(selector.select(0)) >= count, WAIT_S, "answers")
        return [key.data for key, _ in selector.select(0)]


def test_past_the_limit_requests_are_refused_and_nobody_else_is_held_up(
    gunicorn: Gunicorn, stack: ExitStack, held: Held
) -> None:
    caller = stack.enter_context(Caller(gunicorn.address))
    assert caller.ask(GET)[1] != MAIN
    holding = fill(gunicorn, stack, held)
    more = callers(gunicorn, stack, 3 * WAITING_MAX)
    for each in more:
        each.send(rank(path=FEEDBACK))
    refused = first_answered(more, len(more) - WAITING_MAX)
    assert len(refused) == len(more) - WAITING_MAX
    for each in refused:
        head, body = each.whole_answer()
        assert head.startswith(b"HTTP/1.1 503")
        assert b"\r\nRetry-After: 1" in head
        assert b"\r\nContent-Type: application/problem+json" in head
        assert json.loads(body)["hint"]
        assert each.socket.recv(10) == b"", "the connection ends"

    for _ in range(3):
        assert caller.ask(rank())[1] == MAIN
        assert caller.ask(GET)[1] == MAIN
        assert caller.ask(READYZ)[1] == MAIN
    held.release()
    for each in [*holding, *(each for each in more if each not in refused)]:
        each.socket.settimeout(WAIT_S)
        assert each.answer()[1] != MAIN
    wait_until(lambda: caller.ask(GET)[1] != MAIN, WAIT_S, "an idle pool")


def test_long_requests_leave_half_of_the_threads_to_others(
    gunicorn: Gunicorn, stack: ExitStack, held: Held
) -> None:
    caller = stack.enter_context(Caller(gunicorn.address))
    long = callers(gunicorn, stack, threads)
    for each in long:
        each.send(held.request(b"z" * 70_000))
    for _ in range(10):
        assert caller.ask(GET)[1] != MAIN
    held.release()
    assert sum(each.answer()[2] for each in long) == threads * 70_000


def test_slow_senders_of_long_bodies_leave_half_of_the_threads_to_others(
    gunicorn: Gunicorn, stack: ExitStack
) -> None:
    caller = stack.enter_context(Caller(gunicorn.address))
    caller.socket.settimeout(PATIENCE_S / 2)
    for each in callers(gunicorn, stack, threads):
        each.send(rank(b"z" * 70_000, FEEDBACK)[:500])
    for _ in range(10):
        assert caller.ask(GET)[1] != MAIN
