"""Bodies that mean harm: wrong lengths, bombs, broken encodings. Over a real gunicorn worker.

Failure cases 10, 11 and 12: a refusal of the right status, quickly, with memory where it was, and
the next request served as ever.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
GOOD = msgspec.json.encode({"rows": [{"id": "noir"}]})
JSON, MSGPACK = "application/json", "application/msgpack"
ANSWER_S_MAX = 0.05
MEMORY_GROWTH_KB_MAX = 32_768


class Worker(NamedTuple):
    """A running gunicorn with one worker."""

    port: int
    master_pid: int

    def memory_kb(self) -> int:
        """Resident memory of the worker process."""
        children = Path(f"/proc/{self.master_pid}/task/{self.master_pid}/children").read_text()
        status = Path(f"/proc/{children.split()[0]}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1])


class Answer(NamedTuple):
    status: int
    body: bytes
    seconds: float


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    errors = tmp_path_factory.mktemp("gunicorn") / "errors.log"
    listener = socket.create_server(("127.0.0.1", 0))
    command = [
        sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}",
        "--workers", "1", "--worker-class", "gthread", "--threads", "4",
        "--no-control-socket", "--log-file", str(errors),
        "tests.server.edge_service:served_app()",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, pass_fds=[listener.fileno()])
    port = listener.getsockname()[1]
    try:
        # The listener queues connections until the worker is there to take them.
        assert request(port, GOOD, wait_s=60.0).status == 201, errors.read_text()
        yield Worker(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)
        listener.close()


def request(
    port: int, body: bytes, kind: str = JSON, *, path: str = "/v1/rank", wait_s: float = 20.0
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=wait_s)
    try:
        started = time.perf_counter()
        connection.request("POST", path, body, {"Content-Type": kind})
        response = connection.getresponse()
        content = response.read()
        return Answer(response.status, content, time.perf_counter() - started)
    finally:
        connection.close()


def raw(port: int, head: str, body: bytes = b"", *, half_close: bool = False) -> int:
    """Send bytes as they are; return the status of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + body)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection)
        response.begin()
        response.read()
        return response.status


def head(*lines: str) -> str:
    start = ["POST /v1/rank HTTP/1.1", "Host: localhost", f"Content-Type: {JSON}"]
    return "\n".join([*start, *lines, "", ""])


def chunked(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "body", "half_close", "status"),
    [
        (["Transfer-Encoding: chunked"], chunked(GOOD), False, 411),
        ([], b"", False, 411),
        (["Content-Length: 2000001"], b"", False, 413),
        ([f"Content-Length: {'9' * 400}"], b"", False, 413),
        (["Content-Length: ten"], b"", False, 400),
        (["Content-Length: -5"], b"", False, 400),
        (["Content-Length: 1e3"], b"", False, 400),
        (["Content-Length: 5", "Content-Length: 6"], GOOD, False, 400),
        (["Content-Length: 30", "Transfer-Encoding: chunked"], chunked(GOOD), False, 400),
        ([f"Content-Length: {len(GOOD) + 10}"], GOOD, True, 400),
        (["Content-Length: 0"], b"", False, 400),
        ([f"Content-Length: {len(GOOD)}"], GOOD, False, 201),
    ],
)
def test_a_body_needs_a_true_and_bounded_length(
    worker: Worker, lines: list[str], body: bytes, half_close: bool, status: int
) -> None:
    assert raw(worker.port, head(*lines), body, half_close=half_close) == status
    assert request(worker.port, GOOD).status == 201


def test_a_chunked_activation_is_refused_too(worker: Worker) -> None:
    start = "POST /v1/decisions/d/activate HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"
    assert raw(worker.port, start, chunked(b"x")) == 411


DEEP = 300_000
MAP, ARRAY32 = b"\x81", b"\xdd\xff\xff\xff\xff"


def keyed(name: str, value: bytes) -> bytes:
    return MAP + msgspec.msgpack.encode(name) + value


def context_number(number: float) -> bytes:
    return keyed("context", keyed("a", b"\xcb" + struct.pack(">d", number)))


