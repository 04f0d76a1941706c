"""The dashboard as ops meet it: it shows whether it learns, and its levers work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import urllib3
from selenium.webdriver.common.keys import Keys

from examples.simulated_viewers import Viewers
from server.local import LocalServer, wait_until
from server.pages import STATIC
from tests.browser.chromium import DESKTOP, PHONE, Browser
from tests.browser.conftest import OpenBrowser

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("browser")]

SETTINGS: Final = {
    "MARQUEE__INSIGHTS__INTERVAL_S": "1",
    "MARQUEE__INSIGHTS__SEGMENTS": '["device"]',
    # Soon on watch; alarms themselves have tests of their own.
    "MARQUEE__DRIFT__REFERENCE_OUTCOMES": "40",
    "MARQUEE__DRIFT__REWARD_DROP": "0.9",
    "MARQUEE__DRIFT__ENTROPY_DROP": "0.9",
    "MARQUEE__DRIFT__FALSE_ALARM_RATE": "0.5",
    "MARQUEE__REWARD__WINDOW_S": "2",
}
PANELS: Final = (
    *("rates", "entropy", "throughput", "lag", "age", "shares", "titles", "rows", "snapshots"),
    *("weights", "alarms", "challenger", "latency", "join", "config"),
)
LIVE: Final = (
    "return [...document.querySelectorAll('.panel[data-state=live]')].map((one) => one.id)"
)
TILES: Final = (
    "return Object.fromEntries([...document.querySelectorAll('.tile')].map((one) =>"
    " [one.dataset.tile, one.querySelector('.big').textContent]))"
)


@contextmanager
def traffic(service: LocalServer) -> Iterator[Viewers]:
    """Have simulated viewers for the length of a block."""
    viewers = Viewers(service.url, pages_per_second=25, threads=2, seed=1)
    viewers.start()
    try:
        yield viewers
    finally:
        viewers.stop()


@pytest.fixture(scope="module")
def learned(service: LocalServer) -> LocalServer:
    """Have a service with an alarm on watch, and that learned from viewers of every share."""

    def is_known() -> bool:
        insights = ask(service, "/v1/insights")
        shares = insights.get("shares", {}).get("artwork", {})
        is_told = bool(shares) and all(one["take"] for one in shares.values())
        return is_told and any(one["state"] != "learning_usual" for one in insights["alarms"])

    with traffic(service):
        wait_until(is_known, 60.0, "figures of every share, and an alarm on watch")
    return service


def ask(service: LocalServer, path: str) -> Any:
    """Return what an endpoint tells."""
    return urllib3.request("GET", service.url + path, timeout=20).json()


def take_fraction(service: LocalServer) -> str:
    """Return the learned share's take fraction as the page writes it."""
    take = ask(service, "/v1/insights")["shares"]["artwork"]["learned"]["take"]["value"]
    return f"{100 * take:.1f} %"


def open_live(browser: Browser) -> None:
    """Open the dashboard and wait until every panel shows an answer."""
    browser.open("/")
    browser.wait(lambda: set(browser.run(LIVE)) == set(PANELS), "every panel to be live")


def say_yes(browser: Browser) -> None:
    browser.wait(lambda: browser.one("#confirm").is_displayed(), "a question")
    browser.one("#confirm-yes").click()


def versions(browser: Browser, surface: str) -> list[str]:
    """Return the versions that one may roll back to, newest first."""
    return list(
        browser.run(
            "return [...document.querySelectorAll('button[data-version]')].filter((one) =>"
            f" one.dataset.surface === '{surface}').map((one) => one.dataset.version)"
        )
    )


def served(service: LocalServer) -> str | None:
    """Return the model version that a page is answered by."""
    page = {"titles": ["nosferatu-1922"]}
    answer = urllib3.request("POST", f"{service.url}/v1/rank", json=page, timeout=20).json()
    version: str | None = answer["snapshots"].get("artwork")
    return version


def test_before_anything_was_seen_every_panel_says_what_will_appear(
    service: LocalServer, browser: Browser
) -> None:
    """Stands before all that have viewers: the module's service is still fresh."""
    open_live(browser)
    assert browser.run(TILES)["Learning"] == "✕ Not learning"
    for panel in PANELS:
        assert browser.one(f"#{panel} .body").text.strip(), panel


def test_it_tells_at_a_glance_whether_it_learns(learned: LocalServer, browser: Browser) -> None:
    open_live(browser)
    tiles = browser.run(TILES)
    assert tiles["Learning"] == "✓ Learning"
    assert tiles["Drift alarms"] == "None" or "raised" in tiles["Drift alarms"]
    browser.wait(
        lambda: browser.run(TILES)["Take fraction"] == take_fraction(learned), "the take fraction"
    )
    drawn = len(browser.all("#rates canvas")) + len(browser.all("#rates table"))
    assert drawn == 1
    assert len(browser.all("#shares tbody tr")) == 6
    sources = {link.text for link in browser.all(".panel .source a")}
    assert {"/v1/insights", "/v1/latency", "/v1/snapshots", "/v1/weights/artwork"} <= sources
    for panel in PANELS:
        assert browser.one(f"#{panel} .body").text.strip() or browser.all(f"#{panel} canvas"), panel


