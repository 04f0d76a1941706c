"""The page's tables, as rows of text: for the terminal and, by marks, for ``docs/scale.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.capacity import arithmetic
from benchmarks.capacity.inputs import MEASURED, Kafka, Prices
from benchmarks.capacity.limits import limits
from benchmarks.capacity.simulation import FINDINGS, Case

_MARKED: Final = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


class Sheet(NamedTuple):
    """A table."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """Return it as Markdown."""
        lines = [self.head, tuple("---" for _ in self.head), *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def sheets(case: Case) -> dict[str, Sheet]:
    """Return all tables that need no simulation, by name."""
    return {
        "measured": _measured(),
        "traffic": _traffic(case),
        "scorers": _scorers(case),
        "redis": _redis(case),
        "learners": _learners(case),
        "service": _service(case),
        "kafka": _kafka(case),
        "cost": _cost(case),
        "limits": _limits(case),
    }


def findings(columns: Mapping[str, Mapping[str, float]]) -> Sheet:
    """Return the paper beside what was simulated."""
    rows = [
        (one.what, *(f"{told(column[one.name])} {one.unit}" for column in columns.values()))
        for one in FINDINGS
    ]
    return Sheet(("figure", *columns), rows)


def filled(text: str, tables: Mapping[str, Sheet]) -> str:
    """Return a document whose marked tables of these names are made anew."""

    def anew(found: re.Match[str]) -> str:
        table = tables.get(found[1])
        if table is None:
            return found[0]
        return f"<!-- table: {found[1]} -->\n\n{table.markdown()}\n<!-- end -->"

    return _MARKED.sub(anew, text)


def told(value: float) -> str:
    """Return a number with three significant digits, or in full from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{float(f'{value:.3g}'):g}"


def _measured() -> Sheet:
    rows = [
        (one.what, f"{told(one.value)} {one.unit}", f"`{one.command}`") for one in MEASURED.values()
    ]
    return Sheet(("what", "figure", "measured by"), rows)


def _traffic(case: Case) -> Sheet:
    coming, load = case.coming, case.load
    wire = arithmetic.wire(coming)
    rows = [
        (
            "pages a second",
            f"{load.decisions_per_s:,.0f} ÷ {load.titles_a_page}",
            told(coming.pages),
        ),
        ("titles seen a second", f"× {load.seen_a_page}", told(coming.seen)),
        (
            "feedback events a second",
            f"seen × {1 + load.plays_of_seen:g}: a tenth is played",
            told(coming.events),
        ),
        ("pages a day", f"peak ÷ {load.peak_by_mean:g} × 86,400 s", told(coming.pages_a_day)),
        (
            "pages a viewer and day",
            f"÷ {load.viewers:,.0f} viewers",
            told(coming.pages_a_viewer_day),
        ),
        ("requests for pages", "pages × bytes", _rate(wire.requests)),
        ("answers", "pages × bytes", _rate(wire.answers)),
        ("feedback as sent", "events × bytes", _rate(wire.feedback)),
        ("log, handed to Redis and again to learners", "decisions and events", _rate(wire.log)),
    ]
    return Sheet(("at the peak", "working", "figure"), rows)


def _scorers(case: Case) -> Sheet:
    found, plan = arithmetic.scorers(case.coming, case.load, case.plan), case.plan
    count = _services(case)
    one = arithmetic.scorers(arithmetic.divided(case.coming, count), case.load, plan)
    rows = [
        (
            "a worker's time for a page and its feedback",
            "1 ÷ pages + events a page ÷ events",
            f"{told(found.worker_s_a_page * 1e3)} ms",
        ),
        ("workers that are busy", "× pages a second", told(found.busy_workers)),
        (
            "workers",
            f"÷ {plan.utilization_max:g} with {plan.zones - 1} of {plan.zones} zones",
            told(found.workers),
        ),
        (
            "machines of 8 vCPUs",
            f"{plan.workers_a_machine} workers, the agent, one for the rest",
            f"{told(found.machines)}; in {count} services {count * one.machines}",
        ),
        (
            "workers busy; a zone lost",
            "",
            f"{found.utilization:.0%}; {found.utilization_zone_lost:.0%}",
        ),
        ("an agent busy, a zone lost", "pages and events", f"{found.agent_utilization:.0%}"),
        ("log of a machine a day", "at the day's mean", f"{told(found.log_gb_a_day)} GB"),
    ]
    return Sheet(("scorers", "working", "figure"), rows)


