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
    standing = [*alarms, *_standing(ranked, series, result, reference)]
    return Page(
        kind="Simulation",
        title=f"Simulation in {result.environment}",
        headline=headline(result.policies, len(result.seeds), result.unit),
        facts=[
            Fact("pages a run", number(result.pages, 0), f"in batches of {result.batch:,}"),
            Fact("runs a policy", number(len(result.seeds), 0), "one a seed"),
            Fact("policies", number(len(ranked), 0)),
        ],
        sections=[
            Section("standing", "Where they stand", "", standing),
            Section("curves", "How they got there", "", _curves(ranked, series, result.unit)),
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
    result: Simulation,
    reference: SimulatedPolicy | None,
) -> list[Block]:
    seeds, unit = result.seeds, result.unit
    blocks: list[Block] = []
    if reference is not None:
        blocks.append(_gains(ranked, series, result, reference))
    blocks.append(_rewards(ranked, series, result))
    by_seed: list[Sequence[Cell]] = [
        (p.policy, seed, reward)
        for p in ranked
        for seed, reward in zip(seeds, p.by_seed, strict=True)
    ]
    columns = (
        Column("policy", "Policy"),
        Column("seed", "Seed"),
        Column("reward", f"Reward {unit}", "number"),
    )
    return [
        *blocks,
        _table(ranked, reference, unit),
        Table("seeds", f"Mean reward {unit}, by seed", columns, by_seed, folded=True),
    ]


def _gains(
    ranked: Sequence[SimulatedPolicy],
    series: Mapping[str, int],
    result: Simulation,
    reference: SimulatedPolicy,
) -> Figure:
    """Return what each policy earned more than the reference, seed by seed."""
    entries = []
    for p in ranked:
        if p is reference:
            continue
        found = gain(p, reference)
        dots = _dots(result.seeds, found.by_seed)
        whisker = whiskers([found.interval])
        entries.append(Entry("", p.policy, found.mean, whisker, series[p.policy], dots))
    return forest(
        "gains",
        f"More than {reference.policy}, on the same seeds",
        f"Differences of mean rewards {result.unit}, seed by seed. Seeds are worlds of their own, "
        "in which all policies earn more or less; differences within each tell of the policies. "
        "The faint dots are single seeds.",
        entries,
        f"reward {result.unit}, more than {shortened(reference.policy)}",
        Reference(reference.policy, 0.0),
    )


def _rewards(
    ranked: Sequence[SimulatedPolicy], series: Mapping[str, int], result: Simulation
) -> Figure:
    entries = [
        Entry(
            "",
            p.policy,
            p.final_reward_mean,
            whiskers([p.final_reward]),
            series[p.policy],
            _dots(result.seeds, p.by_seed),
        )
        for p in ranked
    ]
    return forest(
        "rewards",
        f"Mean reward {result.unit} over the whole run",
        "Each policy by itself: the mean over seeds with its interval; the faint dots are single "
        "seeds. Intervals tell how far seeds differ, and may overlap where policies plainly do.",
        entries,
        f"reward {result.unit}",
    )


def _dots(seeds: Sequence[int], values: Sequence[float]) -> list[Dot]:
    return [Dot(f"seed {seed}", value) for seed, value in zip(seeds, values, strict=True)]


def _table(
    ranked: Sequence[SimulatedPolicy], reference: SimulatedPolicy | None, unit: str
) -> Table:
    known = all(p.final_regret is not None for p in ranked)
    rejects = any(p.accepted is not None for p in ranked)
    level = f"{ranked[0].final_reward.level * 100:g} %" if ranked else "interval"
    columns = [
        Column("policy", "Policy"),
        Column("reward", f"Reward {unit}", "number"),
        *interval_columns("reward", level),
    ]
    if reference is not None:
        columns += [
            Column("more", f"More than {shortened(reference.policy)}", "number"),
            *interval_columns("more", level),
        ]
    if reference is not None and known:
        columns.append(Column("share_of_lead", "Of oracle’s lead", "share"))
    if known:
        columns += [Column("regret", "Regret", "number"), *interval_columns("regret", level)]
    if rejects:
        columns.append(Column("accepted", "Accepted a run", "count"))
    columns.append(Column("pages_per_second", "Pages/s", "count"))
    rows = []
    for p in ranked:
        row: list[Cell] = [p.policy, p.final_reward_mean, p.final_reward.low, p.final_reward.high]
        if p is reference:
            row += [None, None, None]
        elif reference is not None:
            found = gain(p, reference)
            row += [found.mean, found.interval.low, found.interval.high]
        if reference is not None and known:
            row.append(None if p is reference else share_of_lead(p, reference))
        if known:
            row += [p.regret().mean, p.regret().interval.low, p.regret().interval.high]
        if rejects:
            row.append(None if p.accepted is None else sum(p.accepted) / len(p.accepted))
        rows.append([*row, p.pages_per_second])
    title = "Reward and regret at the end" if known else "Reward at the end"
    return Table("standing", title, columns, rows)


def _curves(ranked: Sequence[SimulatedPolicy], series: Mapping[str, int], unit: str) -> list[Block]:
    drawn = [policy for policy in ranked if policy.curve]
    if not drawn:
        return []
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
    regrets = [found for p in drawn if (found := _regret_curve(p, series[p.policy])) is not None]
    shown: list[Block] = []
    if regrets:
        shown.append(
            curves(
                "regret",
                "Cumulated regret",
                "Expected reward that the oracle has more, added up over pages; lower is better. "
                "Bands are intervals over seeds.",
                regrets,
                "cumulated regret",
            )
        )
    reward = curves(
        "reward",
        "Reward while learning",
        f"Mean reward {unit} since the point before. Bands are intervals over seeds.",
        rewards,
        f"reward {unit}",
    )
    return [*shown, reward]


def _regret_curve(policy: SimulatedPolicy, series: int) -> Curve | None:
    """Return how a policy's regret grew, None where it is not known."""
    pages, middle, low, high = [], [], [], []
    for point in policy.curve:
        if point.regret is None or point.regret_low is None or point.regret_high is None:
            return None
        pages.append(point.pages)
        middle.append(point.regret)
        low.append(point.regret_low)
        high.append(point.regret_high)
    return Curve(policy.policy, series, pages, middle, low, high)