def test_charts_are_drawn_where_they_are_installed(learned: LocalServer, browser: Browser) -> None:
    if not (STATIC / "vendor" / "uPlot.iife.min.js").is_file() and "CI" not in os.environ:
        pytest.skip("`make assets` was not run, or had no npm")
    open_live(browser)
    assert len(browser.all(".canvas canvas")) == 5
    label = browser.one("#rates .canvas").get_attribute("aria-label")
    assert label is not None
    assert "learned" in label
    browser.one('[data-value="tables"]').click()
    browser.wait(lambda: browser.all("#rates tbody tr"), "a table in the chart's place")
    assert not browser.all(".canvas canvas")


def test_tables_stand_in_where_charts_are_not_installed(
    learned: LocalServer, browser: Browser
) -> None:
    hidden = "Object.defineProperty(window, 'uPlot', {value: undefined, writable: false})"
    browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": hidden})
    open_live(browser)
    heads = [head.text for head in browser.all("#rates thead th")]
    assert heads == ["From", "learned", "holdout", "random"]
    assert "make assets" in browser.one("#time-choices").text
    assert not browser.all(".canvas")


def test_a_snapshot_is_rolled_back_and_the_newest_followed_again(
    learned: LocalServer, browser: Browser
) -> None:
    open_live(browser)
    # What was seen last may still be learned from: the newest one is not known in advance.
    older = versions(browser, "artwork")[1]
    assert older != served(learned)
    browser.one(f'button[data-version="{older}"]').click()
    say_yes(browser)
    browser.wait(lambda: served(learned) == older, "the older model to be served")
    browser.wait(lambda: "held" in browser.one("#snapshots-said").text, "it to be told")
    age = '[data-tile="Age of the models"]'
    browser.wait(lambda: "held by hand" in browser.one(age).text, "its tile to tell it")
    browser.run("document.querySelector('#snapshots').scrollIntoView({block: 'center'})")
    browser.shot("dashboard-rolled-back")
    browser.one('button[data-surface="artwork"].solid').click()
    say_yes(browser)
    browser.wait(lambda: served(learned) != older, "a newer model to be served")
    browser.wait(lambda: "newer ones follow" in browser.one("#snapshots-said").text, "it told")
    newest = served(learned)
    with traffic(learned):
        browser.wait(lambda: served(learned) != newest, "a newer model to follow")


def test_a_question_can_be_declined(learned: LocalServer, browser: Browser) -> None:
    open_live(browser)
    older = versions(browser, "artwork")[1]
    browser.one(f'button[data-version="{older}"]').click()
    browser.wait(lambda: browser.one("#confirm").is_displayed(), "a question")
    browser.press(Keys.ESCAPE)
    browser.wait(lambda: not browser.one("#confirm").is_displayed(), "the question to go")
    # A newer one may have been published meanwhile, and is then served: only holding one is wrong.
    assert not any(one["pinned"] for one in ask(learned, "/v1/snapshots")["snapshots"])
    assert served(learned) != older


def test_alarms_begin_anew(learned: LocalServer, browser: Browser) -> None:
    open_live(browser)
    browser.one('[data-do="reset-alarms"]').click()
    say_yes(browser)
    browser.wait(lambda: "begin anew" in browser.one("#alarms-said").text, "it to be told")
    browser.wait(
        lambda: (
            {one["state"] for one in ask(learned, "/v1/insights")["alarms"]} == {"learning_usual"}
        ),
        "the alarms to learn anew",
    )
    browser.wait(lambda: "learns what is usual" in browser.one("#alarms .body").text, "it shown")


def test_titles_and_settings_are_found_by_their_words(
    learned: LocalServer, browser: Browser
) -> None:
    open_live(browser)
    titles = [one.get_attribute("data-title") for one in browser.all("[data-title]")]
    wanted = titles[-1]
    assert wanted is not None
    browser.one("#titles-search").send_keys(wanted)
    browser.wait(lambda: len(browser.all("[data-title]")) < len(titles), "fewer titles")
    browser.one(f'[data-title="{wanted}"]').click()
    browser.wait(lambda: browser.one("#title-one h4").text == wanted, "its artworks")
    pictures = (
        "return [...document.querySelectorAll('.artwork img')].map((one) => one.naturalWidth)"
    )
    browser.wait(lambda: browser.run(pictures) and all(browser.run(pictures)), "its pictures")
    browser.one("#config-search").send_keys("reference_outcomes")
    browser.wait(lambda: len(browser.all("#config tbody tr")) == 1, "one key")
    row = browser.one("#config tbody tr").text
    assert "drift.reference_outcomes" in row
    assert "40" in row
    assert "MARQUEE__DRIFT__REFERENCE_OUTCOMES" in row or "environment" in row


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_seen_by_day_and_night_and_on_a_phone(
    learned: LocalServer, open_browser: OpenBrowser, scheme: str
) -> None:
    screen = PHONE if scheme == "dark" else DESKTOP
    browser = open_browser(screen)
    look = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", look)
    open_live(browser)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    light = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.shot(f"dashboard-{scheme}")
    browser.one("#theme").click()
    if scheme == "light":
        browser.one("#theme").click()
    other = "light" if scheme == "dark" else "dark"
    assert browser.run("return document.documentElement.dataset.theme") == other
    assert browser.run("return getComputedStyle(document.body).backgroundColor") != light
    browser.shot(f"dashboard-{other}")
