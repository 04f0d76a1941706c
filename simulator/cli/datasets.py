"""``marquee-sim datasets``: what is known by name, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from simulator.cli.convert import convert
from simulator.cli.outputs import print_table
from simulator.errors import MissingDataError

if TYPE_CHECKING:
    from simulator.datasets.registry import DatasetInfo


@click.group()
def datasets() -> None:
    """List and describe the data sets that are known by name; write logged data in other formats.

    \b
    Example:
      marquee-sim datasets list
    """


@datasets.command("list")
def list_them() -> None:
    """List the data sets, and whether they are here.

    \b
    Example:
      marquee-sim datasets list
    """
    from simulator.datasets.known import DATA_VARIABLE
    from simulator.datasets.registry import DATASETS

    rows = []
    for one in DATASETS:
        try:
            one.where()
            here = "yes"
        except MissingDataError:
            here = "no"
        rows.append((one.name, here, one.title))
    print_table(("name", "here", "title"), rows)
    if any(here == "no" for _, here, _ in rows):
        click.echo(
            f"\nlooked for where {DATA_VARIABLE} says and in data/; `marquee-sim datasets describe "
            "NAME` tells how to get what is not here"
        )


@datasets.command()
@click.argument("name")
def describe(name: str) -> None:
    """Tell what a data set is, its licence, and how to get it.

    \b
    Example:
      marquee-sim datasets describe obd/random/men
    """
    one = _named(name)
    for label, text in (
        ("name", one.name),
        ("title", one.title),
        ("what", one.description),
        ("format", one.format),
        ("licence", one.licence),
        ("citation", one.citation),
        ("to get it", one.fetch),
    ):
        click.echo(f"{label}: {text}")


@datasets.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where a data set is; what is not here is told with how to get it.

    \b
    Example:
      marquee-sim datasets path obd/random/men
    """
    click.echo(str(_named(name).where()))


datasets.add_command(convert)


def _named(name: str) -> DatasetInfo:
    from simulator.datasets.registry import DATASETS, find_dataset

    found = find_dataset(name)
    if found is None:
        raise MissingDataError(
            f"there is no data set {name!r}",
            hint=f"one of {', '.join(one.name for one in DATASETS)}",
        )
    return found
