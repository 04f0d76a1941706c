"""``marquee cluster``: how several machines around one Redis stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from bandit.clock import WallClock
from bandit.cluster.connection import redis_at
from bandit.cluster.names import Names
from bandit.cluster.status import ClusterStatus, forget, look
from bandit.errors import ConfigError, MarqueeError
from server.cli.shared import config_option, print_table, read_config

if TYPE_CHECKING:
    from redis import Redis


Answer = TypeVar("Answer")


class ClusterDownError(MarqueeError):
    """Redis does not answer, or knows no such machine."""


@click.group()
def cluster() -> None:
    """Look at a cluster, forget machines of it.

    \b
    Example:
      marquee cluster status --config marquee.toml
    """


@cluster.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def status(ctx: click.Context, config_path: Path | None, *, as_json: bool) -> None:
    """Tell who is there, who learns and how far; exit with 1 where something is wrong.

    It is read from Redis, so that any machine with the configuration can ask.

    \b
    Example:
      marquee cluster status --config marquee.toml
    """
    found = _look(config_path)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        _print(found)
    ctx.exit(1 if found.problems else 0)


@cluster.command("forget")
@click.argument("host")
@config_option
def forget_machine(host: str, config_path: Path | None) -> None:
    """Forget a machine that is gone for good, so that nobody waits for its events.

    What Redis still holds of its events and is not learned yet goes with it: look at
    `marquee cluster status` first. A machine that comes back is known again.

    \b
    Example:
      marquee cluster forget scorer-7 --config marquee.toml
    """
    now_us = WallClock.from_environment().now_us()
    if not _ask(config_path, lambda redis, names: forget(redis, names, host, now_us)):
        raise ClusterDownError(
            f"there is no machine {host}", hint="`marquee cluster status` lists them"
        )
    click.echo(f"{host} is forgotten")


def _look(config_path: Path | None) -> ClusterStatus:
    now_us = WallClock.from_environment().now_us()
    return _ask(config_path, lambda redis, names: look(redis, names, now_us))


def _ask(config_path: Path | None, act: Callable[[Redis, Names], Answer]) -> Answer:
    """Do something with the cluster's Redis."""
    config = read_config(config_path)
    if config.cluster.redis_url is None:
        raise ConfigError(
            "cluster.redis_url", "is not set: this machine is alone", hint="docs/cluster.md"
        )
    redis = redis_at("cluster.redis_url", config.cluster.redis_url)
    # Only after the client was made is it known that its library is there.
    from redis import RedisError

    try:
        return act(redis, Names.of(config.cluster))
    except RedisError as error:
        raise ClusterDownError(
            f"Redis does not answer: {error}",
            hint="pages are served and feedback is kept meanwhile; look at Redis",
        ) from error
    finally:
        redis.close()


def _print(found: ClusterStatus) -> None:
    for problem in found.problems:
        click.echo(f"wrong: {problem}")
    if not found.problems:
        click.echo(f"in order: {len(found.machines)} machines, each partition has a learner")
    click.echo()
    print_table(
        ("machine", "told s ago", "spools", "behind s"),
        [(m.name, f"{m.told_s_ago:.1f}", m.spools, f"{m.behind_s:.1f}") for m in found.machines],
    )
    click.echo()
    print_table(
        ("partition", "learned by", "changes", "entries", "bytes", "checkpoint s ago", "dead"),
        [
            (
                p.number,
                p.learner or "nobody",
                p.changes,
                p.entries,
                "not told" if p.bytes is None else p.bytes,
                "none" if p.checkpoint_s_ago is None else f"{p.checkpoint_s_ago:.1f}",
                p.dead_letters,
            )
            for p in found.partitions
        ],
    )
    click.echo()
    served: list[tuple[str, str]] = [*found.pointers.items(), ("catalog", found.catalog or "none")]
    print_table(("what", "value"), [*served, *found.redis.items()])
