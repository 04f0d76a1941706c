"""The documents as static pages: laid out without a warning, complete, and loading nothing from
elsewhere."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.markdown import ROOT

DOCS = ROOT / "docs"

pytestmark = pytest.mark.xdist_group("static_pages")


class Page(HTMLParser):
    """What a page loads, where its links lead, and which places of its own may be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.places |= {named[name] for name in ("id", "name") if name in named}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        elif tag == "link" and "stylesheet" in named.get("rel", ""):
            self.loaded.append(named["href"])
        elif "src" in named:
            self.loaded.append(named["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the pages; a warning is an error."""
    directory = tmp_path_factory.mktemp("pages")
    options = ["--fail-on-warning", "--keep-going", "--quiet"]
    places = ["--doctree-dir", directory / "cache", DOCS, directory / "html"]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, *map(str, places)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return directory / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Return all pages by their names."""
    return {path.name: Page(path) for path in site.glob("*.html")}


def test_every_document_is_a_page_that_the_front_page_leads_to(pages: dict[str, Page]) -> None:
    written = {f"{path.stem}.html" for path in DOCS.glob("*.md")}
    assert written <= pages.keys()
    assert written - {"index.html"} <= set(pages["index.html"].links)


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        assert page.loaded, name
        for source in page.loaded:
            parts = urlsplit(source)
            assert (parts.scheme, parts.netloc) in (("", ""), ("data", "")), f"{name}: {source}"
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        assert "url(http" not in text
        assert "url(//" not in text
        assert "@import" not in text


def test_every_link_within_the_pages_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    count = 0
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            path = unquote(parts.path) or name
            assert (site / path).exists(), f"{name}: {link}"
            if path.endswith(".html") and parts.fragment:
                assert unquote(parts.fragment) in pages[path].places, f"{name}: {link}"
    assert count > 1000


def test_readmes_stand_in_their_places(pages: dict[str, Page]) -> None:
    assert "Sixty seconds" in pages["readme.html"].text
    assert "In a browser" in pages["typescript-client.html"].text
    assert "readme.html#measured" in pages["operations.html"].links
