"""``marquee config``: is the configuration right, and what is in force."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from bandit.config import Config
from bandit.config.keys import SECRET_KEYS, table_of
from bandit.config.loading import DEFAULT_SOURCE, config_sources
from bandit.config.reference import config_reference, toml_literal
from server.auth import check_named_files
from server.cli.shared import config_option, read_config
from server.logs import MASK


@click.group()
def config() -> None:
    """Check and show the configuration.

    \b
    Example:
      marquee config check --config marquee.toml
    """


@config.command()
@config_option
def check(config_path: Path | None) -> None:
    """Tell what is wrong with a configuration, all at once.

    \b
    Example:
      marquee config check --config marquee.toml
    """
    check_named_files(read_config(config_path))
    click.echo(f"{config_path or 'the default configuration'}: fine")


@config.command()
@config_option
def show(config_path: Path | None) -> None:
    """Print every key in force and where its value comes from, as TOML; API keys are masked.

    \b
    Example:
      marquee config show --config marquee.toml
    """
    sources = config_sources(config_path, os.environ)
    for path, value in _values(read_config(config_path), ""):
        shown = _masked(value) if path in SECRET_KEYS else value
        source = sources.get(path, DEFAULT_SOURCE)
        click.echo(f"{path} = {toml_literal(shown)}  # {source}")


@config.command()
def reference() -> None:
    """Print the reference of every key in Markdown, as in docs/config.md.

    \b
    Example:
      marquee config reference > docs/config.md
    """
    click.echo(config_reference(), nl=False)


def _values(section: msgspec.Struct | Config, prefix: str) -> Iterator[tuple[str, Any]]:
    table = table_of(type(section))
    if table.tag_field is not None:
        yield f"{prefix}{table.tag_field}", table.tag
    for name in table.keys:
        value = getattr(section, name)
        if isinstance(value, msgspec.Struct):
            yield from _values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _masked(value: Any) -> Any:
    """Return a secret's stand-in; of a list, one for each."""
    if isinstance(value, list):
        return [MASK for _ in value]
    return None if value is None else MASK
