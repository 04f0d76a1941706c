"""The load generator: what it charges to a stall, what it counts as an error, and that it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks import load_generator
from benchmarks.connections import connections_of, open_connections, spread
from benchmarks.load import ID_PLACE, LoadResult, Pace, Target, run_load
from benchmarks.load_generator import generate
from tests.benchmarks.scripted_server import STALL_S, Scripted, server_of


@pytest.fixture
def script() -> Scripted:
    return Scripted()


@pytest.fixture
def port(script: Scripted) -> Iterator[int]:
    with server_of(script) as port:
        yield port


def target(port: int, *bodies: bytes) -> Target:
    return Target(port, "POST", "/", {}, bodies or (b"good",), 201)


def test_a_stall_is_charged_to_every_request_that_it_delays(script: Scripted, port: int) -> None:
    script.stall_at = 50
    # Fewer connections than requests that come due meanwhile: most could not even be sent.
    result = generate(target(port), Pace(4, 1.0, rate_per_s=200.0))
    assert result.errors == 0
    assert result.requests == 200
    until_s = script.stalled_from_s + STALL_S
    delayed = (result.due_s > script.stalled_from_s) & (result.due_s < until_s)
    assert delayed.sum() >= 30
    assert (result.due_s + result.latencies_s)[delayed].min() >= until_s
    assert result.percentile_ms(100) >= 0.9 * STALL_S * 1e3


def test_requests_are_due_evenly_whatever_the_server_does(script: Scripted, port: int) -> None:
    script.stall_at = 20
    result = generate(target(port), Pace(2, 0.5, rate_per_s=100.0))
    assert np.allclose(np.diff(np.sort(result.due_s)), 0.01)


def test_answers_of_another_status_are_errors(script: Scripted, port: int) -> None:
    result = generate(target(port, b"good", b"bad"), Pace(2, 0.5, rate_per_s=40.0))
    assert result.requests == 20
    assert result.errors == 10
    with pytest.raises(RuntimeError, match="10 of 20 requests failed"):
        result.checked()


def test_each_request_has_an_id_of_its_own_the_same_in_all_its_places(
    script: Scripted, port: int
) -> None:
    body = b"one " + ID_PLACE + b" two " + ID_PLACE
    for _ in range(2):
        generate(target(port, body), Pace(2, 0.2, rate_per_s=50.0)).checked()
    names = []
    for content in script.bodies:
        _, one, _, two = content.split()
        assert one == two
        assert len(one) == len(ID_PLACE)
        names.append(one)
    assert len(set(names)) == len(names) == 20


def test_a_hung_up_connection_is_an_error_and_replaced(script: Scripted, port: int) -> None:
    script.hang_up = True
    result = generate(target(port), Pace(1, 0.3, rate_per_s=20.0))
    assert result.errors >= result.requests == 6


def test_a_server_that_never_answers_does_not_hold_the_generator_up(
    script: Scripted, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_generator, "GRACE_S", 0.2)
    script.hang.clear()
    # Had it waited, the server's answers would have come in the end, and been no errors.
    result = generate(target(port), Pace(2, 0.2, rate_per_s=50.0))
    # Those that were never sent are charged as well.
    assert result.requests == result.errors == 10
    assert result.latencies_s.min() >= 0.2


def test_a_closed_loop_sends_again_once_answered(script: Scripted, port: int) -> None:
    result = run_load(target(port), Pace(2, 0.3)).checked()
    assert result.requests == len(script.bodies)
    assert result.seconds >= 0.3
    assert result.cpu_share > 0


def test_a_generator_that_fails_tells_why() -> None:
    with pytest.raises(RuntimeError, match="ConnectionRefusedError"):
        run_load(target(1), Pace(1, 0.1))


def test_nothing_sent_is_no_result() -> None:
    nothing = np.empty(0)
    with pytest.raises(RuntimeError, match="0 of 0"):
        LoadResult(0, 1.0, nothing, nothing, nothing, 0.0).checked()


def test_connections_belong_to_the_process_that_accepted_them(port: int) -> None:
    opened = open_connections(port, 3, [os.getpid()])
    try:
        assert set(connections_of(opened, [os.getpid()]).values()) == {os.getpid()}
        assert spread(port, [os.getpid()]) == [3]
    finally:
        for one in opened:
            one.close()
