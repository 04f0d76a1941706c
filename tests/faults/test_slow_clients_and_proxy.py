"""Forty half-sent bodies, behind the proxy of examples/nginx.conf and without it.

Failure case 13. nginx is the real one. Latencies are compared within one run, turn by turn, so that
the machine's speed and what else it does are on both sides; what holds without a clock is told by
the connections that the service has.
"""

from __future__ import annotations

import functools
import http.client
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import pytest

from server.local import LocalServer, wait_until
from tests.docs.markdown import ROOT
from tests.faults.latencies import PAGE, Compared, check, p99_ms
from tests.faults.torture.world import free_port

pytestmark = pytest.mark.processes

WAIT_S = 60.0
HALF_SENT = 40
BODY_BYTES = 4_000
_CONF = ROOT / "examples" / "nginx.conf"


class Doors(NamedTuple):
    """Ports of a service, and of the proxy before it."""

    service: int
    proxy: int


def test_the_documented_proxy_is_what_nginx_takes_and_what_is_tested(tmp_path: Path) -> None:
    text = adapted(1, 2, tmp_path)
    assert "server 127.0.0.1:1;" in text
    assert "listen 127.0.0.1:2;" in text
    for setting in ("proxy_request_buffering on", "client_body_timeout", "client_max_body_size"):
        assert setting in text


def adapted(service: int, proxy: int, directory: Path) -> str:
    """Return the documented configuration with other ports and nothing else changed."""
    text, changes = re.subn(r"127\.0\.0\.1:8080", f"127.0.0.1:{service}", _CONF.read_text())
    assert changes == 1
    text, changes = re.subn(r"listen 8000;", f"listen 127.0.0.1:{proxy};", text)
    assert changes == 1
    (directory / "nginx.conf").write_text(text)
    return text


@contextmanager
def nginx(service: int, directory: Path) -> Iterator[int]:
    """Run nginx before a service, with its files in a directory of its own; give its port."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    port = free_port()
    directory.mkdir()
    adapted(service, port, directory)
    # A superuser's nginx would go on as somebody who cannot get at a test's directory.
    command = [program, "-p", str(directory), "-c", "nginx.conf", "-g", "daemon off; user root;"]
    with (directory / "errors").open("wb") as errors:
        running = subprocess.Popen(command, stdout=errors, stderr=errors)
        try:
            wait_until(lambda: answers(port), WAIT_S, "an answer of nginx")
            yield port
        finally:
            running.terminate()
            running.wait(WAIT_S)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory = tmp_path_factory.mktemp("service")
    settings = {
        "MARQUEE__SERVER__WORKERS": "2",
        "MARQUEE__SERVER__DRAIN_S": "0",
        "MARQUEE__SERVER__LOG_LEVEL": "warning",
    }
    with LocalServer(directory, settings=settings) as server:
        port = urlsplit(server.url).port
        assert port is not None
        yield port


@pytest.fixture(scope="module")
def doors(service: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with nginx(service, tmp_path_factory.mktemp("proxy") / "nginx") as proxy:
        yield Doors(service, proxy)


class HalfSent:
    """Clients who sent half a body, and go on by a byte now and then."""

    def __init__(self, port: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(HALF_SENT)]
        head = (
            "POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {BODY_BYTES}\r\n\r\n"
        )
        for one in self._sockets:
            one.sendall(head.encode() + b" " * (BODY_BYTES // 2))
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def _drip(self) -> None:
        while not self._leave.wait(0.2):
            for one in self._sockets:
                try:
                    one.send(b" ")
                except OSError:
                    # Cut off by whoever had enough of it.
                    continue

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join()
        for one in self._sockets:
            one.close()


def test_half_sent_bodies_behind_the_proxy_cost_the_others_nothing(doors: Doors) -> None:
    half_sent = functools.partial(HalfSent, doors.proxy)
    check(functools.partial(p99_ms, doors.proxy), half_sent, is_below_twice)


def test_half_sent_bodies_without_a_proxy_hold_no_thread(service: int) -> None:
    half_sent = functools.partial(HalfSent, service)
    check(functools.partial(p99_ms, service), half_sent, is_below_twice)


def is_below_twice(found: Compared) -> bool:
    return found.beset_ms < 2 * found.calm_ms


def connections_to(port: int) -> int:
    """Return how many connections to a port are open, seen from whoever opened them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    found = [line.split() for line in lines]
    return sum(one[2].endswith(f":{port:04X}") and one[3] == "01" for one in found)


def test_no_half_sent_body_reaches_the_service(doors: Doors) -> None:
    wait_until(lambda: connections_to(doors.service) <= 8, WAIT_S, "the others' leaving")
    with HalfSent(doors.proxy):
        for _ in range(3):
            p99_ms(doors.proxy)
            assert connections_to(doors.proxy) >= HALF_SENT
            # Kept by nginx for requests that are whole; fewer than half-sent ones by far.
            assert connections_to(doors.service) <= 8


def test_the_proxy_passes_on_what_clients_call_and_nothing_else(doors: Doors) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", doors.proxy, timeout=WAIT_S)

    def asked(method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status

    assert [asked("GET", path) for path in ("/metrics", "/v1/status", "/livez")] == [404] * 3
    assert asked("PUT", "/v1/catalog", b"{}") == 404
    assert asked("POST", "/v1/rank", PAGE, **{"Content-Type": "application/json"}) == 201
    batch = b'{"pages":[' + PAGE + b"]}"
    assert asked("POST", "/v1/rank/batch", batch, **{"Content-Type": "application/json"}) == 200
    # Larger than the service takes: refused before it comes to it.
    assert asked("POST", "/v1/rank", bytes(2_000_001)) == 413
    connection.close()
    chunked = http.client.HTTPConnection("127.0.0.1", doors.proxy, timeout=WAIT_S)
    chunked.request(
        "POST", "/v1/rank", iter([PAGE]), {"Content-Type": "application/json"}, encode_chunked=True
    )
    assert chunked.getresponse().status == 201
    chunked.close()