def _redis(case: Case) -> Sheet:
    found, plan = arithmetic.redises(case.coming, case.plan), case.plan
    seconds = plan.window_s + plan.checkpoints_s + plan.absence_s
    rows = [
        (
            "by memory",
            f"{told(seconds)} s × {_rate(arithmetic.held_bytes_per_s(case.coming))} = "
            f"{told(found.held_bytes / 1e12)} TB ÷ {plan.redis_memory_share:g} × "
            f"{plan.redis_gb:g} GB",
            told(found.by_memory),
        ),
        (
            "by memory, were decisions packed, which they are not",
            f"{told(found.packed_bytes / 1e12)} TB",
            told(found.by_packed_memory),
        ),
        (
            "by memory, were ids longer: 110 bytes a title",
            f"{told(found.long_bytes / 1e12)} TB",
            told(found.by_long_memory),
        ),
        (
            "by its one core",
            f"{told(found.busy_cores)} busy cores ÷ {plan.redis_utilization_max:g}",
            told(found.by_rate),
        ),
        (
            "by its link",
            f"log ÷ {plan.redis_utilization_max:g} × {plan.link_gbit_s:g} Gbit/s, each way",
            told(found.by_link),
        ),
    ]
    return Sheet(("Redis", "working", "how many"), rows)


def _learners(case: Case) -> Sheet:
    rows = []
    for share in (1.0, 0.25, 0.1):
        plan = case.plan._replace(zero_reward_share=share)
        found = arithmetic.learners(case.coming, case.load, plan)
        rows.append(
            (
                f"{share:g}",
                told(arithmetic.seen_per_learner_s(share)),
                told(found.pages_per_s),
                told(found.at_least),
                told(found.by_partitions),
            )
        )
    head = ("`zero_reward_share`", "seen a second", "pages a second", "learners", "services of 64")
    return Sheet(head, rows)


def _service(case: Case) -> Sheet:
    one, plan = case.one, case.plan
    count = _services(case)
    fan = arithmetic.fan_out(one, count, plan)
    rows = [
        ("services", told(count)),
        ("pages a second of one, at the peak", told(one.pages_per_s)),
        ("viewers of one", f"{told(case.load.viewers / count / 1e6)} million"),
        ("scoring machines", f"{one.machines}, {one.machines // plan.zones} a zone"),
        ("partitions, a learner each", told(one.partitions)),
        ("a learner busy", f"{one.learner_utilization:.0%}"),
        (
            "open decisions of a learner",
            f"{told(one.open_decisions)} of {plan.open_decisions_max:,}",
        ),
        ("these in a learner's memory, at least", f"{told(one.learner_gb)} GB"),
        (
            "Redis holds at most",
            f"{told(one.redis_gb)} of {plan.redis_gb * plan.redis_memory_share:g} GB",
        ),
        (
            "snapshots to all its machines",
            f"{_rate(fan.bytes_per_s)}, {fan.share_of_link:.2%} of its link",
        ),
        ("the same of 24 bits, no weight zero", f"{fan.large_share_of_link:.0%} of Redis' link"),
        (
            "a cold zone's models, at most",
            f"{told(fan.storm_bytes / 1e6)} MB, {told(fan.storm_s * 1e3)} ms",
        ),
        ("agents' transactions a second", told(fan.transactions_per_s)),
        (
            "snapshots and transactions, had 64 partitions one Redis",
            f"{_rate(fan.whole_bytes_per_s)}; {told(fan.whole_transactions_per_s)} a second",
        ),
    ]
    return Sheet(("one service", "figure"), rows)


def _kafka(case: Case) -> Sheet:
    assumed = Kafka()
    found = arithmetic.kafka(case.coming, case.load, assumed)
    rows = [
        ("brokers", f"log ÷ {assumed.broker_mb_s:g} MB/s", told(found.brokers)),
        (
            "disk",
            f"mean log × {assumed.hours_kept:g} hours × {assumed.copies} copies",
            f"{told(found.disk_tb)} TB",
        ),
    ]
    return Sheet(("Kafka", "working", "figure"), rows)


def _cost(case: Case) -> Sheet:
    found = arithmetic.cost(case.coming, case.load, case.plan, Prices())
    rows = [(name.replace("_", " "), f"${value:.3f}") for name, value in found._asdict().items()]
    return Sheet(("a million pages", "price"), [*rows, ("**together**", f"**${found.total:.2f}**")])


def _limits(case: Case) -> Sheet:
    rows = [
        (one.part, told(one.pages_per_s), one.remedy)
        for one in limits(case.coming, case.load, case.plan)
    ]
    return Sheet(("suffices up to", "pages a second", "then"), rows)


def _services(case: Case) -> int:
    return arithmetic.services(case.coming, case.load, case.plan)


def _rate(bytes_per_s: float) -> str:
    if bytes_per_s >= 1e9:
        return f"{told(bytes_per_s / 1e9)} GB/s"
    return f"{told(bytes_per_s / 1e6)} MB/s"
