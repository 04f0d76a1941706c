"""The page of a simulation: policies run in an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.report.curves import Curve, curves
from simulator.report.estimates import interval_columns, series_of, urgent_notes, whiskers
from simulator.report.forest import Dot, Entry, Reference, forest, shortened
from simulator.report.numbers import number
from simulator.report.page import (
    Block,
    Cell,
    Column,
    Fact,
    Figure,
    Note,
    Page,
    Remarks,
    Section,
    Table,
)
from simulator.report.paired import gain, headline, reference_of, share_of_lead
from simulator.results import SimulatedPolicy, Simulation

ONE_SEED = (
    "One seed alone: nothing is known of the spread between seeds, nor whether differences are "
    "more than luck."
)


def simulation_page(result: Simulation) -> Page:
    """Lay out a simulation; tables and plots have the best policy first."""
    ranked = sorted(result.policies, key=lambda policy: -policy.final_reward_mean)
    series = series_of(policy.policy for policy in ranked)
    reference = reference_of(result.policies)
    alarms = urgent_notes(result.notes)
    if len(result.seeds) == 1:
        alarms.append(Note(ONE_SEED, alarm=True))
    standing = [*alarms, *_standing(ranked, series, result.seeds, reference)]
    return Page(
        kind="Simulation",
        title=f"Simulation in {result.environment}",
        headline=headline(result.policies, len(result.seeds)),
        facts=[
            Fact("pages a run", number(result.pages, 0), f"in batches of {result.batch:,}"),
            Fact("runs a policy", number(len(result.seeds), 0), "one a seed"),
            Fact("policies", number(len(ranked), 0)),
        ],
        sections=[
            Section("standing", "Where they stand", "", standing),
            Section("curves", "How they got there", "", _curves(ranked, series)),
            Section(
                "environment", "Environment", "", [Remarks([_environment(result), *result.notes])]
            ),
        ],
    )


def _environment(result: Simulation) -> str:
    return f"{result.environment}, {result.description}"


def _standing(
    ranked: Sequence[SimulatedPolicy],
    series: Mapping[str, int],
    seeds: Sequence[int],
    reference: SimulatedPolicy | None,
) -> list[Block]:
    blocks: list[Block] = []
    if reference is not None:
        blocks.append(_gains(ranked, series, seeds, reference))
    blocks.append(_rewards(ranked, series, seeds))
    by_seed: list[Sequence[Cell]] = [
        (p.policy, seed, reward)
        for p in ranked
        for seed, reward in zip(seeds, p.by_seed, strict=True)
    ]
    columns = (
        Column("policy", "Policy"),
        Column("seed", "Seed"),
        Column("reward", "Reward a page", "number"),
    )
    return [
        *blocks,
        _table(ranked, reference),
        Table("seeds", "Mean reward a page, by seed", columns, by_seed, folded=True),
    ]


def _gains(
    ranked: Sequence[SimulatedPolicy],
    series: Mapping[str, int],
    seeds: Sequence[int],
    reference: SimulatedPolicy,
) -> Figure:
    """Return what each policy earned more than the reference, seed by seed."""
    entries = []
    for p in ranked:
        if p is reference:
            continue
        found = gain(p, reference)
        dots = _dots(seeds, found.by_seed)
        whisker = whiskers([found.interval])
        entries.append(Entry("", p.policy, found.mean, whisker, series[p.policy], dots))
    return forest(
        "gains",
        f"More than {reference.policy}, on the same seeds",
        "Differences of mean rewards a page, taken seed by seed. Seeds are worlds of their own, "
        "in which all policies earn more or less; differences within each tell of the policies. "
        "The faint dots are single seeds.",
        entries,
        f"reward a page, more than {shortened(reference.policy)}",
        Reference(reference.policy, 0.0),
    )


def _rewards(
    ranked: Sequence[SimulatedPolicy], series: Mapping[str, int], seeds: Sequence[int]
) -> Figure:
    entries = [
        Entry(
            "",
            p.policy,
            p.final_reward_mean,
            whiskers([p.final_reward]),
            series[p.policy],
            _dots(seeds, p.by_seed),
        )
        for p in ranked
    ]
    return forest(
        "rewards",
        "Mean reward a page over the whole run",
        "Each policy by itself: the mean over seeds with its interval; the faint dots are single "
        "seeds. Intervals tell how far seeds differ, and may overlap where policies plainly do.",
        entries,
        "reward a page",
    )


def _dots(seeds: Sequence[int], values: Sequence[float]) -> list[Dot]:
    return [Dot(f"seed {seed}", value) for seed, value in zip(seeds, values, strict=True)]


def _table(ranked: Sequence[SimulatedPolicy], reference: SimulatedPolicy | None) -> Table:
    level = f"{ranked[0].final_reward.level * 100:g} %" if ranked else "interval"
    columns = [
        Column("policy", "Policy"),
        Column("reward", "Reward a page", "number"),
        *interval_columns("reward", level),
    ]
    if reference is not None:
        columns += [
            Column("more", f"More than {shortened(reference.policy)}", "number"),
            *interval_columns("more", level),
            Column("share_of_lead", "Of oracle’s lead", "share"),
        ]
    columns += [
        Column("regret", "Regret", "number"),
        *interval_columns("regret", level),
        Column("pages_per_second", "Pages/s", "count"),
    ]
    rows = []
    for p in ranked:
        row: list[Cell] = [p.policy, p.final_reward_mean, p.final_reward.low, p.final_reward.high]
        if p is reference:
            row += [None, None, None, None]
        elif reference is not None:
            found = gain(p, reference)
            row += [found.mean, found.interval.low, found.interval.high]
            row.append(share_of_lead(p, reference))
        row += [p.final_regret_mean, p.final_regret.low, p.final_regret.high, p.pages_per_second]
        rows.append(row)
    return Table("standing", "Reward and regret at the end", columns, rows)


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
