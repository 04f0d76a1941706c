"""The parts that reports of logged data share: the data, forest plots of estimates, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulator.report.forest import Entry, Reference, Whisker, forest
from simulator.report.numbers import bounds, compact, decimals_of_width, number, p_value, share
from simulator.report.page import Cell, Column, Fact, Figure, Note, Section, Table, Verdict
from simulator.results import DataSummary, Diagnostics, Estimate, GroupRow, Interval

PREFERRED = ("dr", "snips", "cascade-dr", "sniips", "ips")
"""Whose estimate the headline tells, where there is a choice: the first of these that was made."""


def series_of(policies: Iterable[str]) -> dict[str, int]:
    """Return a colour for each policy, by the order of their first appearance."""
    return {policy: place for place, policy in enumerate(dict.fromkeys(policies))}


def headline_estimator(estimates: Sequence[Estimate]) -> str:
    """Return the estimator whose finding heads the page."""
    made = [estimate.estimator for estimate in estimates if estimate.value is not None]
    return next((name for name in PREFERRED if name in made), made[0] if made else "")


def with_interval(value: float | None, intervals: Sequence[Interval]) -> str:
    """Return a value with its first interval, in words."""
    if value is None:
        return "no estimate"
    if not intervals:
        return compact(value)
    first = intervals[0]
    told = number(value, decimals_of_width(first.high - first.low))
    return f"{told} ({first.level * 100:g} %: {bounds(first.low, first.high)})"


def whiskers(intervals: Sequence[Interval]) -> list[Whisker]:
    """Return a value's intervals for a forest plot."""
    return [Whisker(i.method, i.level, i.low, i.high) for i in intervals]


def data_facts(data: DataSummary) -> list[Fact]:
    """Return what was evaluated on, as facts for the page's head."""
    logged = data.logged_interval
    facts = [
        Fact("rounds", number(data.rounds, 0), f"{data.kind} of {data.name}"),
        Fact("actions", number(data.actions, 0), "in the largest set to choose from"),
        Fact(
            "logged mean",
            number(data.logged_mean, decimals_of_width(logged.high - logged.low))
            if logged
            else compact(data.logged_mean),
            f"{logged.level * 100:g} %: {bounds(logged.low, logged.high)}" if logged else "",
        ),
        Fact("propensities", data.propensities, "of the logging policy"),
    ]
    if data.viewers is not None:
        facts.insert(1, Fact("viewers", number(data.viewers, 0)))
    if data.skipped:
        facts.append(Fact("skipped", number(data.skipped, 0), "bad lines, left out as asked"))
    return facts


def data_section(data: DataSummary) -> Section:
    """Return what a reader should know of the data."""
    rows: list[Sequence[Cell]] = [
        ("name", data.name),
        ("kind", data.kind),
        ("rounds", data.rounds),
        ("viewers", data.viewers),
        ("largest action set", data.actions),
        ("mean logged reward", data.logged_mean),
        ("propensities", data.propensities),
        ("lines skipped", data.skipped),
    ]
    if data.logged_interval is not None:
        rows.insert(6, ("mean logged reward, low", data.logged_interval.low))
        rows.insert(7, ("mean logged reward, high", data.logged_interval.high))
    shown = [(what, _plain(value)) for what, value in rows]
    table = Table("data", "The log", (Column("what", "What"), Column("value", "Value")), shown)
    lead = "What was evaluated on. All estimates are means of its rewards, by round."
    return Section("data", "Data", lead, [*_notes(data), table])


def logged_reference(data: DataSummary) -> Reference:
    """Return the logging policy's own value, to judge estimates by."""
    interval = data.logged_interval
    return Reference(
        "logging policy",
        data.logged_mean,
        interval.low if interval else None,
        interval.high if interval else None,
    )


def estimates_forest(
    name: str, title: str, estimates: Sequence[Estimate], data: DataSummary
) -> Figure:
    """Return a forest plot of estimates, grouped by policy."""
    series = series_of(estimate.policy for estimate in estimates)
    entries = [
        Entry(
            estimate.policy,
            estimate.estimator + ("*" if estimate.marked else ""),
            estimate.value,
            whiskers(estimate.intervals),
            series[estimate.policy],
        )
        for policy in series
        for estimate in estimates
        if estimate.policy == policy
    ]
    caption = (
        "What each policy would have earned a round, by estimator. The dashed line is what the "
        "logging policy did earn; its band is that figure's own interval. An arrow says that an "
        "interval goes on beyond the scale."
    )
    if any(estimate.marked for estimate in estimates):
        caption += " Estimates with an asterisk come with a note above."
    return forest(name, title, caption, entries, "mean reward a round", logged_reference(data))


