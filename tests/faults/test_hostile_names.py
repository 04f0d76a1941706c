"""Hostile names through every door that takes one: nothing is made, read or told from outside.

A name may become a path (a catalog's or snapshot's version, a file of an export, a backup or a
page), a part of an address, or a header. An audit hook sees every file that Python opens, lists,
makes or removes meanwhile.
"""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from flask import Flask

from bandit.backups.manifest import BackupManifest, StoredFile
from bandit.backups.manifest import write_manifest as write_backup_manifest
from bandit.backups.verifying import verify
from bandit.catalog import CatalogStore
from bandit.errors import MarqueeError
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.outcome_files import OutcomeFiles, export_log
from bandit.types import SURFACES, TitleChoice
from server.app import create_app
from server.rate_limits import RateLimiter
from simulator.datasets import concatenate, open_source
from simulator.datasets.dsjson_writing import write_dsjson
from simulator.errors import SimulatorError
from tests.docs.markdown import ROOT
from tests.server.real_service import CATALOG, PAGE, Node, Site, site_at

SECRET = b"what nobody outside may read"
ORIGIN = "https://shop.example"
SETTINGS = {
    "MARQUEE__SERVER__CORS_ORIGINS": f'["{ORIGIN}"]',
    "MARQUEE__RATE_LIMITS__ADDRESS": "1000000/minute",
    "MARQUEE__RATE_LIMITS__TRUSTED_PROXIES": '["127.0.0.1"]',
}
NAMES = {
    "parent": "..",
    "parents": "../../../outside/secret.html",
    "parents of an id": "t1/../../../outside/secret.html",
    "absolute": "/etc/passwd",
    "absolute twice": "//etc/passwd",
    "home": "~/secret.html",
    "NUL": "secret.html\0.js",
    "newline": "a\r\nSet-Cookie: a=b\r\n\r\n<p>",
    "bare newline at the end": "c0123456789abcdef\n",
    "percent-encoded slashes": "..%2f..%2f..%2foutside%2fsecret.html",
    "percent-encoded twice": "%252e%252e%252foutside%252fsecret.html",
    "overlong dots": "..\xc0\xaf..\xc0\xafoutside",
    "full-width dots and slashes": "\uff0e\uff0e\uff0foutside\uff0fsecret.html",
    "division slash": "..\u2215..\u2215outside\u2215secret.html",
    "digits of another script": "\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661-ed82f784",
    "letters that look like others": "\u0441urrent",
    "lone surrogate": "\udcff",
    "backslashes": "..\\..\\outside\\secret.html",
    "long": "a" * 257,
    "longer than a path": "../" * 2000,
    "hidden": ".lock",
    "our own pointer": "current",
    "device": "/dev/zero",
    "nothing": "",
    "a dot": ".",
    "wildcard": "*",
    "variable": "$HOME/${PATH}",
}
PATHS = [
    ("POST", "/v1/decisions/{}/activate"),
    ("GET", "/v1/decisions/{}/explain"),
    ("POST", "/v1/snapshots/{}/activate"),
    ("GET", "/v1/weights/{}"),
    ("GET", "/static/{}"),
    ("GET", "/demo/files/{}"),
    ("GET", "/{}"),
]
HEADED: list[tuple[str, str, object]] = [
    ("POST", "/v1/feedback", {"events": []}),
    ("OPTIONS", "/v1/feedback", None),
    ("PATCH", "/v1/catalog", {}),
    ("GET", "/v1/status", None),
]
HEADERS = ["IF_MATCH", "X_REQUEST_ID", "ORIGIN", "HOST", "X_FORWARDED_FOR", "X_API_KEY", "ACCEPT"]
REQUEST_ID = re.compile(r"[A-Za-z0-9_.:@/-]{1,256}")

named = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())


class Touched:
    """The paths that a thread touches while it looks; what polls in others is not its doing."""

    EVENTS = frozenset(
        ["open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
         "os.link", "os.symlink", "os.truncate", "os.chmod", "sqlite3.connect", "shutil.rmtree"]
    )  # fmt: skip

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.thread = 0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self.thread == threading.get_ident() and event in self.EVENTS:
            paths = args[:2] if event == "os.rename" else args[:1]
            self.paths += [os.fsdecode(path) for path in paths if isinstance(path, str | bytes)]

    @contextmanager
    def only_below(self, *roots: Path) -> Iterator[None]:
        """Check that nothing but what lies below some directories is touched in a block."""
        self.paths.clear()
        self.thread = threading.get_ident()
        try:
            yield
        finally:
            self.thread = 0
        found = {os.path.normpath(Path.cwd() / path) for path in self.paths}
        allowed = [*map(str, roots), sys.prefix, sys.base_prefix, str(ROOT), "/proc", "/dev/shm"]
        assert [path for path in found if not path.startswith(tuple(allowed))] == []


