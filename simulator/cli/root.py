"""The root command."""

from __future__ import annotations

import click

from simulator.cli.compare import compare
from simulator.cli.datasets import datasets
from simulator.cli.evaluate import evaluate
from simulator.cli.export import export
from simulator.cli.listing import environments, estimators, policies
from simulator.cli.report import report
from simulator.cli.search import search
from simulator.cli.shared import PROGRAM, ErrorsTold
from simulator.cli.simulate import simulate


@click.group(cls=ErrorsTold, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="marquee", prog_name=PROGRAM)
def main() -> None:
    """Tell what another policy would have earned: on logs, and in worlds whose truth is known."""


for command in (
    evaluate,
    simulate,
    search,
    compare,
    report,
    datasets,
    export,
    environments,
    policies,
    estimators,
):
    main.add_command(command)
