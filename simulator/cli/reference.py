"""Writes ``docs/simulator-cli.md`` from the commands' own help: ``python -m`` this module."""

from __future__ import annotations

from collections.abc import Iterator

import click

from simulator.cli.root import main
from simulator.cli.shared import PROGRAM

_HEAD = """# Command line of the simulator

<!-- Written by `python -m simulator.cli.reference`; change the commands in simulator/cli. -->

`marquee-sim` needs the extra libraries of `pip install 'marquee[simulator]'`. Results are the same
bit by bit for any `--jobs`. What is wrong is told on standard error as `error: …` and `hint: …`,
with exit code 2. Exit code 1 means that no estimate could be made, and 130 that Ctrl-C cut the work
short: what was done is printed and written all the same.
"""

_WIDTH = 90


def commands() -> list[str]:
    """Return the full names of all commands, groups included."""
    return [name for name, _ in _walk(PROGRAM, main)]


def cli_reference() -> str:
    """Return the help of all commands in Markdown."""
    parts = [_HEAD]
    for name, command in _walk(PROGRAM, main):
        context = click.Context(
            command, info_name=name, terminal_width=_WIDTH, **main.context_settings
        )
        parts.append(f"## `{name}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child_name, child in sorted(command.commands.items()):
            yield from _walk(f"{name} {child_name}", child)


if __name__ == "__main__":
    click.echo(cli_reference(), nl=False)
