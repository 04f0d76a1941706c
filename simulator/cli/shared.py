"""What commands share: how errors look, lists of words, the options of every study."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from bandit.errors import MarqueeError
from simulator.cli.exit_codes import INTERRUPTED, MISCONFIGURED
from simulator.errors import InterruptedEarlyError
from simulator.worker_options import worker_options

Command = TypeVar("Command", bound=Callable[..., Any])
PROGRAM = "marquee-sim"


class ErrorsTold(click.Group):
    """A group whose commands tell errors of ours in two lines, and exit with 2."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Keep the command as typed, for results to tell."""
        typed = shlex.join([PROGRAM, *args])
        try:
            context = super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            _tell_usage(error)
        context.obj = typed
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            _tell_usage(error)
        except MarqueeError as error:
            _tell(" ".join([error.message, *getattr(error, "__notes__", ())]), error.hint)
            ctx.exit(INTERRUPTED if isinstance(error, InterruptedEarlyError) else MISCONFIGURED)
        except ModuleNotFoundError as error:
            _tell(
                f"the library {error.name} is not installed",
                "install what the simulator needs: pip install 'marquee[simulator]'",
            )
            ctx.exit(MISCONFIGURED)
        except KeyboardInterrupt:
            _tell(
                "interrupted before there was anything to keep",
                "start it again; fewer rounds, policies or seeds are done sooner",
            )
            ctx.exit(INTERRUPTED)


def _tell(message: str, hint: str) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def _tell_usage(error: click.UsageError) -> NoReturn:
    """Tell what was typed wrongly as other errors are told."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    asked = PROGRAM if error.ctx is None else error.ctx.command_path
    message = error.format_message().removesuffix(".")
    _tell(message[:1].lower() + message[1:], f"`{asked} --help` tells what may be given")
    raise click.exceptions.Exit(MISCONFIGURED)


def words(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Split words at commas: the callback of options that take several."""
    if value is None:
        return None
    found = tuple(word.strip() for word in value.split(",") if word.strip())
    if not found:
        raise click.BadParameter("names nothing", ctx, param)
    return found


def options(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator for several, the first on top."""

    def decorate(command: Command) -> Command:
        return reduce(lambda found, one: one(found), reversed(several), command)

    return decorate


def policy_option(help_text: str) -> Callable[[Command], Command]:
    """Add ``--policy``, which may be given several times."""
    return click.option(
        "--policy", "policies", multiple=True, required=True, metavar="P", help=help_text
    )


def run_options(seed_help: str) -> Callable[[Command], Command]:
    """Add what every study takes: the seed, how many processes, and where results go."""
    return options(
        click.option("--seed", default=0, show_default=True, type=int, help=seed_help),
        *worker_options,
        click.option(
            "--json",
            "json_path",
            type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
            metavar="FILE",
            help="Keep the result, for `marquee-sim report`; - prints it in place of tables.",
        ),
        click.option(
            "--parquet",
            "parquet_path",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Keep the result's main table.",
        ),
    )


def typed(ctx: click.Context) -> str:
    """Return the command as it was typed."""
    return str(ctx.find_root().obj)


def settings_of(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``key=value`` pairs.

    Raises:
        click.UsageError: one is none.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{pair!r} is no setting: write key=value")
        found[key] = value
    return found
