"""``marquee challenger``: how the challenger does, and which line serves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from bandit.challenger.evidence import Estimate
from bandit.clock import WallClock
from bandit.config.overlay import read_challenger
from server.challenger_admin import ChallengerAdmin
from server.challenger_wire import ChallengerAnswer
from server.cli.shared import config_option, print_table, read_config
from server.cli.snapshots import snapshot_store
from server.state_disk import disk


@click.group()
def challenger() -> None:
    """Compare the challenger with the champion, promote it, demote it.

    These work on the state's files: whether the service runs makes no difference, and workers
    follow within two seconds.

    \b
    Example:
      marquee challenger status --config marquee.toml
    """


@challenger.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print what GET /v1/challenger answers.")
def status(config_path: Path | None, *, as_json: bool) -> None:
    """Tell how the challenger does against the champion, and what moved before.

    \b
    Example:
      marquee challenger status --config marquee.toml
    """
    with disk():
        answer = _admin(config_path).answer(WallClock.from_environment().now_us())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
        return
    click.echo(answer.verdict)
    if answer.configured:
        _print(answer)


@challenger.command()
@config_option
def promote(config_path: Path | None) -> None:
    """Let the challenger serve from now on, whatever the evidence says.

    With challenger.promotion it is demoted again once the champion is known to be better.

    \b
    Example:
      marquee challenger promote --config marquee.toml
    """
    _move(config_path, promotes=True)
    click.echo("the challenger serves; `marquee challenger demote` takes it back")


@challenger.command()
@config_option
def demote(config_path: Path | None) -> None:
    """Let the champion serve again, whatever the evidence says.

    With challenger.promotion the challenger is promoted again once it is known to be better: leave
    out challenger.config to have none.

    \b
    Example:
      marquee challenger demote --config marquee.toml
    """
    _move(config_path, promotes=False)
    click.echo("the champion serves")


def _move(config_path: Path | None, *, promotes: bool) -> None:
    with disk():
        _admin(config_path).move(WallClock.from_environment().now_us(), promotes=promotes)


def _admin(config_path: Path | None) -> ChallengerAdmin:
    config = read_config(config_path)
    return ChallengerAdmin(config, read_challenger(config), snapshot_store(config))


def _print(answer: ChallengerAnswer) -> None:
    lag = "unknown" if answer.lag_s is None else f"{answer.lag_s:.1f} s"
    rows = [
        ("serving", answer.serving),
        ("decisions judged", f"{answer.decisions:,} ({answer.unjudged:,} could not be)"),
        ("reward a page, champion", _words(answer.champion)),
        ("reward a page, challenger", _words(answer.challenger)),
        ("lift", _words(answer.lift, share=True)),
        ("behind the log", lag),
    ]
    print_table(("what", "value"), rows)
    click.echo()
    print_table(
        ("key", "champion", "challenger"),
        [(key, str(ours), str(theirs)) for key, (ours, theirs) in answer.changes.items()],
    )
    if answer.history:
        click.echo()
        moves = [
            (_time(move.at), move.what, move.by, move.evidence.get("verdict", ""))
            for move in answer.history
        ]
        print_table(("when (UTC)", "what", "by", "evidence"), moves)


def _words(estimate: Estimate, *, share: bool = False) -> str:
    def said(value: float | None) -> str:
        if value is None:
            return "unknown"
        return f"{value:+.1%}" if share else f"{value:.4g}"

    return f"{said(estimate.value)}, from {said(estimate.low)} to {said(estimate.high)}"


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
