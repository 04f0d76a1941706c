"""The figures and curves of one run: told as they come, then in one table, JSON and HTML.

A part that fails is told and noted; the figures of the others are kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine

WIDTH: Final = 150

Lines = Mapping[str, Sequence[tuple[float, float]]]
"""Points (x, y) by the label of the line that they make."""


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
    met: bool | None = None
    """Whether the target was reached, where there is one."""
    spread: tuple[float, float] | None = None
    """10th and 90th percentile over the repetitions whose median the value is."""


class Curve(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one quantity goes with another, a line for each thing compared."""

    x: str
    """What goes to the right, with its unit."""
    y: str
    lines: dict[str, list[tuple[float, float]]]
    work: str
    command: str
    logarithmic: Literal["", "x", "y", "xy"] = ""
    """The axes whose steps are factors."""


class Results(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a run found, as it is written."""

    machine: dict[str, str | int]
    figures: dict[str, Figure]
    curves: dict[str, Curve] = {}
    failed: dict[str, str] = {}
    """Why parts came to nothing, by part."""
    quick: bool = False
    """Little work: shows that all is measured, and roughly how fast; nothing to publish."""


class Board:
    """Collects figures and curves, and tells progress."""

    def __init__(
        self, console: Console | None = None, *, quick: bool = False, module: str = "benchmarks"
    ) -> None:
        """Begin; figures name their command by ``module``, what ``python -m`` runs."""
        self._console = console or Console(width=WIDTH)
        self._began = time.monotonic()
        self._part = ""
        self._quick = quick
        self._module = module
        self.figures: dict[str, Figure] = {}
        self.curves: dict[str, Curve] = {}
        self.failed: dict[str, str] = {}

    def begin(self, part: str) -> None:
        """Start a part, which its figures' command names."""
        self._part = part
        self.say(f"[bold]{part}")

    def say(self, text: str) -> None:
        """Tell progress."""
        self._console.print(f"[dim]{time.monotonic() - self._began:4.0f} s[/] {text}")

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        work: str,
        target: Target | None = None,
        spread: tuple[float, float] | None = None,
    ) -> None:
        """Add a figure; ``spread`` is its 10th and 90th percentile over repetitions."""
        self.figures[name] = Figure(
            _rounded(value),
            unit,
            work,
            self._command(),
            None if target is None else str(target),
            None if target is None else target.met_by(value),
            None if spread is None else (_rounded(spread[0]), _rounded(spread[1])),
        )
        around = (
            "" if spread is None else f" ({_rounded(spread[0]):,g} to {_rounded(spread[1]):,g})"
        )
        self.say(f"{name} {_rounded(value):,g} {unit}{around}")

    def curve(
        self,
        name: str,
        x: str,
        y: str,
        lines: Lines,
        work: str,
        logarithmic: Literal["", "x", "y", "xy"] = "",
    ) -> None:
        """Add a curve; ``x`` and ``y`` label the axes with their units."""
        rounded = {
            label: [(_rounded(right), _rounded(up)) for right, up in points]
            for label, points in lines.items()
        }
        self.curves[name] = Curve(x, y, rounded, work, self._command(), logarithmic)
        for label, points in rounded.items():
            told = ", ".join(f"{right:,g}: {up:,g}" for right, up in points)
            self.say(f"{name}, {label}: {told}")

    def fail(self, part: str, error: Exception) -> None:
        """Note that a part came to nothing."""
        self.failed[part] = f"{type(error).__name__}: {error}"
        self.say(f"[red]{part} failed:[/] {self.failed[part]}")

    def _command(self) -> str:
        return f"python -m {self._module} --only {self._part}" + (" --quick" if self._quick else "")

    def show(self) -> None:
        """Print the machine and one table."""
        facts = machine()
        self._console.print()
        self._console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
        title = "Marquee, measured on little work" if self._quick else "Marquee, measured"
        self._console.print(_table(self.figures, title))
        for part, why in self.failed.items():
            self._console.print(f"[red]failed[/] {part}: {why}")
        self._console.print(f"{time.monotonic() - self._began:.0f} s")

    def results(self) -> Results:
        """Return all that was found so far."""
        return Results(machine(), self.figures, self.curves, self.failed, self._quick)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(exist_ok=True)
        content = msgspec.json.format(msgspec.json.encode(self.results()), indent=1)
        path.write_bytes(content + b"\n")


def _table(figures: Mapping[str, Figure], title: str) -> Table:
    table = Table(title=title)
    table.add_column("figure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("target", no_wrap=True)
    table.add_column("work")
    before = ""
    for name, figure in figures.items():
        if before and figure.command != before:
            table.add_section()
        before = figure.command
        mark = "[red]missed[/] " if figure.met is False else ""
        table.add_row(
            name, f"{figure.value:,g}", figure.unit, mark + (figure.target or ""), figure.work
        )
    return table


def _rounded(value: float) -> float:
    """Round to four significant digits: more would be noise."""
    return float(f"{value:.4g}")
