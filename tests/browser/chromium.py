"""A headless Chromium for tests, which notices what a page must not do.

The distribution's browser and driver are used, by their paths: nothing is looked up or downloaded.
Why Selenium: it comes from the package index that everything else here comes from, drives the very
browser that is installed, and needs no Node.js.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from server.local import wait_until

SCREENSHOTS: Final = Path(__file__).parents[2] / "build" / "screenshots"
WAIT_S: Final = 30.0
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
_WITH_A_MOUSE: Final = (
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,"
    "primaryPointerType=4,availablePointerTypes=4"
)
"""Without a screen Chromium finds no mouse, and pages show what is for fingers."""


class Screen(NamedTuple):
    """What a page is looked at on."""

    name: str
    width: int
    height: int
    is_touched: bool = False
    scale: float = 1.0


DESKTOP: Final = Screen("desktop", 1440, 900)
PHONE: Final = Screen("phone", 390, 844, is_touched=True, scale=2.0)


class Programs(NamedTuple):
    """Where the browser and its driver are."""

    chromium: str
    driver: str


def programs() -> Programs | None:
    """Return where they are; None where one is missing."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    return None if chromium is None or driver is None else Programs(chromium, driver)


class Browser:
    """One window on a service's pages.

    Args:
        driver: the browser that is driven.
        url: where the service is; nothing else may be asked for anything.
        screen: what is looked at.
    """

    def __init__(self, driver: Chrome, url: str, screen: Screen) -> None:
        self.driver = driver
        self.url = url
        self.screen = screen
        self._console: list[dict[str, Any]] = []
        self._requested: list[str] = []

    def open(self, path: str) -> None:
        """Open a page of the service."""
        self.driver.get(self.url + path)

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements that a CSS selector picks."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """Wait for an element and return it, the first of several.

        Raises:
            TimeoutError: there is none.
        """
        self.wait(lambda: self.all(selector), selector)
        return self.all(selector)[0]

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def point(self, element: WebElement) -> None:
        """Move the mouse onto an element."""
        ActionChains(self.driver).move_to_element(element).perform()

    def wait(self, condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: saying ``what`` did not happen.
        """
        wait_until(condition, timeout_s, what)

    def shot(self, name: str) -> Path:
        """Keep a picture of what is seen, once nothing moves, below ``build/screenshots``."""
        moving = (
            "return document.getAnimations().some((one) => one.playState === 'running'"
            " && !(one instanceof CSSAnimation))"
        )
        self.wait(lambda: not self.run(moving), "the page to come to rest")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}-{self.screen.name}.png"
        assert self.driver.save_screenshot(str(path))
        return path

    def requests(self) -> list[str]:
        """Return every address that was asked for so far."""
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._requested.append(message["params"]["request"]["url"])
        return list(self._requested)

    def console_errors(self) -> list[str]:
        """Return the console's errors so far; breaches of the page's policy are among them."""
        self._console += self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in self._console if entry["level"] == "SEVERE"]

    def faults(self) -> list[str]:
        """Return what the pages did that no page of ours may do: empty if all is well."""
        ours = urlsplit(self.url).netloc
        elsewhere = [
            f"asked elsewhere: {url}"
            for url in self.requests()
            if urlsplit(url).scheme in ("http", "https", "ws", "wss")
            and urlsplit(url).netloc != ours
        ]
        return self.console_errors() + elsewhere


@contextmanager
def chromium(found: Programs, url: str, screen: Screen, profile: Path) -> Iterator[Browser]:
    """Have a browser for the length of a block; ``profile`` is an empty directory."""
    options = ChromeOptions()
    options.binary_location = found.chromium
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if not screen.is_touched:
        options.add_argument(_WITH_A_MOUSE)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(executable_path=found.driver))
    try:
        driver.set_page_load_timeout(WAIT_S)
        driver.set_script_timeout(WAIT_S)
        _set_screen(driver, screen)
        yield Browser(driver, url, screen)
    finally:
        driver.quit()


def _set_screen(driver: Chrome, screen: Screen) -> None:
    metrics = {
        "width": screen.width,
        "height": screen.height,
        "deviceScaleFactor": screen.scale,
        "mobile": screen.is_touched,
    }
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    touch = {"enabled": screen.is_touched}
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", touch)
