"""``marquee catalog``: check catalog files, and make one the catalog that is served."""

from __future__ import annotations

from pathlib import Path

import click

from bandit.catalog import CatalogDocument, CatalogStore, read_catalog_file, summarise
from bandit.catalog.importing import import_catalog
from server.cli.shared import config_option, print_table, read_config

_file = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def catalog() -> None:
    """Check catalog files and load them.

    \b
    Example:
      marquee catalog check films.jsonl
    """


@catalog.command()
@_file
@config_option
def check(file: Path, config_path: Path | None) -> None:
    """Check a .jsonl or .msgpack catalog file and print what it holds.

    \b
    Example:
      marquee catalog check films.jsonl
    """
    document = read_catalog_file(file, read_config(config_path).limits)
    click.echo(f"{file}: fine")
    _print_summary(document)


@catalog.command()
@_file
@config_option
def load(file: Path, config_path: Path | None) -> None:
    """Check a catalog file and serve it; running workers take it over within a second.

    \b
    Example:
      marquee catalog load films.jsonl --config marquee.toml
    """
    config = read_config(config_path)
    store = CatalogStore(Path(config.catalog.directory), config.limits)
    _, document = import_catalog(store, file)
    click.echo(f"{file}: serving from {config.catalog.directory}")
    _print_summary(document)


def _print_summary(document: CatalogDocument) -> None:
    summary = summarise(document)
    counts = {
        "titles": summary.titles,
        "artworks": summary.artworks,
        "rows": summary.rows,
        "bytes": summary.size_bytes,
    }
    print_table(("catalog", "version"), [("", summary.version)])
    print_table(("what", "count"), list(counts.items()))
    features = [
        (kind, name, times)
        for kind, names in (
            ("title", summary.title_features),
            ("artwork", summary.artwork_features),
            ("row", summary.row_features),
        )
        for name, times in names.items()
    ]
    print_table(("of", "feature", "have it"), features)
