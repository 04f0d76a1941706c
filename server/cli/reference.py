"""Writes ``docs/cli.md`` from the commands' own help: ``python -m server.cli.reference``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from server.cli.root import main

_HEAD = """# Command line

<!-- Written by `python -m server.cli.reference`; change the commands in server/cli instead. -->

Every command that takes `--config` also honours `MARQUEE__SECTION__KEY` variables (see
[config.md](config.md)). What is wrong is told on standard error as `error: …` and `hint: …`, with
exit code 2.
"""

_WIDTH = 90


def commands() -> list[str]:
    """Return the full names of all commands, groups included."""
    return [name for name, _ in _walk("marquee", main)]


def cli_reference() -> str:
    """Return the help of all commands in Markdown."""
    parts = [_HEAD]
    for name, command in _walk("marquee", main):
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
