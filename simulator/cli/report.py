"""``marquee-sim report``."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.cli.outputs import check_writable
from simulator.results import read_result


@click.command()
@click.argument("result", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the page goes; by default beside RESULT, as .html.",
)
def report(result: Path, out: Path | None) -> None:
    """Make one self-contained HTML page of RESULT, a file that a study wrote with --json.

    \b
    Example:
      marquee-sim report evaluation.json --out evaluation.html
    """
    from simulator.report.write import write_report

    page = out or result.with_suffix(".html")
    check_writable(page)
    write_report(read_result(result), page)
    click.echo(str(page))
