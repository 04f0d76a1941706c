"""Run the torture suite: each part in turn, a table at the end, and the rows as JSON.

``python -m tests.faults.torture [--seed N] [--quick] [--only part,…] [--minutes M]``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.faults.torture.parts import PARTS, Part
from tests.faults.torture.rows import Options, Row

REPORT = Path("build/torture.json")


def run_parts(parts: list[Part], seed: int, quick: bool, share: float) -> list[Row]:
    """Run the parts one after another; ``share`` scales the seconds that each may take."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="marquee-torture-") as directory:
        for part in parts:
            own = Path(directory, part.name)
            own.mkdir()
            print(f"== {part.name}", flush=True)
            rows += part.run(Options(seed, part.seconds * share, quick, own))
    return rows


def main() -> int:
    """Run what was asked for and return the exit code: 0 when every row passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.torture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the same on little work")
    asked = parser.parse_args()
    rows = run_parts(PARTS, asked.seed, asked.quick, 1.0)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_bytes(msgspec.json.format(msgspec.json.encode({"rows": rows})))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
