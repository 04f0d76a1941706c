"""The public client against a server that misbehaves on purpose, over real sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import msgspec
import pytest

from bandit.types import PageRow
from server.client import Client, NoAnswerError, RankResult, RequestRefusedError
from server.wire import (
    FeedbackAnswer,
    FeedbackEvent,
    Problem,
    RankAnswer,
    RankedRow,
    RankRequest,
    RejectedEvent,
)

Behaviour = Callable[["Handler"], None]
PAGE = RankRequest(viewer_id="v", rows=[PageRow("noir")])


def page_answer(decision_id: str) -> RankAnswer:
    return RankAnswer(
        decision_id=decision_id,
        token="token",
        share="learned",
        catalog="c0",
        snapshots={},
        rows=[RankedRow("noir", 0, 1.0, [])],
        titles=[],
    )


DEFAULT = page_answer("default")


class Handler(BaseHTTPRequestHandler):
    """Does what the script says, request by request; afterwards it answers well."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        script = cast("Misbehaving", self.server)
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.is_json = self.headers["Accept"] == "application/json"
        decode: Any = msgspec.json.decode if self.is_json else msgspec.msgpack.decode
        self.asked: Any = decode(raw) if raw else None
        script.seen.append((self.command, self.path, self.asked, dict(self.headers)))
        behaviour = next(script.script, None) or answer_well
        behaviour(self)

    def do_GET(self) -> None:
        self.do_POST()

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def reply(self, status: int, value: object = None, **headers: str) -> None:
        encode = msgspec.json.encode if self.is_json else msgspec.msgpack.encode
        kind = "json" if self.is_json else "msgpack"
        self.send(status, encode(value), f"application/{kind}", **headers)

    def send(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)


