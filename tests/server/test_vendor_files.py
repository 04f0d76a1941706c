"""The dashboard does without what was not installed, and browsers are told of no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import pages
from tests.server.edge_service import EdgeService, edge_app


def test_what_is_done_without_is_empty_and_all_else_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    client = edge_app(EdgeService()).test_client()
    script = client.get("/static/vendor/uPlot.iife.min.js")
    assert (script.status_code, script.data) == (200, b"")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert client.get("/static/vendor/uPlot.min.css").status_code == 200
    assert client.get("/static/vendor/other.js").status_code == 404


def test_what_is_installed_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "uPlot.iife.min.js").write_text("var uPlot;")
    served = edge_app(EdgeService()).test_client().get("/static/vendor/uPlot.iife.min.js")
    assert served.data == b"var uPlot;"


def test_the_pages_files_name_no_other_host() -> None:
    own = [path for path in pages.STATIC.rglob("*") if path.suffix in (".html", ".js", ".css")]
    for path in own:
        if "vendor" not in path.parts:
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "://" not in text, path
