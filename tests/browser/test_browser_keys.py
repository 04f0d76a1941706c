"""Where keys are configured, pages ask for one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from selenium.webdriver.common.keys import Keys

from server.local import LocalServer
from tests.browser.chromium import DESKTOP, Browser, Programs, chromium

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("browser")]

SETTINGS: Final = {
    "MARQUEE__AUTH__ADMIN_KEYS": '["an-admin"]',
    "MARQUEE__AUTH__CLIENT_KEYS": '["a-client"]',
}


def give(browser: Browser, key: str) -> None:
    """Answer the dialog, and wait until it has gone."""
    asked = browser.one(".key-dialog input")
    asked.send_keys(key, Keys.ENTER)
    browser.wait(lambda: asked not in browser.all(".key-dialog input"), "the dialog to close")


def test_a_key_is_asked_for_once_and_an_admins_shows_everything(
    found: Programs, service: LocalServer, tmp_path: Path
) -> None:
    with chromium(found, service.url, DESKTOP, tmp_path) as browser:
        browser.open("/")
        browser.wait(lambda: browser.all(".key-dialog[open]"), "the dialog")
        assert len(browser.all(".key-dialog")) == 1
        browser.shot("dashboard-key")
        give(browser, "a-client")
        browser.wait(
            lambda: "admin’s key is needed" in browser.one(".key-dialog").text, "an admin's asked"
        )
        assert browser.all('[data-tile="Learning"]')
        give(browser, "an-admin")
        browser.wait(
            lambda: browser.one("#challenger").get_attribute("data-state") == "live",
            "what is for admins",
        )
        assert browser.run("return sessionStorage.getItem('marquee.key')") == "an-admin"
        assert "an-admin" not in browser.run("return JSON.stringify(localStorage)")
        # Refusals are told in the console by the browser itself; nothing else may be.
        faults = [one for one in browser.faults() if "status of 40" not in one]
        assert faults == []


def test_who_declines_is_told_what_is_missing_and_may_think_again(
    found: Programs, service: LocalServer, tmp_path: Path
) -> None:
    with chromium(found, service.url, DESKTOP, tmp_path) as browser:
        browser.open("/")
        browser.one(".key-dialog button[type=button]").click()
        browser.wait(lambda: not browser.all(".key-dialog"), "the dialog to go")
        browser.wait(lambda: browser.all("#snapshots [data-do=key]"), "a way back")
        browser.one("#snapshots [data-do=key]").click()
        give(browser, "an-admin")
        browser.wait(
            lambda: browser.one("#snapshots").get_attribute("data-state") == "live", "snapshots"
        )
