"""What tests in a browser share: a real service with the demo's files, and browsers to look at it.

A module's ``SETTINGS`` (environment of the service) come on top of the example's configuration and
of :data:`QUICK`; each module has a service of its own. A test fails for what a page must not do,
whatever else it asserts: an error in the console, a breach of the page's policy, a request to
anywhere but the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from examples.catalog_files import CATALOG, HERE
from examples.demo_files import write_all
from server.client import Client
from server.local import LocalServer
from tests.browser.chromium import DESKTOP, Browser, Programs, Screen, chromium, programs

OpenBrowser = Callable[[Screen], Browser]

QUICK: Final[Mapping[str, str]] = {
    "MARQUEE__SERVER__WORKERS": "1",
    "MARQUEE__CATALOG__SOURCE": str(CATALOG),
    "MARQUEE__REWARD__WINDOW_S": "20",
    "MARQUEE__REWARD__CLOSE_AFTER_PLAY_S": "0.1",
    "MARQUEE__LEARNER__PUBLISH_INTERVAL_S": "0.1",
}


@pytest.fixture(scope="session")
def found() -> Programs:
    """Return where Chromium and its driver are; skip where they are not."""
    there = programs()
    if there is None:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    return there


@pytest.fixture(scope="session")
def demo_directory(found: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with all that the demo homepage shows."""
    directory = tmp_path_factory.mktemp("demo-files")
    write_all(directory)
    return directory


@pytest.fixture(scope="module")
def service(
    request: pytest.FixtureRequest, demo_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """Have a service with the example's catalog and the demo homepage."""
    settings = {
        **QUICK,
        "MARQUEE__PAGES__DEMO_DIRECTORY": str(demo_directory),
        **getattr(request.module, "SETTINGS", {}),
    }
    state = tmp_path_factory.mktemp("service")
    with LocalServer(state, config=HERE / "marquee.toml", settings=settings) as server:
        yield server


@pytest.fixture
def client(service: LocalServer) -> Iterator[Client]:
    """Have a client of the service."""
    with Client(service.url, deadline_s=20) as client:
        yield client


@pytest.fixture
def open_browser(
    found: Programs, service: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenBrowser]:
    """Have a function that opens a browser on the service; see the module for what fails a test."""
    opened: list[Browser] = []
    with ExitStack() as stack:

        def open_one(screen: Screen) -> Browser:
            profile = tmp_path_factory.mktemp("profile")
            browser = stack.enter_context(chromium(found, service.url, screen, profile))
            opened.append(browser)
            return browser

        yield open_one
        assert [fault for browser in opened for fault in browser.faults()] == []


@pytest.fixture
def browser(open_browser: OpenBrowser) -> Browser:
    """Have a browser at a desk."""
    return open_browser(DESKTOP)
