"""The rows as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.faults.torture.rows import Row


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Print one line a row."""
    table = Table(title="Torture", show_lines=False)
    table.add_column("case", overflow="fold")
    table.add_column("test", overflow="fold")
    table.add_column("result")
    table.add_column("figures", overflow="fold")
    for row in rows:
        result = "[green]passed[/]" if row.passed else "[bold red]FAILED[/]"
        table.add_row(row.case, _short(row.test), result, _figures(row))
    console.print(table)


def _short(test: str) -> str:
    return "\n".join(one.rpartition("::")[2] for one in test.split(", "))


def _figures(row: Row) -> str:
    return "\n".join(f"{name}: {value}" for name, value in row.figures.items())


def write_report(rows: Sequence[Row], path: Path) -> None:
    """Write ``{"rows": [{"case", "test", "passed", "figures"}]}``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {"rows": [row._asdict() for row in rows]}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
