"""The parts that reports of logged data share: the data, forest plots of estimates, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulator.intervals.statistic import NO_SPREAD as UNSEEN
from simulator.report.forest import Entry, Reference, Whisker, forest
from simulator.report.numbers import NO_SPREAD, bounds, compact, decimals_of_width, number
from simulator.report.page import Cell, Column, Fact, Figure, Note, Remarks, Section, Table
from simulator.report.trust import bound, is_doubtful
from simulator.results import NOT_TRUSTWORTHY, DataSummary, Estimate, GroupRow, Interval

PREFERRED = ("dr", "snips", "cascade-dr", "snrips", "sniips", "ips")
"""Whose estimate the headline tells, where there is a choice: the first of these that was made."""

DRAWN_MAX = 80
"""Estimates in one figure."""
INTERRUPTED = "interrupted"
"""How notes on a run begin that was cut short."""


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
    if first.low == first.high:
        return f"{compact(value)} ({NO_SPREAD})"
    told = number(value, decimals_of_width(first.high - first.low))
    return f"{told} ({first.level * 100:g} %: {bounds(first.low, first.high)})"


def logged_mean(data: DataSummary) -> str:
    """Return what the logging policy earned, with as many digits as are known."""
    interval = data.logged_interval
    if interval is None:
        return compact(data.logged_mean)
    return number(data.logged_mean, decimals_of_width(interval.high - interval.low))


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
            logged_mean(data),
            f"{logged.level * 100:g} %: {bounds(logged.low, logged.high)}" if logged else "",
        ),
        Fact("propensities", data.propensities, "of the logging policy", alarm=_guessed(data)),
    ]
    if data.viewers is not None:
        facts.insert(1, Fact("viewers", number(data.viewers, 0)))
    if data.skipped:
        facts.append(Fact("skipped", number(data.skipped, 0), "bad lines, left out as asked"))
    return facts


def _guessed(data: DataSummary) -> bool:
    return data.propensities != "logged"


def urgent_notes(notes: Sequence[str]) -> list[Note]:
    """Return the notes on a run that nobody may read its numbers without."""
    return [
        Note(f"{note[0].upper()}{note[1:]}.", alarm=True)
        for note in notes
        if note.startswith((INTERRUPTED, NOT_TRUSTWORTHY))
    ]


def data_section(data: DataSummary, notes: Sequence[str]) -> Section:
    """Return what a reader should know of the data, and of the run that judged on it."""
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
    remarks = [Remarks(told)] if (told := list(dict.fromkeys([*data.notes, *notes]))) else []
    return Section("data", "Data", lead, [*remarks, table])


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
    """Return a forest plot of estimates, grouped by policy; of very many, the headline's alone."""
    caption = (
        "What each policy would have earned a round, by estimator. The dashed line is what the "
        "logging policy did earn; its band is that figure's own interval. An arrow says that an "
        "interval goes on beyond the scale."
    )
    drawn = list(estimates)
    if len(drawn) > DRAWN_MAX:
        best = headline_estimator(estimates)
        drawn = [estimate for estimate in estimates if estimate.estimator == best][:DRAWN_MAX]
        caption += f" Drawn are {len(drawn)} of {len(estimates)}; the table has all."
    if any(estimate.marked for estimate in drawn):
        caption += " Estimates with an asterisk come with a note above."
    series = series_of(estimate.policy for estimate in drawn)
    entries = [
        _entry(estimate, series[policy])
        for policy in series
        for estimate in drawn
        if estimate.policy == policy
    ]
    return forest(name, title, caption, entries, "mean reward a round", logged_reference(data))


def _entry(estimate: Estimate, series: int) -> Entry:
    found = whiskers(estimate.intervals)
    stand_in = bound(estimate)
    return Entry(
        estimate.policy,
        estimate.estimator + ("*" if estimate.marked else ""),
        estimate.value,
        [*found, stand_in] if stand_in else found,
        series,
        doubtful=is_doubtful(estimate),
    )


