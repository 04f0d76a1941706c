"""The configuration's reference is the types' own, and no key goes unexplained."""

from __future__ import annotations

from pathlib import Path

from bandit.config import Config
from bandit.config.keys import members, walk
from bandit.config.reference import config_reference
from server.cli.reference import cli_reference, commands

DOCS = Path(__file__).parents[2] / "docs"


def test_every_key_has_a_description() -> None:
    undescribed = [
        path
        for path, key in walk(Config)
        if not members(key.type) and not path.endswith(".type") and not key.description
    ]
    assert undescribed == []


def test_the_reference_names_every_key() -> None:
    reference = config_reference()
    for path, key in walk(Config):
        if not members(key.type) and not path.endswith(".type"):
            assert f"| `{path}` |" in reference
        elif members(key.type):
            assert f"`[{path}]`" in reference


def test_the_written_reference_is_up_to_date() -> None:
    assert (DOCS / "config.md").read_text() == config_reference(), "run `make docs`"


def test_the_written_commands_are_up_to_date() -> None:
    written = (DOCS / "cli.md").read_text()
    assert written == cli_reference(), "run `make docs`"
    for command in commands():
        assert f"`{command}`" in written
