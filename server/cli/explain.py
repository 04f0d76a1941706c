"""``marquee explain``: why a logged decision was made so, from the state's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import msgspec

from bandit.catalog import CatalogStore, empty_catalog
from bandit.clock import WallClock
from bandit.config import Config
from bandit.config.overlay import read_challenger
from bandit.explained import Contribution, ExplainedTitle
from bandit.keys import KeyRing
from bandit.secret_keys import known_snapshot_keys
from bandit.serving import Serving
from bandit.snapshots import FileSnapshotStore, MemorySnapshotStore, SnapshotStore
from server.cli.log import open_log
from server.cli.shared import config_option, print_table, read_config
from server.errors import NoSuchDecisionError
from server.explain_wire import ExplainAnswer
from server.explainer import Explainer, lines_of

_MOVERS = 2
"""How many contributions stand in a line."""


@click.command()
@click.argument("decision_id", metavar="ID")
@click.option("--title", metavar="TITLE", help="Show all artworks of this title.")
@click.option("--json", "as_json", is_flag=True, help="Print what GET …/explain answers.")
@config_option
def explain(decision_id: str, title: str | None, as_json: bool, config_path: Path | None) -> None:
    """Tell why a decision was made so, and what came of it.

    Reads the log, catalogs and snapshots; the service may run or not. A decision that it answered
    just now may take a tenth of a second to be in the log.

    \b
    Example:
      marquee explain 5b2c6d0a4c8f4f2e9d3b1a7e6f5c4d3b --config marquee.toml
    """
    config = read_config(config_path)
    clock = WallClock.from_environment()
    explainer = Explainer(
        lines_of(config, read_challenger(config), partial(_snapshots, known_snapshot_keys(config))),
        reader=open_log(Path(config.log.directory), clock),
        catalogs=CatalogStore(Path(config.catalog.directory), config.limits),
        serving=lambda: Serving(empty_catalog()),
    )
    with closing(explainer):
        answer = explainer.explain(decision_id)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
    elif title is not None:
        _print_title(answer, title)
    else:
        _print(answer)


def _snapshots(keys: KeyRing | None, config: Config) -> SnapshotStore:
    if keys is None:
        # Nothing was published yet, and a key made here could be read by nobody else.
        return MemorySnapshotStore()
    return FileSnapshotStore(Path(config.snapshots.directory), keys)


def _print(answer: ExplainAnswer) -> None:
    print_table(("decision", answer.decision_id), list(_facts(answer)))
    if answer.rows:
        click.echo()
        print_table(
            ("position", "row", "probability", "score", "moved most by", "reward", "why"),
            [
                (
                    str(row.position),
                    row.id + (" (pinned)" if row.pinned else ""),
                    f"{row.propensity:.4f}",
                    _number(row.score),
                    _movers(row.contributions),
                    *_earned(answer, "rows", row.id),
                )
                for row in answer.rows
            ],
        )
    if answer.titles:
        click.echo()
        print_table(
            ("title", "artwork", "probability", "score", "moved most by", "reward", "why"),
            [
                (title.id, *_shown(title), *_earned(answer, "titles", title.id))
                for title in answer.titles
            ],
        )


def _facts(answer: ExplainAnswer) -> Iterator[tuple[str, str]]:
    yield "decided (UTC)", _moment(answer.decided_at)
    yield "viewer", answer.viewer_id or "unknown"
    yield "share", ", ".join(f"{name} {share}" for name, share in answer.share.items())
    yield "policy", answer.policy
    yield "catalog", answer.catalog
    for surface, version in answer.snapshots.items():
        yield f"snapshot of {surface}", version
    yield "context", ", ".join(f"{name}={value}" for name, value in answer.context.items())
    yield "recomputed", "exactly" if answer.exact else "not exactly"
    for note in answer.notes:
        yield "note", note
    feedback = answer.feedback
    closes = "" if feedback.closes_at is None else f" until {_moment(feedback.closes_at)}"
    yield "feedback", f"{len(feedback.events)} events; {feedback.state}{closes}"
    if not feedback.complete:
        yield "note", "there may be more feedback: the log was not read to the window's end"


def _print_title(answer: ExplainAnswer, name: str) -> None:
    found = next((title for title in answer.titles if title.id == name), None)
    if found is None:
        raise NoSuchDecisionError(
            f"the decision has no title {name!r}", hint="without --title all of them are listed"
        )
    print_table(
        ("artwork", "shown", "probability", "score", "spread", "feature", "adds"),
        [
            line
            for artwork in found.artworks
            for line in _lines(
                (
                    artwork.id,
                    "yes" if artwork.id == found.artwork else "",
                    _number(artwork.probability),
                    _number(artwork.score),
                    _number(artwork.spread),
                ),
                [
                    *artwork.contributions,
                    Contribution("all others", artwork.rest - artwork.alike),
                    Contribution("what all its artworks share", artwork.alike),
                ]
                if artwork.score is not None
                else [],
            )
        ],
    )


def _lines(head: Sequence[str], parts: Sequence[Contribution]) -> Iterator[tuple[str, ...]]:
    """Yield one line a contribution, the first of them with the head."""
    if not parts:
        yield (*head, "", "")
    for number, part in enumerate(parts):
        yield (*(head if number == 0 else [""] * len(head)), part.feature, _added(part.value))


def _shown(title: ExplainedTitle) -> tuple[str, str, str, str]:
    artwork = next((one for one in title.artworks if one.id == title.artwork), None)
    score = None if artwork is None else artwork.score
    movers = "" if artwork is None else _movers(artwork.contributions)
    return title.artwork, f"{title.propensity:.4f}", _number(score), movers


def _movers(parts: Sequence[Contribution]) -> str:
    return ", ".join(f"{part.feature} {_added(part.value)}" for part in parts[:_MOVERS])


def _earned(answer: ExplainAnswer, kind: str, name: str) -> tuple[str, str]:
    rewards = answer.rewards.titles if kind == "titles" else answer.rewards.rows
    reason = rewards.get(name)
    return ("", "") if reason is None else (f"{reason.reward:g}", reason.why)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _added(value: float) -> str:
    # A sum of nothing may come out a little below zero.
    return f"{round(value, 4) + 0.0:+.4f}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