def estimates_table(name: str, estimates: Sequence[Estimate]) -> Table:
    """Return every estimate with all of its intervals, one line each."""
    levels = {i.method: i.level for e in estimates for i in e.intervals}
    columns = [
        Column("policy", "Policy"),
        Column("estimator", "Estimator"),
        Column("value", "Value", "number"),
    ]
    for method, level in levels.items():
        columns += interval_columns(method, f"{method}, {level * 100:g} %")
    columns.append(Column("effective_rounds", "Effective rounds", "count"))
    rows = []
    for estimate in estimates:
        found = {i.method: i for i in estimate.intervals}
        ends: list[Cell] = []
        for method in levels:
            ends += [found[method].low, found[method].high] if method in found else [None, None]
        star = "*" if estimate.marked else ""
        head = (estimate.policy, estimate.estimator + star, estimate.value)
        rows.append([*head, *ends, estimate.diagnostics.effective_rounds])
    known = _shared_notes(estimates)
    texts = {
        Column("parameters", "Parameters"): [_parameters(e) for e in estimates],
        Column("remark", "Remark"): [_remark(e, known) for e in estimates],
    }
    for column, told in texts.items():
        if any(told):
            columns.append(column)
            for row, text in zip(rows, told, strict=True):
                row.append(text)
    caption = f"Estimates ({'; '.join(known)})" if known else "Estimates"
    return Table(name, caption, columns, rows)


def interval_columns(key: str, title: str) -> tuple[Column, Column]:
    """Return the columns of an interval's ends, shown as one."""
    return (
        Column(f"{key}_low", title, "number"),
        Column(f"{key}_high", f"{title}, upper end", "number", joined=True),
    )


def group_table(name: str, caption: str, group: str, rows: Sequence[GroupRow]) -> Table:
    """Return a table by segment or position."""
    columns = (
        Column("policy", "Policy"),
        Column("group", group),
        Column("rounds", "Rounds", "count"),
        Column("effective_rounds", "Effective rounds", "count"),
        Column("logged_mean", "Logged mean", "number"),
        Column("estimate", "Estimate", "number"),
        Column("low", "Interval", "number"),
        Column("high", "Interval, upper end", "number", joined=True),
    )
    cells = [
        (r.policy, r.group, r.rounds, r.effective_rounds, r.logged_mean, r.estimate, r.low, r.high)
        for r in rows
    ]
    return Table(name, caption, columns, cells)


def _remark(estimate: Estimate, known: Sequence[str]) -> str:
    notes = [f"{i.method}: {note}" for i in estimate.intervals if (note := _note(i))]
    remarks = [note for note in dict.fromkeys(notes) if note not in known]
    mark = f"* {estimate.marked}"
    return "; ".join([mark, *remarks] if estimate.marked and mark not in known else remarks)


def _note(interval: Interval) -> str:
    """Return what is to be known of an interval, but for what its cell says."""
    return interval.note.removesuffix(UNSEEN).rstrip("; ")


def _shared_notes(estimates: Sequence[Estimate]) -> list[str]:
    """Return what is to be known of an interval's method, the same for all estimates."""
    noted: dict[str, set[str]] = {}
    for estimate in estimates:
        for found in estimate.intervals:
            noted.setdefault(found.method, set()).add(_note(found))
    alike = {method: notes.pop() for method, notes in noted.items() if len(notes) == 1}
    marks = {estimate.marked for estimate in estimates}
    mark = [f"* {marks.pop()}"] if len(marks) == 1 and "" not in marks else []
    return [*mark, *(f"{method}: {note}" for method, note in alike.items() if note)]


def _parameters(estimate: Estimate) -> str:
    return ", ".join(f"{key} = {_setting(v)}" for key, v in estimate.parameters.items())


def _plain(value: Cell) -> Cell:
    return number(value, 0) if isinstance(value, int) else value


def _setting(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
