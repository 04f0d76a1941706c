"""What is installed is ours: the PyPI package of the same import name is a linter."""

from __future__ import annotations

import re
from importlib.metadata import entry_points, requires, version
from pathlib import Path

import bandit
import server

ROOT = Path(__file__).parents[1]


def test_the_packages_are_ours() -> None:
    for package in (bandit, server):
        name = package.__name__
        assert package.__file__ is not None
        assert Path(package.__file__).parent == ROOT / name, f"another {name} is installed"


def test_the_packages_are_typed() -> None:
    for name in ("bandit", "server"):
        assert (ROOT / name / "py.typed").is_file()


def test_the_command_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="marquee")
    assert script.load().name == "main"
    assert version("marquee") in (ROOT / "setup.cfg").read_text()


def test_the_linter_of_the_same_name_is_never_asked_for() -> None:
    asked = {re.split(r"[^\w-]", name)[0].lower() for name in requires("marquee") or []}
    assert "bandit" not in asked
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert not re.search(r"\bbandit\b", hooks)
