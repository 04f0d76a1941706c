"""The browser that tests use notices what a page must not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import PHONE, Programs, chromium

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("browser")]

PAGE = """<!doctype html><html lang="en"><head><title>x</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src http: data:">
</head><body><p>words</p></body></html>"""


def test_breaches_of_policy_and_requests_elsewhere_are_told(
    found: Programs, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE)
    with chromium(found, "http://127.0.0.1:1", PHONE, tmp_path / "profile") as browser:
        browser.driver.get(page.as_uri())
        assert browser.run("return [innerWidth, innerHeight]") == [PHONE.width, PHONE.height]
        assert browser.faults() == []
        browser.run("document.querySelector('p').setAttribute('style', 'color: red')")
        browser.wait(lambda: "Content Security Policy" in str(browser.faults()), "a breach told")
        browser.run("new Image().src = 'http://127.0.0.1:9/elsewhere.png'")
        browser.wait(lambda: "asked elsewhere" in str(browser.faults()), "a request told")
