"""Run the torture suite: each part in turn, a table at the end, and the rows as JSON.

``python -m tests.faults.torture --help`` tells how much of it, and from which seed.

What the kill storm is going to do is drawn from the seed and written to
``build/torture-schedule.json`` before it begins; ``--replay`` carries such a file out again. What
the services and their clients do meanwhile takes its own course, as real processes do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.faults.torture.parts import PARTS, Part
from tests.faults.torture.rows import Options, Row
from tests.faults.torture.table import print_table, write_report

REPORT = Path("build/torture.json")
_WIDTH = 140
"""Of the table where it is printed into a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and return the exit code: 0 when every row passed."""
    asked = _parser().parse_args(arguments)
    parts = _parts(asked.only)
    share = 1.0
    if asked.minutes is not None:
        share = asked.minutes * 60 / sum(part.seconds for part in parts)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="marquee-torture-") as directory:
        for part in parts:
            own = Path(directory, part.name)
            own.mkdir()
            options = Options(
                asked.seed, part.seconds * share, asked.quick, own, replay=asked.replay
            )
            rows += run_part(part, options)
    write_report(rows, REPORT)
    print_table(rows, Console(width=None if sys.stdout.isatty() else _WIDTH))
    failed = sum(not row.passed for row in rows)
    print(f"{len(rows) - failed} of {len(rows)} rows passed; see {REPORT}")
    return 1 if failed else 0


def run_part(part: Part, options: Options) -> list[Row]:
    """Run one part; whatever makes it stop is a row that failed."""
    print(f"== {part.name}, seed {options.seed}", flush=True)
    began = time.monotonic()
    rows: list[Row] = []
    try:
        rows += part.run(options)
    except Exception as error:  # noqa: BLE001 - the other parts are run, whatever it is
        traceback.print_exc()
        rows.append(Row(part.name, part.name, False, {"stopped by": repr(error)}))
    print(f"   {time.monotonic() - began:.0f} s", flush=True)
    return rows


def _parts(only: str | None) -> list[Part]:
    if only is None:
        return PARTS
    wanted = only.split(",")
    unknown = set(wanted) - {part.name for part in PARTS}
    if unknown:
        sys.exit(f"no part {', '.join(unknown)}: {', '.join(part.name for part in PARTS)}")
    return [part for part in PARTS if part.name in wanted]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.torture")
    parser.add_argument("--seed", type=int, default=1, help="draws every fault")
    parser.add_argument("--quick", action="store_true", help="the same on little work")
    parser.add_argument("--only", help="parts to run, with commas between")
    parser.add_argument("--minutes", type=float, help="about how long it may take")
    parser.add_argument("--replay", type=Path, help="a schedule of faults to carry out again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
