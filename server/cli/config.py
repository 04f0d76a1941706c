"""``marquee config``: is the configuration right, and what is in force."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bandit.config.loading import config_sources
from bandit.config.reference import config_reference, toml_literal
from server.auth import check_named_files
from server.cli.shared import config_option, read_config
from server.config_telling import keys_in_force


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
    for one in keys_in_force(read_config(config_path), sources):
        click.echo(f"{one.key} = {toml_literal(one.value)}  # {one.source}")


@config.command()
def reference() -> None:
    """Print the reference of every key in Markdown, as in docs/config.md.

    \b
    Example:
      marquee config reference > docs/config.md
    """
    click.echo(config_reference(), nl=False)
