"""``make bench``: every published number of speed and memory, in one run and one table.

``python -m benchmarks`` runs all parts and writes ``benchmarks/results/latest.json`` and ``.html``;
with ``--quick`` it does so on little work in under three minutes and notes that in the files. With
``--only learner,http`` it runs some parts and writes ``partial.json`` and ``.html`` instead. A part
that fails does not lose the others' figures, and makes the command fail in the end. The learning
settings are compared by ``python -m benchmarks.learning_defaults``.
"""

from __future__ import annotations

import sys

import click

from benchmarks.parts import PARTS
from benchmarks.running import Suite, run


@click.command()
@click.option("--only", default="", help=f"Some of {', '.join(PARTS)}; separate by commas.")
@click.option("--quick", is_flag=True, help="Little work: under three minutes for all parts.")
def main(*, only: str, quick: bool) -> None:
    """Measure speed and memory, and print one table."""
    sys.exit(run(Suite("benchmarks", PARTS, "latest", "partial"), only, quick=quick))


if __name__ == "__main__":
    main()
