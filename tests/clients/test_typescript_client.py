"""The TypeScript client: its own tests, run by node against real services, and what it ships."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "typescript"
LOCK = CLIENT / "package-lock.json"
INSTALLED = CLIENT / "node_modules" / ".package-lock.json"

Npm = Callable[..., str]

pytestmark = pytest.mark.xdist_group("typescript")


def package() -> Any:
    return json.loads((CLIENT / "package.json").read_text())


@pytest.fixture(scope="module")
def npm() -> Npm:
    """Run npm on the client, whose development tools are installed."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("the TypeScript client is tested by node and npm, which are not here")

    def run(*arguments: str) -> str:
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

    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        run("ci")
    return run


@pytest.mark.processes
def test_it_does_what_it_says_against_real_services(npm: Npm) -> None:
    output = npm("test")
    passed = re.search(r"^\W*pass (\d+)$", output, re.MULTILINE)
    assert passed is not None, output
    assert int(passed[1]) > 35


def test_its_types_are_those_of_the_described_api(npm: Npm) -> None:
    npm("run", "types", "--", "--check")


def test_it_ships_its_code_and_types_and_nothing_else(npm: Npm) -> None:
    npm("run", "build")
    (packed,) = json.loads(npm("pack", "--dry-run", "--json", "--ignore-scripts", "--silent"))
    names = {file["path"] for file in packed["files"]}
    modules = {path.stem for path in (CLIENT / "src").glob("*.ts")}
    assert names == {"package.json", "README.md", "LICENSE"} | {
        f"dist/{module}.{kind}" for module in modules for kind in ("js", "d.ts")
    }


def test_it_needs_nothing_at_run_time_and_pins_what_builds_it() -> None:
    described = package()
    assert not described.keys() & {"dependencies", "peerDependencies", "optionalDependencies"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", pin) for pin in described["devDependencies"].values())
    locked = json.loads(LOCK.read_text())["packages"]
    assert all("resolved" not in entry for entry in locked.values()), "it names a registry"
    assert all("integrity" in entry for name, entry in locked.items() if name)


def test_it_has_our_version_and_licence() -> None:
    version = re.search(r"^version = (\S+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert version is not None
    assert package()["version"] == version[1]
    assert (CLIENT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("path", sorted((CLIENT / "src").glob("*.ts")), ids=lambda it: it.name)
def test_its_modules_are_small(path: Path) -> None:
    lines = path.read_text().splitlines()
    if path.name != "schema.ts":
        assert len(lines) <= 400
        assert all(len(line) <= 100 for line in lines)
