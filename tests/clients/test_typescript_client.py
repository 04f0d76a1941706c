"""The TypeScript client: its own tests, run by node against real services, and what it ships."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import CLIENT, LOCK, Npm
from tests.docs.markdown import ROOT

pytestmark = pytest.mark.xdist_group("typescript")


def package() -> Any:
    return json.loads((CLIENT / "package.json").read_text())


@pytest.mark.processes
def test_it_does_what_it_says_against_real_services(npm: Npm) -> None:
    output = npm("test")
    passed = re.search(r"^\W*pass (\d+)$", output, re.MULTILINE)
    assert passed is not None, output
    assert int(passed[1]) > 35


def test_its_types_are_those_of_the_described_api(npm: Npm) -> None:
    npm("run", "types", "--", "--check")


def test_it_ships_its_code_and_types_and_nothing_else(npm: Npm, built: Path) -> None:
    assert built.name == "dist"
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