TOUCHED = Touched()


class Place(NamedTuple):
    """A site with something beside it that is nobody's business."""

    root: Path
    site: Site
    node: Node
    app: Flask


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("names")
    (root / "outside").mkdir()
    (root / "outside" / "secret.html").write_bytes(SECRET)
    demo = root / "state" / "demo"
    demo.mkdir(parents=True)
    with site_at(root / "state", {**SETTINGS, "MARQUEE__PAGES__DEMO_DIRECTORY": str(demo)}) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        limiter = RateLimiter.from_config(site.config, site.clock, node.service.metrics)
        yield Place(root, site, node, create_app(node.service, limiter=limiter))


def outside(place: Place) -> dict[str, bytes]:
    """Return all files beside the state."""
    return {
        str(path): path.read_bytes()
        for path in place.root.rglob("*")
        if path.is_file() and place.root / "state" not in path.parents
    }


def call(place: Place, method: str, path: str, body: object = None, **headers: str) -> bytes:
    """Call as a server without any checks of its own would; return the answer's body."""
    content = b"" if body is None else msgspec.json.encode(body)
    seen: list[Any] = []
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "h", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "h",
        "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(content),
        "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0), "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
        **{f"HTTP_{name}": text for name, text in headers.items()},
    }  # fmt: skip
    if body is not None:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(content))}

    def start_response(status: str, told: list[tuple[str, str]], *_rest: Any) -> Any:
        seen[:] = [status, told]

    answer = b"".join(place.app.wsgi_app(environ, start_response))
    status, told = seen
    assert int(status[:3]) < 500, (path, status, answer)
    assert SECRET not in answer
    assert not any(letter in name + text for name, text in told for letter in "\r\n\0")
    given = dict(told)
    assert REQUEST_ID.fullmatch(given["X-Request-Id"])
    assert "Set-Cookie" not in given
    assert given.get("Access-Control-Allow-Origin", ORIGIN) == ORIGIN
    return answer


def as_wsgi(name: str) -> str:
    """Return a name as WSGI has it in an address or header: bytes, each as a letter."""
    return name.encode("utf-8", "surrogateescape").decode("latin-1")


def test_what_is_touched_outside_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="elsewhere"), TOUCHED.only_below(tmp_path / "state"):
        (tmp_path / "elsewhere").write_bytes(b"")


@named
def test_in_addresses(place: Place, name: str) -> None:
    before = outside(place)
    with TOUCHED.only_below(place.root / "state"):
        for method, path in PATHS:
            call(place, method, path.format(as_wsgi(name)))
    assert outside(place) == before


@named
def test_in_headers(place: Place, name: str) -> None:
    before = outside(place)
    with TOUCHED.only_below(place.root / "state"):
        for header in HEADERS:
            for method, path, body in HEADED:
                call(place, method, path, body, **{header: as_wsgi(name)})
    assert outside(place) == before


@named
def test_in_bodies(place: Place, name: str) -> None:
    if "\udcff" in name:
        name = "\ufffd"  # JSON has no lone surrogates to send.
    event = {"event_id": name, "decision_id": name, "type": "click", "title": name, "row": name}
    before = outside(place)
    with TOUCHED.only_below(place.root / "state"):
        for page in [
            {**PAGE, "decision_id": name},
            {**PAGE, "viewer_id": name},
            {**PAGE, "context": {name: name}},
            {"titles": [{"id": name, "artworks": [{"id": name}]}], "rows": [{"id": name}]},
        ]:
            call(place, "POST", "/v1/rank", page)
        call(place, "POST", "/v1/feedback", {"events": [event, {**event, "token": name}]})
        item = {"id": name, "artworks": [{"id": name, "features": {name: name}}]}
        call(place, "PATCH", "/v1/catalog", {"titles": [item], "remove_rows": [name]})
    assert outside(place) == before


def refused(read: Callable[[], object]) -> None:
    """Try what may be refused, with an error of ours that says what to do, or do no harm."""
    with suppress(MarqueeError):
        read()


