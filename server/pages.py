"""The pages for people, and the files they are made of.

A page is a shell without any data: scripts of ours ask the API for it, with the key that whoever
looks has given, so that files need no protection of their own. Nothing is fetched from elsewhere
and nothing inline runs; the policy below has browsers hold to that.

Names of files are matched before they become paths, and never lead out of their directory.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from server.errors import NoSuchPageError
from server.exchange import Call, Reply

STATIC: Final = Path(__file__).with_name("static")
"""Our own pages, scripts and styles, and those of others in ``vendor``."""

FILE_BYTES_MAX: Final = 4_000_000

_NAME: Final = re.compile(r"(?:[a-z0-9_][a-z0-9_.-]{0,127}/){0,3}[a-z0-9_][a-z0-9_.-]{0,127}", re.I)
_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DONE_WITHOUT: Final = frozenset({"vendor/uPlot.iife.min.js", "vendor/uPlot.min.css"})
"""Empty where they were not installed: the dashboard shows tables then, and no browser an error."""

_PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""An SVG document carries its style within itself; it runs nothing."""


def dashboard(call: Call) -> Reply:
    """Return the dashboard's page.

    Raises:
        NoSuchPageError: ``pages.dashboard`` is off.
    """
    if not call.service.config.pages.dashboard:
        raise NoSuchPageError(
            "there is no dashboard here", hint="whoever runs the service may set pages.dashboard"
        )
    return file_reply(STATIC, "dashboard/index.html")


def demo(call: Call) -> Reply:
    """Return the demo homepage.

    Raises:
        NoSuchPageError: ``pages.demo_directory`` is not set.
    """
    _demo_directory(call)
    return file_reply(STATIC, "demo/index.html")


def static(call: Call) -> Reply:
    """Return a file of ours.

    Raises:
        NoSuchPageError: there is none of this name.
    """
    name = call.path["name"]
    try:
        return file_reply(STATIC, name)
    except NoSuchPageError:
        if name not in _DONE_WITHOUT:
            raise
        return _reply(b"", name)


def demo_file(call: Call) -> Reply:
    """Return a file of what the demo shows.

    Raises:
        NoSuchPageError: there is none of this name, or no demo.
    """
    return file_reply(_demo_directory(call), call.path["name"])


def file_reply(directory: Path, name: str) -> Reply:
    """Return a file as an answer that browsers ask for again whenever it may have changed.

    Raises:
        NoSuchPageError: there is no such file, or it is none for a page.
    """
    if _suffix(name) not in _MEDIA_TYPES or not _NAME.fullmatch(name):
        raise _nothing(name)
    try:
        with (directory / name).open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _nothing(name) from error
    if len(content) > FILE_BYTES_MAX:
        raise _nothing(name)
    return _reply(content, name)


def _reply(content: bytes, name: str) -> Reply:
    suffix = _suffix(name)
    policy = _PICTURE_POLICY if suffix == ".svg" else _POLICY
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "private, max-age=60",
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"',
    }
    return Reply(content, headers=headers, media_type=_MEDIA_TYPES[suffix])


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]


def _demo_directory(call: Call) -> Path:
    directory = call.service.config.pages.demo_directory
    if directory is None:
        raise NoSuchPageError(
            "there is no demo here",
            hint="`make demo` serves one; or set pages.demo_directory to a directory that "
            "`python -m examples.demo_files --out DIRECTORY` filled",
        )
    return Path(directory)


def _nothing(name: str) -> NoSuchPageError:
    return NoSuchPageError(f"there is no file {name[:128]!r}", hint="look again from / or /demo")
