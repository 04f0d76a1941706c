"""Limits as they are written, what they grant, to whom, and what a refusal says."""

from __future__ import annotations

from typing import cast

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from bandit.clock import MICROSECONDS, ManualClock
from bandit.config import parse_config
from bandit.config.schema import AuthConfig, Config
from bandit.errors import ConfigError
from bandit.metrics import NoMetrics
from server.app import create_app
from server.auth import check_named_files
from server.errors import RateLimitedError
from server.rate_limits import CALLERS_MAX, RateLimiter
from server.rate_windows import Limit, LimitName, Tally, parse_limit, wait_us
from server.service import Service
from tests.server.edge_service import NOW_US, EdgeService

SECOND = MICROSECONDS
START_US = 472_222 * 3600 * SECOND
"""The beginning of an hour, so of every window here."""
PAGE = {"titles": [{"id": "t", "artworks": [{"id": "a"}]}]}


def limiter(clock: ManualClock, limits: dict[LimitName, Limit], parts: int = 1) -> RateLimiter:
    return RateLimiter(limits, parts=parts, clock=clock, metrics=NoMetrics())


def granted(limits: RateLimiter, asked: int, who: str = "somebody") -> int:
    """Ask so many times at once; return how often it was granted."""
    count = 0
    for _ in range(asked):
        try:
            limits.admit("client", who)
        except RateLimitedError:
            continue
        count += 1
    return count


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/second", Limit(100, SECOND)),
        ("5000/minute", Limit(5000, 60 * SECOND)),
        ("10 per 2 hours", Limit(10, 7200 * SECOND)),
    ],
)
def test_limits_are_read_as_they_are_written(text: str, limit: Limit) -> None:
    assert parse_limit(text, "rate_limits.client") == limit


@pytest.mark.parametrize(
    "text", ["", "many", "0/second", "-1/second", "1e3/second", "5/fortnight", "1/second;9/day"]
)
@pytest.mark.parametrize("name", ["client", "admin", "address"])
def test_a_limit_that_is_none_is_refused_by_its_key(name: str, text: str) -> None:
    config = parse_config(
        {"rate_limits": {name: text}, "auth": {"client_keys": ["c"], "admin_keys": ["a"]}}
    )
    with pytest.raises(ConfigError) as caught:
        check_named_files(config)
    assert caught.value.path == f"rate_limits.{name}"


def test_an_address_of_redis_that_is_none_is_refused_and_not_told() -> None:
    config = parse_config({"rate_limits": {"redis_url": "http://:s3cret@host"}})
    with pytest.raises(ConfigError) as caught:
        check_named_files(config)
    assert caught.value.path == "rate_limits.redis_url"
    assert "s3cret" not in str(caught.value)


def test_proxies_that_are_none_are_refused_by_their_key() -> None:
    config = parse_config({"rate_limits": {"trusted_proxies": ["10.0.0.300"]}})
    with pytest.raises(ConfigError) as caught:
        check_named_files(config)
    assert caught.value.path == "rate_limits.trusted_proxies"


@pytest.mark.parametrize("name", ["client", "admin"])
def test_a_limit_by_key_needs_keys(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"rate_limits": {name: "1/second"}})
    assert caught.value.path == f"rate_limits.{name}"


def test_without_limits_there_is_nothing_to_ask() -> None:
    assert RateLimiter.from_config(Config(), ManualClock(0), NoMetrics()) is None


def test_what_is_past_the_limit_is_refused_until_the_window_has_slid_on() -> None:
    clock = ManualClock(START_US)
    limits = limiter(clock, {"client": Limit(10, 60 * SECOND)})
    assert granted(limits, 15) == 10
    clock.advance_s(59)
    assert granted(limits, 5) == 0
    # Halfway through the next window half of the last one's requests lie further back.
    clock.advance_s(31)
    assert granted(limits, 15) == 5
    clock.advance_s(120)
    assert granted(limits, 15) == 10


def test_refused_requests_do_not_count() -> None:
    clock = ManualClock(START_US)
    limits = limiter(clock, {"client": Limit(10, SECOND)})
    total = 0
    for _ in range(100):
        total += granted(limits, 50)
        clock.advance_s(0.1)
    assert 95 <= total <= 110


def test_callers_do_not_share_a_limit_and_limits_do_not_share_callers() -> None:
    limits = limiter(ManualClock(START_US), {"client": Limit(2, SECOND), "admin": Limit(1, SECOND)})
    assert [granted(limits, 3, who) for who in ("a", "b")] == [2, 2]
    limits.admit("admin", "a")
    with pytest.raises(RateLimitedError):
        limits.admit("admin", "a")
    for _ in range(10):
        limits.admit("address", "not limited")


@pytest.mark.parametrize(
    ("most", "parts", "part"), [(100, 3, 34), (99, 3, 33), (1, 8, 1), (5, 8, 1)]
)
def test_each_process_grants_its_part_and_never_nothing(most: int, parts: int, part: int) -> None:
    limits = limiter(ManualClock(START_US), {"client": Limit(most, SECOND)}, parts)
    assert granted(limits, most + 5) == part


def test_a_clock_that_steps_back_locks_nobody_out() -> None:
    clock = ManualClock(START_US)
    limits = limiter(clock, {"client": Limit(3, SECOND)})
    assert granted(limits, 5) == 3
    clock.advance_s(-3600)
    assert granted(limits, 5) == 3