HOSTILE: dict[str, tuple[str, str, bytes]] = {
    "json depth": ("/v1/rank", JSON, b'{"context":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}"),
    "json depth of maps": ("/v1/rank", JSON, b'{"context":' * (DEEP // 2)),
    "json open arrays": ("/v1/rank", JSON, b"[" * DEEP),
    "json depth in batch": ("/v1/rank/batch", JSON, b'{"pages":[' + b"[" * DEEP + b"]" * DEEP),
    "json depth in feedback": ("/v1/feedback", JSON, b'{"events":[' + b'{"a":' * DEEP),
    "json unknown deep field": ("/v1/rank", JSON, b'{"x":' + b"[" * DEEP),
    "msgpack depth": ("/v1/rank", MSGPACK, keyed("context", keyed("a", b"\x91" * DEEP + b"\xc0"))),
    "msgpack depth of maps": ("/v1/rank", MSGPACK, MAP * DEEP + b"\xc0"),
    "msgpack depth in batch": ("/v1/rank/batch", MSGPACK, keyed("pages", b"\x91" * DEEP)),
    "msgpack depth in feedback": ("/v1/feedback", MSGPACK, keyed("events", b"\x91" * DEEP)),
    "array32 of 4G rows": ("/v1/rank", MSGPACK, keyed("rows", ARRAY32)),
    "array32 of 4G pages": ("/v1/rank/batch", MSGPACK, keyed("pages", ARRAY32)),
    "array32 of 4G events": ("/v1/feedback", MSGPACK, keyed("events", ARRAY32 + b"\xc0" * 1000)),
    "nested array32": ("/v1/rank/batch", MSGPACK, keyed("pages", b"\xdd\x00\x0f\xff\xff" * 90_000)),
    "map32 of 4G": ("/v1/rank", MSGPACK, b"\xdf\xff\xff\xff\xff"),
    "str32 of 4G": ("/v1/rank", MSGPACK, keyed("viewer_id", b"\xdb\xff\xff\xff\xffab")),
    "ext32 of 4G": ("/v1/rank", MSGPACK, keyed("viewer_id", b"\xc9\xff\xff\xff\xff\x01ab")),
    "int map keys": ("/v1/rank", MSGPACK, MAP + b"\x01\x02"),
    "int context keys": ("/v1/rank", MSGPACK, keyed("context", MAP + b"\x01\x02")),
    "json trailing bytes": ("/v1/rank", JSON, GOOD + GOOD),
    "msgpack trailing bytes": ("/v1/rank", MSGPACK, keyed("rows", b"\x90") + b"\xc0"),
    "json bad utf-8": ("/v1/rank", JSON, b'{"viewer_id":"\xff\xfe"}'),
    "json bad utf-8 key": ("/v1/rank", JSON, b'{"context":{"\xff":1}}'),
    "json lone surrogate": ("/v1/rank", JSON, b'{"context":{"a":"\\ud800"}}'),
    "json byte order mark": ("/v1/rank", JSON, b"\xef\xbb\xbf" + GOOD),
    "msgpack bad utf-8": ("/v1/rank", MSGPACK, keyed("viewer_id", b"\xa2\xff\xfe")),
    "msgpack bad utf-8 key": ("/v1/rank", MSGPACK, keyed("context", MAP + b"\xa2\xff\xfe\x01")),
    "msgpack reserved byte": ("/v1/rank", MSGPACK, b"\xc1"),
    "json NaN": ("/v1/rank", JSON, b'{"context":{"a":NaN}}'),
    "json Infinity": ("/v1/rank", JSON, b'{"context":{"a":-Infinity}}'),
    "json number too large": ("/v1/rank", JSON, b'{"context":{"a":1e999}}'),
    "json endless number": ("/v1/rank", JSON, b'{"max_rows":' + b"9" * 1_000_000 + b"}"),
    "msgpack NaN": (
        "/v1/rank", MSGPACK, context_number(float("nan")),
    ),
    "msgpack Inf": (
        "/v1/rank", MSGPACK, context_number(float("inf")),
    ),
    "line break in a name": ("/v1/rank", JSON, b'{"context":{"a\\nb":1}}'),
    "bar in a name": ("/v1/rank", JSON, b'{"context":{"a|b":1}}'),
    "colon in a name": ("/v1/rank", JSON, b'{"context":{"a:b":1}}'),
    "line break in an id": ("/v1/rank", JSON, b'{"rows":[{"id":"a\\n"}]}'),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_at_once_and_costs_nothing(worker: Worker, name: str) -> None:
    path, kind, body = HOSTILE[name]
    first = request(worker.port, body, kind, path=path)
    before = worker.memory_kb()
    answers = [request(worker.port, body, kind, path=path) for _ in range(10)]
    grown = worker.memory_kb() - before
    assert {answer.status for answer in [first, *answers]} <= {400, 422}
    # The quickest of several: what the body costs, not what else the machine does meanwhile.
    assert min(answer.seconds for answer in answers) < ANSWER_S_MAX
    assert grown < MEMORY_GROWTH_KB_MAX
    assert msgspec.json.decode(request(worker.port, GOOD).body)["rows"]


def test_every_refusal_says_what_to_do(worker: Worker) -> None:
    for path, kind, body in HOSTILE.values():
        answer = request(worker.port, body, kind, path=path)
        decode = msgspec.json.decode if kind == JSON else msgspec.msgpack.decode
        assert decode(answer.body)["hint"]
