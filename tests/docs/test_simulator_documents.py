"""What is written of the simulator's commands is what they are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from simulator.cli import main
from simulator.cli.reference import cli_reference, commands
from tests.docs.markdown import ROOT, WRITTEN, blocks

DOCS = ROOT / "docs"

documents = pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)


def test_the_written_commands_of_the_simulator_are_up_to_date() -> None:
    written = (DOCS / "simulator-cli.md").read_text()
    assert written == cli_reference(), "run `make docs`"
    for command in commands():
        assert f"`{command}`" in written


@documents
def test_every_command_of_the_simulator_that_is_named_exists(path: Path) -> None:
    text = path.read_text()
    lines = re.findall(r"`(marquee-sim [^`\n]*)`", text)
    for block in (*blocks(path, "sh"), *blocks(path, "bash")):
        joined = block.replace("\\\n", " ")
        lines += re.findall(r"^(?:\.venv/bin/)?(marquee-sim .*)$", joined, re.MULTILINE)
    for line in lines:
        words = shlex.split(line, comments=True)
        known = set(commands())
        longest = next(n for n in range(len(words), 0, -1) if " ".join(words[:n]) in known)
        command = command_named(words[1:longest])
        options = {
            name for param in command.params for name in (*param.opts, *param.secondary_opts)
        }
        given = {word.partition("=")[0] for word in words[longest:] if word.startswith("--")}
        assert given - {"--help", "--version"} <= options, line
        if isinstance(command, click.Group):
            assert not [word for word in words[longest:] if word[0].islower()], line


def command_named(words: list[str]) -> click.Command:
    command: click.Command = main
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return command
