"""The page about a large deployment says what the arithmetic and a seeded simulation give."""

from __future__ import annotations

import re

from benchmarks.capacity.arithmetic import failures, redises, scorers, service, services
from benchmarks.capacity.inputs import Prices
from benchmarks.capacity.limits import limits
from benchmarks.capacity.sheet import filled, findings, sheets, told
from benchmarks.capacity.simulation import FINDINGS, SLICE, Case, disagreements, paper, simulate
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text()
FLAT = " ".join(PAGE.split())
CASE = Case.of()
SEED = 1


def _share(value: float) -> str:
    return f"{value:.0%}".replace("%", " %")


def test_the_tables_are_those_of_the_arithmetic() -> None:
    tables = sheets(CASE)
    assert set(re.findall(r"<!-- table: (\w+) -->", PAGE)) == {*tables, "findings"}
    assert filled(PAGE, tables) == PAGE, "run `python -m benchmarks.capacity --page docs/scale.md`"


def test_the_text_says_what_the_tables_say() -> None:
    count, one, plan = services(CASE.coming, CASE.load, CASE.plan), CASE.one, CASE.plan
    expected = failures(one, CASE.coming, plan)
    memory = limits(CASE.coming, CASE.load, plan)[1].pages_per_s
    lost = scorers(CASE.coming, CASE.load, plan).utilization_zone_lost
    spooled = paper(CASE)["longer_spooled"]
    for words in (
        f"{count} services side by side, each with a Redis of {plan.redis_gb:g} GB, "
        f"{one.machines} scoring machines",
        f"and {one.partitions} learners. {count * one.machines} scoring machines answer "
        f"{told(CASE.coming.pages)} pages a second",
        f"a queue that is {_share(lost)}",
        f"**Redis' memory**, {_share(memory / one.pages_per_s - 1)} above",
        f"**Learners**, {_share(plan.learner_utilization_max / one.learner_utilization - 1)} above",
        f"**Open decisions**, {_share(plan.open_decisions_max / one.open_decisions - 1)} above",
        f"some {round(expected.default_pages_of_zone, -3):,.0f} of them",
        f"Redis is full after {2 * plan.absence_s - spooled:.0f} s",
        f"{spooled * one.pages_per_s / 1e6:.1f} million pages a service",
        f"${Prices().vcpu_hour:.2f} a vCPU",
    ):
        assert words in FLAT, words


def test_what_breaks_first_is_redis_memory() -> None:
    found = redises(CASE.coming, CASE.plan)
    assert found.by_memory == services(CASE.coming, CASE.load, CASE.plan)
    assert found.by_memory > max(found.by_rate, found.by_link)
    assert service(CASE.coming, CASE.load, CASE.plan) == CASE.one


def test_the_slice_was_simulated_as_told_and_agrees_with_the_paper() -> None:
    run = simulate(CASE, SLICE, SEED, lambda _: None)
    assert disagreements(paper(CASE), run) == []
    told_rows = re.search(r"<!-- table: findings -->\n\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert told_rows is not None
    rows = [line.strip("| ").split(" | ") for line in told_rows[1].splitlines()[2:]]
    again = findings({"paper": paper(CASE), "slice": run}).rows
    assert [row[:3] for row in rows] == [list(row) for row in again]
    for one, row in zip(FINDINGS, rows, strict=True):
        paper_told, _, service_told = (float(cell.split()[0].replace(",", "")) for cell in row[1:])
        assert abs(service_told - paper_told) <= one.within * paper_told
