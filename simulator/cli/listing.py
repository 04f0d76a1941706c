"""``marquee-sim environments``, ``policies`` and ``estimators``: what there is to name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bandit.config.keys import UNSET_WORD
from simulator.cli.outputs import print_table
from simulator.errors import SimulationError
from simulator.settings import SettingInfo, described

if TYPE_CHECKING:
    from simulator.rankings.registry import RankingEstimatorSpec


@click.command()
@click.argument("name", required=False)
def environments(name: str | None) -> None:
    """List the environments; with NAME, its settings.

    \b
    Example:
      marquee-sim environments homepage
    """
    from simulator.environments.registry import ENVIRONMENTS, setting_infos

    if name is None:
        rows = [(one.name, one.description) for one in ENVIRONMENTS.values()]
        print_table(("name", "what"), rows)
        return
    if name not in ENVIRONMENTS:
        raise SimulationError(
            f"there is no environment {name!r}", hint=f"use one of {', '.join(ENVIRONMENTS)}"
        )
    one = ENVIRONMENTS[name]
    click.echo(f"{one.title}: {one.description}")
    _print_settings(setting_infos(name))


@click.command()
@click.argument("name", required=False)
def policies(name: str | None) -> None:
    """List the policies; with NAME, its settings.

    Settings follow a colon, as in linucb:alpha=0.2. FILE.toml tells those of production's own
    policy, simulated and on logs.

    \b
    Example:
      marquee-sim policies linucb
    """
    from simulator.policies.registry import POLICIES, is_production, known
    from simulator.policies.targets import TARGETS

    if name is not None and is_production(name):
        _print_production_settings()
        return
    if name is not None:
        asked = known(name, POLICIES)
        click.echo(f"{asked.name}: {asked.description}")
        _print_settings(described(asked.settings))
        return
    rows: list[tuple[object, ...]] = [
        (one.name, one.name in TARGETS, True, one.description) for one in POLICIES.values()
    ]
    rows += [
        ("FILE.toml", True, True, "Production's own policy, as the file configures it."),
        ("log:LOGS", True, False, "The policy that wrote another log, by how often it chose what."),
    ]
    print_table(("name", "on logs", "simulated", "what"), rows)


@click.command()
def estimators() -> None:
    """List the estimators of single choices and of rankings, with their sources.

    \b
    Example:
      marquee-sim estimators
    """
    from simulator.estimators.registry import ESTIMATORS
    from simulator.rankings.registry import RANKING_ESTIMATORS

    headings = ("name", "parameter", "model", "what", "source")
    click.echo("single choices (--surface artwork)")
    print_table(
        headings,
        [
            (one.name, one.parameter or "", one.needs_model, one.description, one.source)
            for one in ESTIMATORS.values()
        ],
    )
    click.echo("\nrankings (--surface rows)")
    print_table(
        ("name", "needs", "what", "source"),
        [
            (one.name, _needs(one), one.description, one.source)
            for one in RANKING_ESTIMATORS.values()
        ],
    )


def _print_production_settings() -> None:
    from simulator.policies.production import Settings
    from simulator.policies.production_target import JudgedSettings

    click.echo("simulated:")
    _print_settings(described(Settings))
    click.echo("\non logs:")
    _print_settings(described(JudgedSettings))


def _print_settings(infos: Sequence[SettingInfo]) -> None:
    if not infos:
        click.echo("There is nothing to set.")
        return
    print_table(
        ("setting", "default", "values", "what"),
        [(info.name, _told(info.default), info.values, info.description) for info in infos],
    )


def _told(default: object) -> str:
    """Return a default as it would be written."""
    if default is None:
        return UNSET_WORD
    return str(default).lower() if isinstance(default, bool) else str(default)


def _needs(one: RankingEstimatorSpec) -> str:
    """Return what an estimator needs beside the propensities that were logged."""
    if one.needs_model:
        return "a reward model"
    if one.needs_marginals or one.needs_examination:
        return "uniform orders, or --snapshots"
    return ""
