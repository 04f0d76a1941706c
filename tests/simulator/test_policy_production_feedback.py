"""Production in process hears of all that viewers do, as other policies do."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from bandit.catalog import Catalog
from bandit.config.loading import load_config, parse_config
from bandit.config.schema import Config
from bandit.events import Record
from bandit.exposure import seen
from bandit.joiner import Joiner, Outcome
from bandit.policy import Policy, Serving
from simulator.environments.homepage import Homepage, HomepageSettings
from simulator.loop import run
from simulator.pages import Pages
from simulator.policies.answers import Answers, NamedRow, NamedTitle, Places
from simulator.policies.feedback import Reporter
from simulator.policies.production import ProductionPolicy, Settings, simulated_config
from simulator.policies.registry import make_policy

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "marquee.toml"
SEED = 3
Z_MAX = 3.3
"""Twice the normal tail beyond it is an alpha of 0.001; errors are taken over pages."""


def viewers() -> Homepage:
    """Return the environment as it is by default, on smaller pages."""
    return Homepage(900, 300, HomepageSettings(world_seed=7, titles=60, rows=6, titles_a_row=6))


class Earned(NamedTuple):
    """What each page earned, and on how many displays."""

    reward: list[float]
    displays: list[int]

    def z(self, truth: float) -> float:
        """Return how far the mean reward a display is from the truth, in standard errors."""
        residual = np.array(self.reward) - truth * np.array(self.displays)
        return float(residual.sum() / np.sqrt((residual**2).sum()))


def joined(config: Config) -> tuple[Earned, float]:
    """Serve pages at random; return what the joiner makes of the log, and the true value."""
    environment = viewers()
    policy, serving = Policy(config), Serving(Catalog.build(environment.document))
    places, reporter = Places(environment.document), Reporter(environment.document)
    timed: list[tuple[int, Record]] = []
    worth = displays = 0.0
    pages: Pages | None = environment.reset(SEED)
    while pages is not None:
        instants = pages.now_us.tolist()
        records = [
            policy.decide(
                environment.page(pages, index),
                decision_id=f"d{pages.first + index}",
                now_us=now_us,
                serving=serving,
            ).record
            for index, now_us in enumerate(instants)
        ]
        answers = Answers(places, pages)
        for index, record in enumerate(records):
            rows = [NamedRow(row.id, row.propensity) for row in record.rows]
            titles = [NamedTitle(one.title, one.artwork, one.propensity) for one in record.titles]
            answers.add(index, rows, titles)
        served = answers.served()
        expected = environment.expected(pages, served)
        worth += float(expected.reward.sum())
        displays += float(expected.displays.sum())
        step = environment.step(served)
        timed += list(zip(instants, records, strict=True))
        ids = [record.decision_id for record in records]
        for page, after_us, event in reporter.report(pages, served, step.displays, ids):
            timed.append((instants[page] + after_us, event))
        pages = step.pages
    timed.sort(key=lambda one: one[0])
    joiner = Joiner(config.reward, open_max=10**6)
    outcomes: list[Outcome] = []
    for at_us, taken in timed:
        outcomes += joiner.take(taken, at_us)
    outcomes += joiner.advance(timed[-1][0] + 10**12)
    earned = Earned([], [])
    for outcome in outcomes:
        shown = seen(outcome.decision, outcome.events, "reported").titles
        earned.reward.append(sum(config.reward.reward(events) for events in shown.values()))
        earned.displays.append(len(shown))
    return earned, worth / displays


def explored(config: Config) -> Config:
    """Return a configuration that serves everything at random."""
    replace = msgspec.structs.replace
    surfaces = replace(
        config.surfaces,
        artwork=replace(config.surfaces.artwork, holdout=0.0, explore=1.0),
        rows=replace(config.surfaces.rows, holdout=0.0, explore=1.0),
    )
    return replace(config, surfaces=surfaces)


@pytest.mark.parametrize("name", ["defaults", "example"])
def test_what_the_log_says_of_a_policy_is_what_it_earns(name: str) -> None:
    given = explored(parse_config({}) if name == "defaults" else load_config(EXAMPLE, {}))
    settings = Settings(shares="configured")
    config = simulated_config(given, settings, viewers().rule, SEED)
    logged, truth = joined(config)
    assert sum(logged.displays) > 5000
    assert abs(logged.z(truth)) < Z_MAX
    # As configured, the share of rewards that is lost would be found out by the same test.
    hasty, truth = joined(
        simulated_config(given, Settings(shares="configured", close="configured"), given.reward, 3)
    )
    assert hasty.z(truth) < -Z_MAX


@pytest.mark.parametrize("spec", ["defaults", str(EXAMPLE)], ids=["defaults", "example"])
def test_production_learns_all_that_viewers_do(spec: str) -> None:
    policy = ProductionPolicy(Config(), name=spec) if spec == "defaults" else make_policy(spec)
    assert isinstance(policy, ProductionPolicy)
    rewards, displays = 0.0, 0
    for one in run(viewers(), policy, SEED):
        rewards += float(one.displays.reward.sum())
        displays += len(one.displays.page)
    status = policy.status()
    assert (status.joined["late"], status.joined["orphan"], status.open_decisions) == (0, 0, 0)
    assert status.learned.outcomes == {"window": 900}
    assert status.learned.examples["artwork"] == displays
    assert status.learned.shares["artwork"]["learned"].reward == pytest.approx(rewards, rel=1e-6)
