"""The paper's arithmetic by hand, and the simulations against theory and their own books."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.capacity import pipeline, queueing, serving, sizes
from benchmarks.capacity.arithmetic import (
    Traffic,
    divided,
    failures,
    fan_out,
    held_bytes_per_s,
    kafka,
    learners,
    redises,
    scorers,
    services,
    traffic,
    worker_s_a_page,
)
from benchmarks.capacity.inputs import Kafka, Load, Plan, Prices, figure
from benchmarks.capacity.limits import limits
from benchmarks.capacity.sheet import Sheet, filled, told
from benchmarks.capacity.simulation import FINDINGS, Case, disagreements, paper

CASE = Case.of()
ONE_QUEUE = serving.Size(1, 1, 6, 4500.0, 0.0, 1e-3, 0.0)
"""Six workers that are three quarters busy."""
PART = pipeline.Size(
    zones=3,
    machines=3,
    partitions=2,
    pages_per_s=600.0,
    learner_pages_per_s=500.0,
    agent_s_a_page=1e-5,
    redis_write_s=1e-5,
    redis_read_s=1e-5,
    page_bytes=10_000.0,
    redis_bytes=1e9,
    link_bytes_per_s=1e9,
    snapshot_bytes=1e6,
    cold_bytes=50e6,
    kept_s=60.0,
    poll_s=0.1,
    merge_interval_s=2.0,
    silent_s=20.0,
)
"""Learners that are 60 % busy, and a Redis that holds 166 seconds."""


def _conserved(run: pipeline.Learned) -> None:
    assert run.made == pytest.approx(run.learned + run.left, rel=1e-9)


def test_twenty_million_decisions_are_so_many_pages() -> None:
    coming = traffic(Load())
    assert coming.pages == pytest.approx(83_333.33, abs=0.01)
    assert coming.seen == pytest.approx(1_666_667, abs=1)
    assert coming.events == pytest.approx(1_833_333, abs=1)
    # 83,333.3 / 2.5 × 86,400 s, and by 250 million
    assert coming.pages_a_day == pytest.approx(2.88e9)
    assert coming.pages_a_viewer_day == pytest.approx(11.52)


def test_scorers_suffice_without_a_zone() -> None:
    # 3/2652 + 22 × 3/42,570 s a page; 0.75 busy on two of three zones; six workers a machine
    coming = Traffic(1000.0, 20_000.0, 22_000.0, 0.0, 0.0)
    assert worker_s_a_page(coming) == pytest.approx(1.13122e-3 + 1.55039e-3, rel=1e-5)
    found = scorers(coming, Load(), Plan())
    assert found.busy_workers == pytest.approx(2.68161, rel=1e-5)
    assert (found.machines, found.workers) == (3, 18)
    assert found.utilization == pytest.approx(2.68161 / 18, rel=1e-5)
    assert found.utilization_zone_lost == pytest.approx(2.68161 / 12, rel=1e-5)
    assert scorers(CASE.coming, Load(), Plan()).utilization_zone_lost <= 0.75


def test_redis_is_counted_by_what_it_is_short_of() -> None:
    coming = Traffic(1000.0, 20_000.0, 22_000.0, 0.0, 0.0)
    assert held_bytes_per_s(coming) == pytest.approx(1000 * 12_052 + 22_000 * 186)
    plan = Plan(window_s=80.0, checkpoints_s=0.0, absence_s=20.0, redis_gb=1.0)
    found = redises(coming, plan)
    # 16.144 MB × 100 s by 0.75 GB
    assert found.held_bytes == pytest.approx(1.6144e9)
    assert found.by_memory == 3
    # 7.248 kB less a decision: 0.89 GB
    assert found.packed_bytes == pytest.approx(1.6144e9 - 7.248e8)
    # 26.9 kB in place of 10.621
    assert found.long_bytes == pytest.approx(1.6144e9 + 1.6279e9)
    # 10.32 µs a page and 0.31 an event
    assert found.busy_cores == pytest.approx(0.01032 + 0.00682)
    assert (found.by_rate, found.by_link) == (1, 1)


@pytest.mark.parametrize(("share", "wanted"), [(1.0, 128), (0.25, 107), (0.1, 98)])
def test_learners_by_the_share_of_zero_rewards(share: float, wanted: int) -> None:
    # 1,666,667 ÷ 18,720, 22,360 or 24,310 ÷ 0.7
    found = learners(CASE.coming, Load(), Plan(zero_reward_share=share))
    assert (found.at_least, found.by_partitions) == (wanted, 2)


def test_services_are_as_many_as_what_is_short_first_asks_for() -> None:
    found = redises(CASE.coming, Plan())
    assert services(CASE.coming, Load(), Plan()) == found.by_memory == 13
    roomy = Plan(redis_gb=2000.0)
    assert services(CASE.coming, Load(), roomy) == found.by_rate == 3
    one = CASE.one
    assert one.pages_per_s == pytest.approx(83_333.33 / 13, rel=1e-6)
    assert one.partitions == 9
    assert one.learner_utilization == pytest.approx(6410.256 / 9 / 1118, rel=1e-6)
    assert one.open_decisions == pytest.approx(6410.256 / 9 * 605, rel=1e-6)


def test_snapshots_and_brokers() -> None:
    fan = fan_out(CASE.one, 13, CASE.plan)
    assert fan.bytes_per_s == pytest.approx(6 * 567_700 / 2)
    assert fan.storm_bytes == pytest.approx(2 * 4_566_800)
    assert fan.transactions_per_s == pytest.approx(6 * 9 * 10)
    # (83,333 × 10,621 + 1,833,333 × 146) B/s = 1.1528 GB/s
    size = kafka(CASE.coming, CASE.load, Kafka())
    assert size.brokers == 12
    assert size.disk_tb == pytest.approx(1.15275e9 / 2.5 * 21_600 * 3 / 1e12, rel=1e-4)


def test_the_price_follows_prices() -> None:
    from benchmarks.capacity.arithmetic import cost

    base = cost(CASE.coming, CASE.load, CASE.plan, Prices())
    # 78 machines × 8 vCPUs × 730 h × $0.04 by 2,880 × 730/24 million pages
    assert base.scorers == pytest.approx(78 * 8 * 730 * 0.04 / (2880 * 730 / 24))
    dearer = cost(CASE.coming, CASE.load, CASE.plan, Prices(egress_gb=0.02))
    assert dearer.traffic == pytest.approx(2 * base.traffic)
    assert dearer.total == pytest.approx(base.total + base.traffic)


def test_a_backlog_drains_by_what_a_learner_has_left() -> None:
    expected = failures(CASE.one, CASE.coming, CASE.plan)
    busy = CASE.one.learner_utilization
    left = CASE.one.pages_per_s / busy - CASE.one.pages_per_s
    assert expected.drain_s == pytest.approx(expected.backlog_pages / left)
    assert expected.default_pages_of_zone == pytest.approx(55_556, abs=1)


def test_the_lowest_limit_comes_first() -> None:
    found = limits(CASE.coming, CASE.load, CASE.plan)
    assert [one.part for one in found][:2] == ["one learner", "Redis' memory"]
    memory = found[1].pages_per_s
    assert redises(divided(CASE.coming, 1)._replace(
        pages=memory, events=22 * memory
    ), CASE.plan).held_bytes == pytest.approx(96e9)  # fmt: skip


def test_erlang_c_is_that_of_the_books() -> None:
    assert queueing.erlang_c(1, 0.8) == pytest.approx(0.8)
    # M/M/2 at half load: a third waits
    assert queueing.erlang_c(2, 0.5) == pytest.approx(1 / 3)
    assert queueing.mean_wait_s(1, 0.5, 1.0, 1.0) == pytest.approx(1.0)
    assert queueing.mean_wait_s(1, 0.5, 1.0, 0.0) == pytest.approx(0.5)
    # M/M/1: the time in the system is exponential with mean 1 / (1 - 0.5)
    found = queueing.response_percentile_s(1, 0.5, 1.0, (1.0, 0.0), 99, 1.0)
    assert found == pytest.approx(2.0 * np.log(100), rel=0.01)
    with pytest.raises(ValueError, match="never catch up"):
        queueing.erlang_c(2, 1.0)


@pytest.mark.parametrize("variation", [1.0, 0.0])
def test_simulated_waits_are_those_of_theory(variation: float) -> None:
    """About 90,000 waits: for M/M/6 the formula is exact, for M/D/6 it is low by some 12 %."""
    size = ONE_QUEUE._replace(variation=variation)
    run = serving.serve(size, serving.Course(20.0), seed=1)
    wanted = queueing.mean_wait_s(6, 0.75, 1e-3, variation) * 1e3
    assert run.mean_wait_ms == pytest.approx(wanted, rel=0.08 if variation else 0.16)
    assert run.pages == pytest.approx(90_000, rel=0.02)


def test_pages_are_served_or_defaulted_and_none_is_lost() -> None:
    size = serving.Size(3, 1, 2, 1500.0, 500.0, 1e-3, 1e-3)
    course = serving.Course(4.0, 1, 1.0, 1.0)
    run = serving.serve(size, course, seed=2)
    answered = run.took_s[run.is_default == 0]
    assert run.pages == len(answered) + run.defaulted
    assert run.pages == pytest.approx(6000, rel=0.05)
    assert answered.max() <= course.deadline_s
    assert np.allclose(run.took_s[run.is_default == 1], course.deadline_s)
    assert run.during(0.0, 0.9).defaulted == 0
    assert run.during(1.0, 2.0).default_share == pytest.approx(1 / 3, abs=0.05)
    assert run.during(2.0, 4.0).defaulted == 0


def test_the_same_seed_gives_the_same_pages() -> None:
    first, second, other = (
        serving.serve(ONE_QUEUE, serving.Course(0.5), seed=seed) for seed in (3, 3, 4)
    )
    assert np.array_equal(first.took_s, second.took_s)
    assert not np.array_equal(first.asked_s[:50], other.asked_s[:50])


def test_bounded_queues_lose_what_is_too_much_and_unbounded_ones_everything() -> None:
    size = serving.Size(1, 1, 2, 4000.0, 0.0, 1e-3, 0.0, waiting_max=200)
    course = serving.Course(4.0, deadline_s=0.2, try_timeout_s=0.2, tries=1)
    bounded = serving.serve(size, course, seed=5).during(2.0, 4.0)
    assert bounded.default_share == pytest.approx(0.5, abs=0.03)
    endless = size._replace(waiting_max=float("inf"))
    assert serving.serve(endless, course, seed=5).during(2.0, 4.0).default_share == 1.0


def test_calm_learning_keeps_models_fresh() -> None:
    run = pipeline.learn(PART, pipeline.Faults(), seconds=40.0)
    _conserved(run)
    assert run.age(10.0, 40.0).max() < PART.merge_interval_s + 1.0
    assert run.backlog.max() < PART.pages_per_s * 1.0
    assert run.redis_busy < 0.05


def test_an_absence_of_the_learner_drains_as_worked_out() -> None:
    run = pipeline.learn(PART, pipeline.Faults(10.0, 40.0), seconds=160.0)
    _conserved(run)
    assert run.backlog.max() == pytest.approx(40 * 600, rel=0.03)
    # 40 s × 0.6 / 0.4
    assert run.drained_s(50.0, 600.0) == pytest.approx(60.0, rel=0.08)
    assert run.age_s.max() == pytest.approx(40 + 2.5, abs=1.5)
    assert run.held_bytes.max() == pytest.approx((60 + 40) * 600 * 10_000, rel=0.03)


def test_a_full_redis_leaves_the_rest_on_disks() -> None:
    small = PART._replace(redis_bytes=80 * 600 * 10_000.0)
    run = pipeline.learn(small, pipeline.Faults(10.0, 40.0), seconds=160.0)
    _conserved(run)
    assert run.held_bytes.max() <= small.redis_bytes * 1.01
    assert run.spooled.max() == pytest.approx(20 * 600, rel=0.05)
    assert run.spooled[-1] < 600


def test_learning_waits_for_a_silent_zone_and_then_goes_on() -> None:
    run = pipeline.learn(PART, pipeline.Faults(zone_lost_s=10.0), seconds=120.0)
    _conserved(run)
    assert run.age_s.max() == pytest.approx(PART.silent_s + 1.5, abs=1.5)
    # 20 s × 0.6 / 0.4
    assert run.drained_s(10.0 + PART.silent_s, 600.0) == pytest.approx(30.0, rel=0.1)
    assert run.age_s[-1] < 4.0


def test_a_cold_zone_shares_the_link() -> None:
    run = pipeline.learn(PART._replace(machines=12), pipeline.Faults(cold_s=10.0), seconds=15.0)
    # four machines × 50 MB by 1 GB/s
    assert run.cold_ready_s == pytest.approx(0.2, rel=0.1)
    assert run.redis_wait_max_s >= 0.14


def test_part_of_a_service_is_as_busy_as_all_of_it() -> None:
    whole = sizes.service(CASE.coming, CASE.one, 6, 9, CASE.plan)
    part = sizes.service(CASE.coming, CASE.one, 3, 3, CASE.plan)
    assert part.pages_per_s * 3 == pytest.approx(whole.pages_per_s)
    assert part.redis_bytes * 3 == pytest.approx(whole.redis_bytes)
    busy = whole.pages_per_s / whole.partitions / whole.learner_pages_per_s
    assert busy == pytest.approx(CASE.one.learner_utilization)
    fleet = sizes.fleet(CASE.coming, 0.5, 1, CASE.plan)
    work = fleet.pages_per_s * fleet.page_s + fleet.feedback_per_s * fleet.feedback_s
    assert work == pytest.approx(0.5 * 18)


def test_what_differs_from_the_paper_is_named() -> None:
    expected = paper(CASE)
    assert disagreements(expected, expected) == []
    assert set(expected) == {one.name for one in FINDINGS}
    off = {**expected, "zone_age": 2 * expected["zone_age"]}
    assert disagreements(expected, off) == ["zone_age"]


def test_marked_tables_are_filled_and_nothing_else_is_touched() -> None:
    text = "a\n<!-- table: x -->\n\n<!-- end -->\nb\n<!-- table: y -->\n\n<!-- end -->\n"
    tables = {"x": Sheet(("h",), [("1",)]), "y": Sheet(("k",), [("2",)])}
    once = filled(text, tables)
    assert "| h |\n| --- |\n| 1 |\n" in once
    assert "| 2 |" in once
    assert once.startswith("a\n")
    assert "-->\nb\n" in once
    assert filled(once, tables) == once
    assert told(0.21758) == "0.218"
    assert told(83_333.3) == "83,333"
    assert figure("answer_bytes") == 13_914
