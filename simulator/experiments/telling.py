"""What experiments share: their options, and how what they find is told and kept."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from functools import reduce, wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table as RichTable

from bandit.clock import WallClock
from bandit.errors import MarqueeError
from bandit.files import write_atomically
from simulator.cluster import Cluster
from simulator.errors import InterruptedEarlyError
from simulator.jobs import Done, Finished, Workers
from simulator.progress import ShownWatch, Watch
from simulator.results import About, Interval, Result, write_result
from simulator.studies.about import Begun, begin
from simulator.worker_options import worker_options, workers_of

Cell = str | float | int | None
WIDTH: Final = 160
"""Of tables where there is no terminal."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it is printed."""

    title: str
    headings: list[str]
    rows: list[list[Cell]]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What an experiment found, beside what was published."""

    experiment: str
    about: About
    tables: list[Table]
    notes: list[str]


class Experiment(click.Command):
    """A command that tells errors of ours in two lines, and knows how it was typed."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Keep the command as typed, for results to tell."""
        typed = shlex.join(["python", "-m", f"simulator.experiments.{self.name}", *args])
        context = super().make_context(info_name, args, parent, **extra)
        context.obj = typed
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the experiment."""
        try:
            return super().invoke(ctx)
        except MarqueeError as error:
            click.echo(f"error: {error.message}", err=True)
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
            ctx.exit(130 if isinstance(error, InterruptedEarlyError) else 2)


class Running(NamedTuple):
    """How an experiment is to run."""

    seed: int
    jobs: Workers
    watch: Watch
    begun: Begun


class Found(NamedTuple):
    """What an experiment returns: what is printed and kept."""

    tables: list[Table]
    notes: list[str]
    results: Mapping[str, Result] = MappingProxyType({})
    """By the names of their files."""


def experiment(name: str) -> Callable[[Callable[..., Found]], click.Command]:
    """Make a command of a function of a :class:`Running` and of options of its own."""

    def decorate(function: Callable[..., Found]) -> click.Command:
        @wraps(function)
        def run(
            ctx: click.Context,
            seed: int,
            jobs: int,
            cluster: Cluster | None,
            json_path: Path | None,
            results_path: Path | None,
            **settings: Any,
        ) -> None:
            begun = begin(str(ctx.obj), seed, WallClock())
            workers = workers_of(ctx, jobs, cluster)
            found = function(Running(seed, workers, ShownWatch(), begun), **settings)
            findings = Findings(
                experiment=name, about=begun.about(), tables=found.tables, notes=found.notes
            )
            tell(findings, json_path)
            _keep(found.results, results_path)

        command = click.command(name, cls=Experiment)
        return command(_with_options(click.pass_context(run)))

    return decorate


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    file = click.Path(path_type=Path, dir_okay=False)
    directory = click.Path(path_type=Path, file_okay=False)
    several = (
        click.option("--seed", default=0, show_default=True, help="The first seed."),
        *worker_options,
        click.option("--json", "json_path", type=file, metavar="FILE", help="Keep the tables."),
        click.option(
            "--results",
            "results_path",
            type=directory,
            metavar="DIRECTORY",
            help="Keep what studies found, one file each, for `marquee-sim report`.",
        ),
    )
    return reduce(lambda found, one: one(found), reversed(several), command)


def tell(findings: Findings, json_path: Path | None) -> None:
    """Print the tables and notes, and keep them where that is asked for."""
    width = None if sys.stdout.isatty() else WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False)
    for table in findings.tables:
        console.print(_drawn(table), "")
    for note in findings.notes:
        console.print(f"note: {note}", markup=False)
    about = findings.about
    console.print(f"{about.took_s:,.0f} s on {about.machine}")
    if json_path is not None:
        encoded = msgspec.json.format(msgspec.json.encode(findings), indent=2)
        write_atomically(json_path, encoded + b"\n")


def _keep(results: Mapping[str, Result], directory: Path | None) -> None:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, result in results.items():
            write_result(directory / f"{name}.json", result)


def whole(finished: Finished[Done]) -> list[Done]:
    """Return what came of all tasks.

    Raises:
        InterruptedEarlyError: Ctrl-C left some undone: a part of an experiment says nothing.
    """
    if finished.interrupted:
        raise InterruptedEarlyError(
            f"interrupted with {len(finished.done())} of {len(finished.results)} parts done",
            hint="ask for fewer, or for more --jobs",
        )
    return finished.done()


def shown(value: Cell, places: int = 4) -> str:
    """Return a value as tables have it: numbers with so many digits that count."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.{places}g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else value


def bounds(interval: Interval) -> str:
    """Return an interval as tables have it."""
    return f"[{shown(interval.low)}, {shown(interval.high)}]"


def percent(share: float, places: int = 1) -> str:
    """Return a share in percent."""
    return f"{100 * share:.{places}f} %"


def _drawn(table: Table) -> RichTable:
    drawn = RichTable(title=table.title, title_justify="left", box=None, pad_edge=False)
    for column, heading in enumerate(table.headings):
        numbers = all(_is_number(line[column]) for line in table.rows)
        drawn.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for line in table.rows:
        drawn.add_row(*(shown(value).replace("[", "\\[") for value in line))
    return drawn


def _is_number(value: Cell) -> bool:
    return not isinstance(value, str)
