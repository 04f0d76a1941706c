"""What tests of the TypeScript client share: npm, with the client's tools installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from bandit.files import exclusive_lock
from tests.docs.markdown import ROOT

CLIENT: Final = ROOT / "clients" / "typescript"
LOCK: Final = CLIENT / "package-lock.json"
_LOCK_FILE: Final = ROOT / "build" / "typescript-client.lock"
"""Held while npm is at work on the client."""

_INSTALLED: Final = CLIENT / "node_modules" / ".package-lock.json"

Npm = Callable[..., str]


@pytest.fixture(scope="session")
def npm() -> Npm:
    """Return a function that runs npm on the client."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("the TypeScript client is tested by node and npm, which are not here")

    _LOCK_FILE.parent.mkdir(exist_ok=True)
    # Several processes may run these tests, and npm removes what another one is installing.
    with exclusive_lock(_LOCK_FILE):
        if not _INSTALLED.exists() or _INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
            _run("ci")

    def run(*arguments: str) -> str:
        with exclusive_lock(_LOCK_FILE):
            return _run(*arguments)

    return run


def _run(*arguments: str) -> str:
    done = subprocess.run(
        ["npm", *arguments],
        cwd=CLIENT,
        env={**os.environ, "MARQUEE_PYTHON": sys.executable, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def built(npm: Npm) -> Path:
    """Return the directory of the client's code, as it is shipped."""
    npm("run", "build")
    return CLIENT / "dist"
