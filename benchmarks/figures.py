"""The figures of one run: told as they come, then in one table and one JSON file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine

WIDTH: Final = 150


class Target(NamedTuple):
    """What a figure must reach."""

    sign: Literal["<", "≥"]
    value: float

    def met_by(self, value: float) -> bool:
        """Tell whether a value reaches it."""
        return value < self.value if self.sign == "<" else value >= self.value

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One published number and how it came about."""

    value: float
    unit: str
    work: str
    command: str
    target: str | None = None


class Board:
    """Collects figures and tells progress."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(width=WIDTH)
        self._began = time.monotonic()
        self._part = ""
        self._missed: set[str] = set()
        self.figures: dict[str, Figure] = {}

    def begin(self, part: str) -> None:
        """Start a part, which its figures' command names."""
        self._part = part
        self.say(f"[bold]{part}")

    def say(self, text: str) -> None:
        """Tell progress."""
        self._console.print(f"[dim]{time.monotonic() - self._began:4.0f} s[/] {text}")

    def add(
        self, name: str, value: float, unit: str, work: str, target: Target | None = None
    ) -> None:
        """Add a figure."""
        command = f"python -m benchmarks --only {self._part}"
        wanted = None if target is None else str(target)
        self.figures[name] = Figure(_rounded(value), unit, work, command, wanted)
        if target is not None and not target.met_by(value):
            self._missed.add(name)
        self.say(f"{name} {_rounded(value):,g} {unit}")

    def show(self) -> None:
        """Print the machine and one table."""
        facts = machine()
        self._console.print()
        self._console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
        table = Table(title="Marquee, measured")
        table.add_column("figure", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("unit", no_wrap=True)
        table.add_column("target", no_wrap=True)
        table.add_column("work")
        before = ""
        for name, figure in self.figures.items():
            if before and figure.command != before:
                table.add_section()
            before = figure.command
            mark = "[red]missed[/] " if name in self._missed else ""
            table.add_row(
                name, f"{figure.value:,g}", figure.unit, mark + (figure.target or ""), figure.work
            )
        self._console.print(table)
        self._console.print(f"{time.monotonic() - self._began:.0f} s")

    def write(self, path: Path) -> None:
        """Write machine and figures as JSON."""
        path.parent.mkdir(exist_ok=True)
        document = {"machine": machine(), "figures": self.figures}
        content = msgspec.json.format(msgspec.json.encode(document), indent=1)
        path.write_bytes(content + b"\n")


def _rounded(value: float) -> float:
    """Round to four significant digits: more would be noise."""
    return float(f"{value:.4g}")
