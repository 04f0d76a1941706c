"""Two real services whose clocks are ten seconds apart, and keys that are rotated under them.

Failure cases 8 and 9 over processes; what a difference of clocks does to windows is shown, on
clocks that move by hand, by ``test_clock_skew.py``.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import urllib3

from bandit.clock import OFFSET_VARIABLE
from server.local import LocalServer, wait_until
from tests.faults.callers import PAGE, WAIT_S

pytestmark = pytest.mark.processes

SKEW_S = 5
OLD, NEW = "an old key that signs tokens, 0123", "a new key that signs tokens, 4567"
API_KEY = "a-client-key-of-a-test-0123456789"


class Two(NamedTuple):
    """A service that is ahead of the time and one that is behind, with the same keys of tokens."""

    ahead: LocalServer
    behind: LocalServer
    keys: Path


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    keys, clients = tmp_path / "token.keys", tmp_path / "client.keys"
    keys.write_text(f"{OLD}\n")
    clients.write_text(f"{API_KEY}\n")
    with ExitStack() as stack:
        servers = []
        for name, offset_s in (("ahead", SKEW_S), ("behind", -SKEW_S)):
            settings = {
                "MARQUEE__SERVER__WORKERS": "1",
                "MARQUEE__SERVER__DRAIN_S": "0",
                "MARQUEE__AUTH__TOKEN_KEYS_FILE": str(keys),
                "MARQUEE__AUTH__CLIENT_KEYS_FILE": str(clients),
                OFFSET_VARIABLE: str(offset_s),
            }
            server = LocalServer(tmp_path / name, settings=settings)
            servers.append(stack.enter_context(server))
        yield Two(servers[0], servers[1], keys)


def rank(server: LocalServer) -> Any:
    headers = {"X-API-Key": API_KEY}
    answer = urllib3.request("POST", f"{server.url}/v1/rank", json=PAGE, headers=headers)
    assert answer.status == 201
    return answer.json()


def report(server: LocalServer, decision: Any) -> int:
    """Send feedback as a browser does, with the decision's token alone; return the status."""
    event = {
        "event_id": f"e-{decision['token'][-20:]}", "decision_id": decision["decision_id"],
        "token": decision["token"], "type": "click", "title": "t",
    }  # fmt: skip
    url = f"{server.url}/v1/feedback"
    return urllib3.request("POST", url, json={"events": [event]}, retries=False).status


def test_tokens_are_good_at_a_service_whose_clock_is_ten_seconds_apart(two: Two) -> None:
    assert report(two.behind, rank(two.ahead)) == 202
    assert report(two.ahead, rank(two.behind)) == 202


def test_tokens_of_an_old_key_are_good_everywhere_until_it_is_taken_out(two: Two) -> None:
    old = rank(two.ahead)
    two.keys.write_text(f"{OLD}\n{NEW}\n")
    two.ahead.signal(signal.SIGHUP)
    two.behind.signal(signal.SIGHUP)

    def fresh() -> Any:
        return rank(two.ahead)

    # A token that the new key made is refused where it is not known yet, and soon is.
    wait_until(lambda: report(two.behind, fresh()) == 202, WAIT_S, "both keys at both")
    assert report(two.behind, old) == 202
    two.keys.write_text(f"{NEW}\n")
    two.behind.signal(signal.SIGHUP)
    wait_until(lambda: report(two.behind, old) == 401, WAIT_S, "the old key's end")
    assert report(two.behind, rank(two.behind)) == 202