class Misbehaving(ThreadingHTTPServer):
    """The server, its script, and what it saw."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: Iterator[Behaviour | None] = iter(())
        self.seen: list[tuple[str, str, Any, dict[str, str]]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def events(self) -> list[list[str]]:
        """The event ids of each feedback request, in order."""
        return [
            [event["event_id"] for event in asked["events"]]
            for _, path, asked, _ in self.seen
            if path == "/v1/feedback"
        ]

    def handle_error(self, *_: object) -> None:
        """A client that hung up is what these tests are about."""


def answer_well(handler: Handler) -> None:
    if handler.path == "/v1/rank":
        handler.reply(201, page_answer(handler.asked["decision_id"]))
    elif handler.path == "/v1/feedback":
        handler.reply(202, FeedbackAnswer(len(handler.asked["events"]), 0, []))
    else:
        handler.reply(200, {"path": handler.path})


def hang(handler: Handler) -> None:
    cast("Misbehaving", handler.server).released.wait(20)
    handler.close_connection = True


def drop(handler: Handler) -> None:
    handler.close_connection = True


def half_an_answer(handler: Handler) -> None:
    handler.send_response(201)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


def garbage(handler: Handler) -> None:
    handler.send(201, b"\xc1<html>", "application/msgpack")


def drip(handler: Handler) -> None:
    handler.send_response(201)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    released = cast("Misbehaving", handler.server).released
    for _ in range(400):
        handler.wfile.write(b"x")
        if released.wait(0.05):
            break
    handler.close_connection = True


def status(code: int, **headers: str) -> Behaviour:
    return lambda handler: handler.send(code, b"busy", "text/plain", **headers)


def refuse(handler: Handler) -> None:
    handler.reply(
        422,
        Problem(
            type="urn:x", title="Wrong", status=422, detail="odd", hint="mend it", field="rows"
        ),
    )


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    server = Misbehaving()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(server: Misbehaving) -> Iterator[Client]:
    with Client(server.url, api_key="secret", deadline_s=10.0, feedback_delay_s=0.01) as client:
        yield client


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_page_is_ranked_in_either_encoding(server: Misbehaving, encoding: Any) -> None:
    with Client(server.url, api_key="secret", encoding=encoding, deadline_s=10.0) as client:
        result = client.rank(PAGE)
    _, path, asked, headers = server.seen[0]
    assert result == RankResult(page_answer(asked["decision_id"]), "server")
    assert path == "/v1/rank"
    assert asked["viewer_id"] == "v"
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == headers["Accept"] == f"application/{encoding}"
    assert int(headers["Content-Length"]) > 0


def test_a_given_decision_id_is_kept_and_a_missing_one_made(
    server: Misbehaving, client: Client
) -> None:
    client.rank(PAGE)
    client.rank(PAGE)
    client.rank(msgspec.structs.replace(PAGE, decision_id="mine"))
    ids = [asked["decision_id"] for _, _, asked, _ in server.seen]
    assert len(set(ids)) == 3
    assert ids[2] == "mine"


@pytest.mark.parametrize(
    "fault", [drop, half_an_answer, status(502), status(503), status(504), status(429)]
)
def test_passing_faults_are_tried_again_under_the_same_id(
    server: Misbehaving, client: Client, fault: Behaviour
) -> None:
    server.script = iter([fault, fault])
    result = client.rank(PAGE)
    ids = [asked["decision_id"] for _, _, asked, _ in server.seen]
    assert result.source == "server"
    assert len(ids) == 3
    assert set(ids) == {result.answer.decision_id}


def test_a_hanging_try_leaves_time_for_another(server: Misbehaving) -> None:
    server.script = iter([hang])
    with Client(server.url, deadline_s=10.0, try_timeout_s=0.2) as client:
        assert client.rank(PAGE).source == "server"
    assert len(server.seen) == 2


@pytest.mark.parametrize("fault", [hang, drop, half_an_answer, garbage, drip, status(500),
                                   status(503), status(302)])  # fmt: skip
def test_without_an_answer_in_time_the_default_page_is_shown(
    server: Misbehaving, fault: Behaviour
) -> None:
    server.script = iter([fault] * 10)
    with Client(server.url, deadline_s=0.3) as client:
        started = time.monotonic()
        result = client.rank(PAGE, default=DEFAULT)
        # A generous bound: what must not happen is waiting for the server's 20 seconds.
        assert time.monotonic() - started < 5.0
        with pytest.raises(NoAnswerError) as caught:
            client.rank(PAGE)
    assert (result.answer, result.source) == (DEFAULT, "default")
    assert result.reason
    assert caught.value.reason


def test_a_default_page_may_be_made_from_the_request(server: Misbehaving) -> None:
    server.script = iter([status(500)])
    with Client(server.url) as client:
        result = client.rank(PAGE, default=lambda page: page_answer(page.decision_id or ""))
    assert result.answer.decision_id == server.seen[0][2]["decision_id"]


def test_nobody_listening_leads_to_the_default_page(server: Misbehaving) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    with Client(url) as client:
        assert client.rank(PAGE, default=DEFAULT).source == "default"
        assert not client.ready()


def test_a_refusal_is_told_and_never_tried_again(server: Misbehaving, client: Client) -> None:
    server.script = iter([refuse, status(404)])
    with pytest.raises(RequestRefusedError, match="mend it") as caught:
        client.rank(PAGE, default=DEFAULT)
    assert caught.value.problem.field == "rows"
    with pytest.raises(RequestRefusedError) as caught:
        client.rank(PAGE, default=DEFAULT)
    assert caught.value.problem.status == 404
    assert len(server.seen) == 2


def test_retry_after_is_heeded_within_the_deadline(server: Misbehaving) -> None:
    server.script = iter([status(503, Retry_After="60")])
    with Client(server.url, deadline_s=1.0) as client:
        assert client.rank(PAGE, default=DEFAULT).source == "default"
    assert len(server.seen) == 1


def event(number: int) -> FeedbackEvent:
    return FeedbackEvent(event_id=f"e{number}", decision_id="d", type="click", title="t")


def test_feedback_is_sent_in_batches(server: Misbehaving) -> None:
    with Client(server.url, feedback_batch=3, feedback_delay_s=60.0) as client:
        for number in range(7):
            client.feedback(event(number))
        assert client.flush(10.0)
        assert client.feedback_counts().accepted == 7
    assert server.events() == [["e0", "e1", "e2"], ["e3", "e4", "e5"], ["e6"]]


def test_a_single_event_does_not_wait_for_a_batch(server: Misbehaving, client: Client) -> None:
    arrived = threading.Event()

    def note(handler: Handler) -> None:
        answer_well(handler)
        arrived.set()

    server.script = iter([note])
    client.feedback(event(1))
    assert arrived.wait(10.0)


@pytest.mark.parametrize("fault", [drop, half_an_answer, garbage, status(503), status(500)])
def test_feedback_is_sent_again_with_its_ids_until_it_is_stored(
    server: Misbehaving, client: Client, fault: Behaviour
) -> None:
    server.script = iter([fault, fault])
    client.feedback(event(1))
    client.feedback(event(2))
    assert client.flush(20.0)
    sent = server.events()
    assert len(sent) >= 3
    assert {one for batch in sent for one in batch} == {"e1", "e2"}
    assert client.feedback_counts().accepted == 2


def test_reporting_on_a_page_carries_its_token_and_an_id_of_its_own(
    server: Misbehaving, client: Client
) -> None:
    page = client.rank(PAGE)
    client.report(page, "play", "detour", row="noir", seconds=10.0, fraction=0.5)
    client.report(page, "click", "detour")
    client.report(RankResult(DEFAULT, "default"), "click", "detour")
    assert client.flush(10.0)
    sent = [one for _, path, asked, _ in server.seen if path == "/v1/feedback"
            for one in asked["events"]]  # fmt: skip
    assert [(one["type"], one["token"], one["decision_id"]) for one in sent] == [
        ("play", "token", page.answer.decision_id),
        ("click", "token", page.answer.decision_id),
    ]
    assert len({one["event_id"] for one in sent}) == 2
    assert (sent[0]["seconds"], sent[0]["fraction"], sent[0]["row"]) == (10.0, 0.5, "noir")


def test_refused_events_are_counted_and_not_sent_again(server: Misbehaving, client: Client) -> None:
    refused = FeedbackAnswer(1, 0, [RejectedEvent(1, "invalid", "odd", "mend it")])
    server.script = iter([lambda handler: handler.reply(202, refused), refuse])
    client.feedback(event(1))
    assert client.flush(10.0)
    client.feedback(event(2))
    assert client.flush(10.0)
    counts = client.feedback_counts()
    assert (counts.accepted, counts.rejected, counts.queued) == (1, 2, 0)
    assert server.events() == [["e1"], ["e2"]]


def test_a_full_queue_drops_the_oldest_and_counts_them(server: Misbehaving) -> None:
    with Client(server.url, feedback_queue_max=3, feedback_delay_s=60.0) as client:
        for number in range(5):
            client.feedback(event(number))
        counts = client.feedback_counts()
        assert (counts.dropped, counts.queued) == (2, 3)
    assert server.events() == [["e2", "e3", "e4"]]


def test_closing_sends_what_waits_and_refuses_what_comes_later(server: Misbehaving) -> None:
    client = Client(server.url, feedback_delay_s=60.0)
    client.feedback(event(1))
    client.close()
    client.feedback(event(2))
    assert server.events() == [["e1"]]
    assert client.feedback_counts() == (1, 0, 0, 1, 0)


def test_what_cannot_be_sent_by_the_end_is_counted_as_dropped(server: Misbehaving) -> None:
    server.script = iter([status(500)] * 1000)
    client = Client(server.url, feedback_delay_s=0.01)
    client.feedback(event(1))
    assert not client.flush(0.2)
    client.close(timeout_s=0.05)
    assert client.feedback_counts().dropped == 1


def test_the_other_calls(server: Misbehaving, client: Client) -> None:
    catalog = {"version": "c1", "titles": 0, "artworks": 0, "rows": 0}
    server.script = iter(
        [
            None,
            lambda handler: handler.reply(200, catalog),
            lambda handler: handler.send(204, b"", "text/plain"),
        ]
    )
    assert client.status() == {"path": "/v1/status"}
    assert client.put_catalog({"titles": [], "rows": []}, if_match="c0").version == "c1"
    client.activate("a/b c")
    assert client.ready()
    calls = [(method, path) for method, path, _, _ in server.seen]
    assert calls == [
        ("GET", "/v1/status"),
        ("PUT", "/v1/catalog"),
        ("POST", "/v1/decisions/a/b%20c/activate"),
        ("GET", "/readyz"),
    ]
    assert server.seen[1][3]["If-Match"] == '"c0"'