def test_so_many_callers_are_counted_and_the_least_recent_is_forgotten() -> None:
    limits = limiter(ManualClock(START_US), {"client": Limit(1, 3600 * SECOND)})
    for number in range(CALLERS_MAX):
        limits.admit("client", str(number))
    assert granted(limits, 1, "0") == 0
    limits.admit("client", "one more")
    assert granted(limits, 1, "0") == 0
    assert granted(limits, 1, "1") == 1


@given(
    most=st.integers(1, 1000),
    before=st.integers(0, 3000),
    current=st.integers(0, 3000),
    passed_us=st.integers(0, SECOND - 1),
)
def test_whoever_waits_as_long_as_told_is_served_and_not_before(
    most: int, before: int, current: int, passed_us: int
) -> None:
    wait = wait_us(most, SECOND, before, current, passed_us)
    assert 0 <= wait <= 2 * SECOND
    for later, is_served in ((wait, True), (wait - 1, False)):
        if later < 0:
            continue
        at = passed_us + later
        now = (before, current) if at < SECOND else (current, 0)
        if at < 2 * SECOND:
            assert (wait_us(most, SECOND, *now, at % SECOND) == 0) is is_served


def test_what_others_granted_is_kept_apart_by_window() -> None:
    tally = Tally(7)
    tally.grant()
    tally.grant()
    tally.told(7, 1, 0, 30, 4)
    assert (tally.unsent, tally.shared, tally.shared_before) == (1, 30, 4)
    tally.roll(8)
    assert (tally.own, tally.own_before, tally.unsent_before, tally.shared_before) == (0, 2, 1, 30)
    # What was asked before the window ended is answered after.
    tally.told(7, 1, 0, 40, 4)
    assert (tally.unsent_before, tally.shared, tally.shared_before) == (0, 0, 40)
    tally.told(5, 9, 9, 99, 99)
    assert (tally.unsent_before, tally.shared, tally.shared_before) == (0, 0, 40)


def edge(limits: dict[LimitName, Limit]) -> tuple[FlaskClient, EdgeService, ManualClock]:
    """Return an edge with keys and limits, its service and the limits' clock."""
    auth = AuthConfig(client_keys=["c-one", "c-two"], admin_keys=["a-one"])
    service = EdgeService(Config(auth=auth))
    clock = ManualClock(START_US)
    app = create_app(cast("Service", service), limiter=limiter(clock, limits))
    return app.test_client(), service, clock


def test_a_refusal_says_when_to_come_again() -> None:
    client, _, clock = edge({"client": Limit(2, 60 * SECOND)})
    headers = {"X-API-Key": "c-one"}
    for _ in range(2):
        assert client.post("/v1/rank", json=PAGE, headers=headers).status_code == 201
    refused = client.post("/v1/rank", json=PAGE, headers=headers)
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    problem = refused.get_json()
    assert problem["type"] == "urn:marquee:problem:rate-limited"
    assert "rate_limits.client" in problem["detail"]
    assert "Retry-After" in problem["hint"]
    assert refused.headers["RateLimit-Policy"] == '"client";q=2;w=60'
    wait_s = int(refused.headers["Retry-After"])
    assert refused.headers["RateLimit"] == f'"client";r=0;t={wait_s}'
    clock.advance_s(wait_s)
    assert client.post("/v1/rank", json=PAGE, headers=headers).status_code == 201


def test_all_calls_of_a_key_count_together_and_other_keys_go_on() -> None:
    client, _, _ = edge({"client": Limit(3, SECOND)})
    ours, theirs = {"X-API-Key": "c-one"}, {"Authorization": "Bearer c-two"}
    statuses = [
        client.post("/v1/rank", json=PAGE, headers=ours).status_code,
        client.get("/v1/status", headers=ours).status_code,
        # What may not be done counts as well.
        client.get("/v1/catalog", headers=ours).status_code,
        client.get("/v1/snapshots", headers=ours).status_code,
    ]
    assert statuses == [201, 200, 403, 429]
    assert client.post("/v1/rank", json=PAGE, headers=theirs).status_code == 201
    for _ in range(9):
        assert client.get("/v1/catalog", headers={"X-API-Key": "a-one"}).status_code == 200
        assert client.get("/livez").status_code == 200


def test_feedback_by_token_counts_by_address_and_with_a_key_by_key() -> None:
    client, service, _ = edge({"address": Limit(2, SECOND)})

    def send(number: int, address: str, **headers: str) -> int:
        body = {
            "events": [
                {
                    "event_id": f"e{number}",
                    "decision_id": "d",
                    "type": "click",
                    "title": "t",
                    "token": service.tokens.sign("d", NOW_US),
                }
            ]
        }
        environ = {"REMOTE_ADDR": address}
        return client.post(
            "/v1/feedback", json=body, headers=headers, environ_base=environ
        ).status_code

    assert [send(number, "192.0.2.1") for number in range(3)] == [202, 202, 429]
    # Nobody's word is taken for where a request comes from.
    assert send(3, "192.0.2.1", **{"X-Forwarded-For": "198.51.100.9"}) == 429
    assert send(4, "192.0.2.2") == 202
    assert send(5, "192.0.2.1", **{"X-API-Key": "c-one"}) == 202
    assert len(service.events) == 4
