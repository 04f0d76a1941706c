"""What is installed is ours: the PyPI package of the same import name is a linter."""

from __future__ import annotations

import re
from configparser import ConfigParser
from fnmatch import fnmatch
from importlib.metadata import entry_points, requires, version
from pathlib import Path

import pytest

import bandit
import server
import simulator

ROOT = Path(__file__).parents[1]


def test_the_packages_are_ours() -> None:
    for package in (bandit, server, simulator):
        name = package.__name__
        assert package.__file__ is not None
        assert Path(package.__file__).parent == ROOT / name, f"another {name} is installed"


def test_the_packages_are_typed() -> None:
    for name in ("bandit", "server", "simulator"):
        assert (ROOT / name / "py.typed").is_file()


@pytest.mark.parametrize("command", ["marquee", "marquee-sim"])
def test_the_commands_are_installed(command: str) -> None:
    (script,) = entry_points(group="console_scripts", name=command)
    assert script.load().name == "main"
    assert version("marquee") in (ROOT / "setup.cfg").read_text()


def test_reports_find_their_templates_where_they_are_installed() -> None:
    """A wheel holds what setup.cfg lists: each file beside the code must match a pattern there."""
    listed = ConfigParser()
    listed.read(ROOT / "setup.cfg")
    for package in ("bandit", "server", "simulator"):
        for path in (ROOT / package).rglob("*"):
            kept = path.is_file() and "__pycache__" not in path.parts
            if kept and path.suffix not in (".py", ".typed", ".pyc"):
                patterns = _data_patterns(listed, path)
                assert any(fnmatch(path.name, pattern) for pattern in patterns), path


def _data_patterns(listed: ConfigParser, path: Path) -> list[str]:
    """Return the patterns of file names that setup.cfg has for a data file's folder."""
    data = listed["options.package_data"]
    owner = path.parent
    while not (owner / "__init__.py").is_file():
        owner = owner.parent
    package = ".".join(owner.relative_to(ROOT).parts)
    inner = path.parent.relative_to(owner).as_posix()
    patterns = data.get(package, "").replace(",", "\n").split()
    deep = [each for each in patterns if each.endswith("/**")]
    if any(inner == each[:-3] or inner.startswith(each[:-2]) for each in deep):
        return ["*"]
    return [Path(each).name for each in patterns if Path(each).parent.as_posix() == inner]


def test_the_linter_of_the_same_name_is_never_asked_for() -> None:
    asked = {re.split(r"[^\w-]", name)[0].lower() for name in requires("marquee") or []}
    assert "bandit" not in asked
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert not re.search(r"\bbandit\b", hooks)
