"""Saturation by wrk, or by the closed loop that takes its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from benchmarks import wrk
from benchmarks.load import ID_PLACE, Target
from benchmarks.wrk import Summary, generator_name, lua_script, parse, saturate
from tests.benchmarks.scripted_server import Scripted, server_of

OUTPUT = """Running 1s test @ http://127.0.0.1:1/
  1 threads and 2 connections
result: {"requests":1200,"micros":2000000,"status":3,"socket":0,"p50":1500,"p99":9000}
Requests/sec:    600.00
"""


@pytest.fixture
def script() -> Scripted:
    return Scripted()


@pytest.fixture
def port(script: Scripted) -> Iterator[int]:
    with server_of(script) as port:
        yield port


def target(port: int, *bodies: bytes) -> Target:
    return Target(port, "POST", "/", {"Content-Type": "text/plain"}, bodies, 201)


def test_the_summary_is_found_in_the_output() -> None:
    assert parse(OUTPUT) == Summary(1200, 2_000_000, 3, 0, 1500, 9000)


def test_output_without_a_summary_is_told() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused")


@pytest.mark.parametrize(("status", "socket"), [(1, 0), (0, 1)])
def test_refused_and_failed_requests_fail_the_benchmark(
    monkeypatch: pytest.MonkeyPatch, status: int, socket: int
) -> None:
    line = (
        f'result: {{"requests":9,"micros":9,"status":{status},"socket":{socket},"p50":1,"p99":1}}'
    )
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/wrk")
    monkeypatch.setattr(wrk, "_run_wrk", lambda *_: (line, []))
    with pytest.raises(RuntimeError, match=f"{status} were refused and {socket} failed"):
        saturate(target(1, b"x"), 2, 1.0)


def test_all_bodies_are_sent_with_ids_unique_over_runs(script: Scripted, port: int) -> None:
    bodies = (b'a\x00\xff" ' + ID_PLACE + b" " + ID_PLACE, b"b\\ " + ID_PLACE + b" end")
    for _ in range(2):
        found = saturate(target(port, *bodies), 2, 1.0)
        assert found.per_second > 0
        assert 0 < found.p50_ms <= found.p99_ms
    names = []
    kinds = set()
    for content in script.bodies:
        kind, one, two = content.split(b" ")
        kinds.add(kind)
        assert two == (b"end" if kind == b"b\\" else one)
        assert len(one) == len(ID_PLACE)
        assert one != ID_PLACE
        names.append(one)
    assert kinds == {b'a\x00\xff"', b"b\\"}
    assert len(set(names)) == len(names)


def test_a_refusal_is_noticed(port: int) -> None:
    with pytest.raises(RuntimeError):
        saturate(target(port, b"bad"), 2, 1.0)


def test_without_wrk_our_closed_loop_takes_its_place_and_says_so(
    script: Scripted, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "wrk is not installed" in generator_name(2)
    found = saturate(target(port, b"x " + ID_PLACE), 2, 0.3)
    assert found.per_second > 0
    assert len(set(script.bodies)) == len(script.bodies)


def test_the_script_is_ascii_whatever_the_body() -> None:
    text = lua_script(target(1, bytes(range(256))))
    assert text.isascii()
    assert "\\000\\001" in text