def estimates_table(name: str, estimates: Sequence[Estimate]) -> Table:
    """Return every estimate with all of its intervals, one line each."""
    methods = list(dict.fromkeys(i.method for e in estimates for i in e.intervals))
    columns = [
        Column("policy", "Policy"),
        Column("estimator", "Estimator"),
        Column("value", "Value", "number"),
    ]
    for method in methods:
        columns.append(Column(f"{method}_low", f"{method} low", "number"))
        columns.append(Column(f"{method}_high", f"{method} high", "number"))
    columns.append(Column("effective_rounds", "Effective rounds", "count"))
    columns.append(Column("parameters", "Parameters"))
    columns.append(Column("remark", "Remark"))
    rows = []
    for estimate in estimates:
        found = {i.method: i for i in estimate.intervals}
        ends: list[Cell] = []
        for method in methods:
            ends += [found[method].low, found[method].high] if method in found else [None, None]
        told = ", ".join(f"{key} = {_setting(v)}" for key, v in estimate.parameters.items())
        head = (estimate.policy, estimate.estimator, estimate.value)
        tail = (estimate.diagnostics.effective_rounds, told, _remark(estimate))
        rows.append((*head, *ends, *tail))
    return Table(name, "Estimates", columns, rows)


def mark_notes(estimates: Sequence[Estimate]) -> list[Note]:
    """Return what a reader must know before any estimate, once each."""
    return [Note(mark) for mark in dict.fromkeys(e.marked for e in estimates if e.marked)]


def verdicts(estimates: Sequence[Estimate]) -> list[Verdict]:
    """Return the diagnostics of every policy; those that estimators share are told once."""
    shared: dict[tuple[str, str], list[str]] = {}
    found: dict[tuple[str, str], Diagnostics] = {}
    for estimate in estimates:
        key = (estimate.policy, repr(estimate.diagnostics))
        shared.setdefault(key, []).append(estimate.estimator)
        found[key] = estimate.diagnostics
    policies = [policy for policy, _ in found]
    return [
        _verdict(
            policy if policies.count(policy) == 1 else f"{policy}: {', '.join(shared[key])}",
            found[key],
        )
        for key in found
        for policy in [key[0]]
    ]


def group_table(name: str, caption: str, group: str, rows: Sequence[GroupRow]) -> Table:
    """Return a table by segment or position."""
    columns = (
        Column("policy", "Policy"),
        Column("group", group),
        Column("rounds", "Rounds", "count"),
        Column("effective_rounds", "Effective rounds", "count"),
        Column("logged_mean", "Logged mean", "number"),
        Column("estimate", "Estimate", "number"),
        Column("low", "Low", "number"),
        Column("high", "High", "number"),
    )
    cells = [
        (r.policy, r.group, r.rounds, r.effective_rounds, r.logged_mean, r.estimate, r.low, r.high)
        for r in rows
    ]
    return Table(name, caption, columns, cells)


def _verdict(title: str, found: Diagnostics) -> Verdict:
    facts = [
        ("effective rounds", f"{number(found.effective_rounds, 0)} of {number(found.rounds, 0)}"),
        ("largest weight", compact(found.weight_max)),
        ("mean weight", f"{compact(found.weight_mean)} (p {p_value(found.weight_mean_p)})"),
        ("without overlap", share(found.zero_overlap_share)),
    ]
    effective = found.effective_rounds / found.rounds if found.rounds else 0.0
    return Verdict(title, found.sound, found.verdict, found.warnings, facts, effective)


def _remark(estimate: Estimate) -> str:
    notes = [i.note for i in estimate.intervals if i.note]
    return "; ".join(dict.fromkeys([estimate.marked, *notes] if estimate.marked else notes))


def _notes(data: DataSummary) -> list[Note]:
    notes = [Note(note) for note in data.notes]
    if data.propensities == "estimated":
        notes.insert(0, Note("Propensities were not logged: they are estimated from the log."))
    return notes


def _plain(value: Cell) -> Cell:
    return number(value, 0) if isinstance(value, int) else value


def _setting(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