@named
def test_as_versions(place: Place, name: str) -> None:
    catalogs = CatalogStore(place.site.config.catalog.directory, place.site.config.limits)
    before = outside(place)
    with TOUCHED.only_below(place.root / "state"):
        for read in (catalogs.document, catalogs.content, catalogs.load, catalogs.set_current):
            with pytest.raises(MarqueeError):
                read(name)
        for surface in SURFACES:
            for take in (place.site.snapshots.load, place.site.snapshots.activate):
                with pytest.raises(MarqueeError):
                    take(surface, name)
    assert outside(place) == before


def sendable(name: str) -> str:
    """Return a name as far as files in UTF-8 can hold it."""
    return name.encode("utf-8", "replace").decode()


@named
def test_in_the_log_and_its_export(place: Place, tmp_path: Path, name: str) -> None:
    """Records are made by the service alone; a log that was tampered with leads nowhere either."""
    name = sendable(name)
    site = place.site
    decision = DecisionRecord(
        decision_id=name,
        decided_at_us=site.clock.now_us(),
        body_digest=b"",
        catalog=name,
        policy=name,
        shares={"artwork": "learned"},
        titles=[TitleChoice(name, name, 0.5)],
        viewer_id=name,
    )
    event = FeedbackRecord(event_id=f"e{name}", decision_id=name, type="click", title=name)
    before = outside(place)
    with TOUCHED.only_below(place.root / "state", tmp_path):
        site.append(decision, event)
        site.close_windows()
        site.learn()
        catalogs = CatalogStore(site.config.catalog.directory, site.config.limits)
        export_log(site.reader, catalogs, site.config, tmp_path / "export", site.clock.now_us())
        assert OutcomeFiles(tmp_path / "export").manifest.outcomes
    assert outside(place) == before
    flat = re.compile(r"[A-Za-z0-9_=.-]+")
    assert [path for path in tmp_path.rglob("*") if not flat.fullmatch(path.name)] == []


@named
def test_in_the_manifest_of_an_export(place: Place, tmp_path: Path, name: str) -> None:
    export = tmp_path / "export"
    site = place.site
    catalogs = CatalogStore(site.config.catalog.directory, site.config.limits)
    export_log(site.reader, catalogs, site.config, export, site.clock.now_us())
    manifest = msgspec.json.decode((export / "manifest.json").read_bytes())
    file = {"path": sendable(name), "outcomes": 1, "bytes": 1}
    with TOUCHED.only_below(tmp_path / "export"):
        for change in ({"files": [file]}, {"catalogs": [sendable(name)]}):
            (export / "manifest.json").write_bytes(msgspec.json.encode({**manifest, **change}))

            def read() -> None:
                found = OutcomeFiles(export)
                for version in found.manifest.catalogs:
                    found.catalog(version)
                list(found.outcomes())

            with pytest.raises(MarqueeError):
                read()


@named
def test_in_the_manifest_of_a_backup(tmp_path: Path, name: str) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    with TOUCHED.only_below(backup):
        for path in (sendable(name), f"log/{sendable(name)}"):
            manifest = BackupManifest(
                release="0", began_at_us=0, finished_at_us=0, formats={}, secrets=False,
                catalog=None, snapshots={}, spools=[], files=[StoredFile(path, 1, "0" * 64)],
            )  # fmt: skip
            write_backup_manifest(backup, manifest)
            with pytest.raises(MarqueeError):
                verify(backup)


@named
def test_in_logs_of_other_tools(tmp_path: Path, name: str) -> None:
    line = {
        "_label_cost": -1.0, "_label_probability": 0.8, "_label_Action": 1, "_labelIndex": 0,
        "EventId": name, "Timestamp": name, "Version": name, "a": [1, 2], "p": [0.8, 0.2],
        "c": {name: {name: 1}, "_multi": [{name: {"id": name}}, {"b": {"id": "b"}}]},
        "VWState": {"m": name},
    }  # fmt: skip
    source = tmp_path / "log.dsjson"
    source.write_bytes(msgspec.json.encode(line) if "\udcff" not in name else b"{}")
    with TOUCHED.only_below(tmp_path), suppress(SimulatorError):
        read = open_source(source)
        concatenate(read.choices())
        write_dsjson(tmp_path / "copy.dsjson", read.choices())
    assert {path.name for path in tmp_path.iterdir()} <= {"log.dsjson", "copy.dsjson"}
