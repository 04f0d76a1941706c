"""The page of a simulation: policies run in an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.report.curves import Curve, curves
from simulator.report.estimates import series_of, whiskers, with_interval
from simulator.report.forest import Entry, forest
from simulator.report.numbers import number
from simulator.report.page import Block, Cell, Column, Fact, Note, Page, Section, Table
from simulator.results import SimulatedPolicy, Simulation


def simulation_page(result: Simulation) -> Page:
    """Lay out a simulation; tables and plots have the best policy first."""
    ranked = sorted(result.policies, key=lambda policy: -policy.final_reward_mean)
    series = series_of(policy.policy for policy in ranked)
    return Page(
        kind="Simulation",
        title=f"Simulation in {result.environment}",
        headline=_headline(ranked, len(result.seeds)),
        facts=[
            Fact("pages a run", number(result.pages, 0), f"in batches of {result.batch:,}"),
            Fact("runs a policy", number(len(result.seeds), 0), "one a seed"),
            Fact("policies", number(len(ranked), 0)),
        ],
        sections=[
            Section("standing", "Where they stand", "", _standing(ranked, series, result.seeds)),
            Section("curves", "How they got there", "", _curves(ranked, series)),
            Section("environment", "Environment", "", [Note(result.description)]),
        ],
    )


def _headline(ranked: Sequence[SimulatedPolicy], seeds: int) -> str:
    if not ranked:
        return "No policy was run to its end."
    best = ranked[0]
    found = with_interval(best.final_reward_mean, [best.final_reward])
    told = f"{best.policy} earned most: {found} a page, over {seeds} seeds."
    if len(ranked) == 1:
        return told
    second = ranked[1]
    return f"{told} Next is {second.policy} with " + (
        with_interval(second.final_reward_mean, [second.final_reward]) + "."
    )


def _standing(
    ranked: Sequence[SimulatedPolicy], series: Mapping[str, int], seeds: Sequence[int]
) -> list[Block]:
    plot = forest(
        "rewards",
        "Mean reward a page over the whole run",
        "Mean over seeds with its interval; the faint dots are single seeds.",
        [
            Entry("", p.policy, p.final_reward_mean, whiskers([p.final_reward]), series[p.policy],
                  p.by_seed)
            for p in ranked
        ],
        "reward a page",
    )  # fmt: skip
    columns = (
        Column("policy", "Policy"),
        Column("reward", "Reward a page", "number"),
        Column("reward_low", "Low", "number"),
        Column("reward_high", "High", "number"),
        Column("regret", "Regret", "number"),
        Column("regret_low", "Low", "number"),
        Column("regret_high", "High", "number"),
        Column("pages_per_second", "Pages/s", "count"),
    )
    rows = [
        (
            p.policy,
            p.final_reward_mean,
            p.final_reward.low,
            p.final_reward.high,
            p.final_regret_mean,
            p.final_regret.low,
            p.final_regret.high,
            p.pages_per_second,
        )
        for p in ranked
    ]
    by_seed: list[Sequence[Cell]] = [
        (p.policy, seed, reward)
        for p in ranked
        for seed, reward in zip(seeds, p.by_seed, strict=False)
    ]
    seed_columns = (
        Column("policy", "Policy"),
        Column("seed", "Seed"),
        Column("reward", "Reward a page", "number"),
    )
    return [
        plot,
        Table("standing", "Reward and regret at the end", columns, rows),
        Table("seeds", "Mean reward a page, by seed", seed_columns, by_seed, folded=True),
    ]


def _curves(ranked: Sequence[SimulatedPolicy], series: Mapping[str, int]) -> list[Block]:
    drawn = [policy for policy in ranked if policy.curve]
    if not drawn:
        return []
    regrets = [
        Curve(
            p.policy,
            series[p.policy],
            [point.pages for point in p.curve],
            [point.regret for point in p.curve],
            [point.regret_low for point in p.curve],
            [point.regret_high for point in p.curve],
        )
        for p in drawn
    ]
    rewards = [
        Curve(
            p.policy,
            series[p.policy],
            [point.pages for point in p.curve],
            [point.reward for point in p.curve],
            [point.reward_low for point in p.curve],
            [point.reward_high for point in p.curve],
        )
        for p in drawn
    ]
    return [
        curves(
            "regret",
            "Cumulated regret",
            "Expected reward that the oracle has more, added up over pages; lower is better. "
            "Bands are intervals over seeds.",
            regrets,
            "cumulated regret",
        ),
        curves(
            "reward",
            "Reward while learning",
            "Mean reward a page since the point before. Bands are intervals over seeds.",
            rewards,
            "reward a page",
        ),
    ]
