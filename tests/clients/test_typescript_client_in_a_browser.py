"""The TypeScript client in a real browser, on a page of another origin, without an API key.

The page's own server asked for the decision; the page reports with the decision's token alone.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import msgspec
import pytest

from bandit.types import PageRow
from server.client import Client
from server.local import LocalServer, wait_until
from server.wire import FeedbackEvent, RankAnswer, RankRequest
from tests.browser.chromium import DESKTOP, Browser, chromium, programs

KEY: Final = "the-clients-key"
WAIT_S: Final = 60.0

PAGE: Final = """<!doctype html>
<title>A homepage</title>
<link rel="icon" href="data:,">
<script type="module" src="page.js"></script>
"""
SCRIPT: Final = """
import { Client } from "./dist/index.js";

const answer = await (await fetch("homepage.json")).json();
const client = new Client(answer.service, { feedback: { delayMs: answer.delayMs } });
window.client = client;
window.see = (event_id) => client.feedback({
  event_id,
  decision_id: answer.decision_id,
  token: answer.token,
  type: "impression",
  title: "detour-1945",
});
"""

pytestmark = [pytest.mark.xdist_group("typescript"), pytest.mark.processes]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Site:
    """A page's own server, which asks Marquee for decisions, and that Marquee."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        handler = partial(Quiet, directory=str(directory))
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.answer: RankAnswer | None = None
        self.marquee = self._started("0")

    def write(self, *, delay_ms: int) -> None:
        """Write the page, with a decision of Marquee's."""
        with Client(self.marquee.url, api_key=KEY, deadline_s=30) as client:
            page = RankRequest(viewer_id="ada", rows=[PageRow("noir")])
            self.answer = client.rank(page).answer
        told = msgspec.to_builtins(self.answer)
        told |= {"service": self.marquee.url, "delayMs": delay_ms}
        (self._directory / "homepage.json").write_bytes(msgspec.json.encode(told))
        (self._directory / "page.js").write_text(SCRIPT)
        (self._directory / "index.html").write_text(PAGE)

    def take_away(self) -> None:
        """Kill Marquee, and wait until nobody listens: workers outlive it a little."""
        self.marquee.kill()
        wait_until(self._is_refused, WAIT_S, "the end of all workers")

    def _is_refused(self) -> bool:
        port = int(self.marquee.url.rpartition(":")[2])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    def restart(self) -> None:
        """Start Marquee at the address that it had."""
        self.marquee = self._started(self.marquee.url.rpartition(":")[2])

    def has(self, event_ids: list[str]) -> bool:
        """Tell whether Marquee had all of some events already; it has them afterwards."""
        assert self.answer is not None
        events = [
            FeedbackEvent(
                event_id=event_id,
                decision_id=self.answer.decision_id,
                type="impression",
                title="detour-1945",
            )
            for event_id in event_ids
        ]
        with Client(self.marquee.url, api_key=KEY) as client:
            for event in events:
                client.feedback(event)
            assert client.flush(WAIT_S)
            return client.feedback_counts().duplicates == len(event_ids)

    def close(self) -> None:
        """End both."""
        self.marquee.stop()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _started(self, port: str) -> LocalServer:
        settings = {
            "MARQUEE__SERVER__PORT": port,
            "MARQUEE__SERVER__WORKERS": "1",
            "MARQUEE__SERVER__CORS_ORIGINS": msgspec.json.encode([self.url]).decode(),
            "MARQUEE__AUTH__CLIENT_KEYS": msgspec.json.encode([KEY]).decode(),
        }
        return LocalServer(self._directory.parent / "state", settings=settings).start()


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Iterator[Site]:
    """Have both servers, and the client's code on the page's."""
    directory = tmp_path / "page"
    directory.mkdir()
    (directory / "dist").symlink_to(built)
    site = Site(directory)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def browser(site: Site, tmp_path: Path) -> Iterator[Browser]:
    """Have a browser on the page's server."""
    found = programs()
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    with chromium(found, site.url, DESKTOP, tmp_path / "profile") as browser:
        yield browser


def loaded(browser: Browser) -> None:
    browser.open("/index.html")
    browser.wait(lambda: browser.run("return window.see !== undefined"), "loading the page")


def test_events_seen_while_marquee_is_away_are_sent_by_the_page_that_is_reloaded(
    site: Site, browser: Browser
) -> None:
    site.write(delay_ms=10)
    loaded(browser)
    browser.run("see('online')")
    browser.wait(lambda: browser.run("return client.feedbackCounts().sent") == 1, "sending")
    site.take_away()
    browser.run("see('offline-1'); see('offline-2')")
    assert browser.run("return localStorage.length") == 2
    loaded(browser)
    assert browser.run("return client.feedbackCounts().waiting") == 2
    browser.run("see('offline-3')")
    site.restart()
    browser.run("window.dispatchEvent(new Event('online'))")
    browser.wait(lambda: browser.run("return localStorage.length") == 0, "sending", WAIT_S)
    assert site.has(["online", "offline-1", "offline-2", "offline-3"])


def test_a_page_that_is_left_has_its_events_sent(site: Site, browser: Browser) -> None:
    site.write(delay_ms=600_000)
    loaded(browser)
    browser.run("see('left-1'); see('left-2')")
    assert browser.run("return client.feedbackCounts().sent") == 0
    browser.driver.get("about:blank")
    wait_until(lambda: joined(site) >= 2, WAIT_S, "the events of the page that was left")
    assert site.has(["left-1", "left-2"])


def joined(site: Site) -> int:
    """Return how many events the learner has joined to their decisions."""
    with Client(site.marquee.url, api_key=KEY) as client:
        learner = client.status()["learner"]
    return 0 if learner is None else int(learner["join"].get("joined", 0))
