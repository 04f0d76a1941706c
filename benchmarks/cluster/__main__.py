"""``make bench-cluster``: what a cluster does, in one table, ``benchmarks/results/cluster.json``.

The machines are services of one machine, with a real Redis: they share its cores, which a cluster
would not, and have no network between them, which a cluster would.
"""

from __future__ import annotations

import sys
from typing import Final

import click

from benchmarks.cluster.forwarding import measure_forwarding
from benchmarks.cluster.freshness import measure_freshness
from benchmarks.cluster.new_scorer import measure_new_scorer
from benchmarks.cluster.outage import measure_outage
from benchmarks.cluster.throughput import measure_throughput
from benchmarks.running import Part, Suite, run

PARTS: Final[dict[str, Part]] = {
    "throughput": measure_throughput,
    "freshness": measure_freshness,
    "forwarding": measure_forwarding,
    "outage": measure_outage,
    "new_scorer": measure_new_scorer,
}


@click.command()
@click.option("--only", default="", help=f"Some of {', '.join(PARTS)}; separate by commas.")
@click.option("--quick", is_flag=True, help="Little work: under two minutes for all parts.")
def main(*, only: str, quick: bool) -> None:
    """Measure a cluster, and print one table."""
    sys.exit(
        run(Suite("benchmarks.cluster", PARTS, "cluster", "cluster-partial"), only, quick=quick)
    )


if __name__ == "__main__":
    main()
