"""The 26 failure cases and the tests that show what happens, run by one pytest.

A case passes when every test it names exists and passed, in all its variants. A test that was
skipped or is not there fails its case: what is not shown does not hold.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.torture.rows import Options, Row


class Case(NamedTuple):
    """One way in which things go wrong."""

    number: int
    name: str
    tests: list[str]
    """Paths below ``tests/`` and names of functions, as pytest has them."""


CASES = [
    Case(
        1,
        "kill -9 of a worker under load",
        ["faults/test_kill_under_load.py::test_kills_lose_nothing_and_repeat_nothing"],
    ),
    Case(
        2,
        "kill -9 of the learner anywhere, many times",
        ["faults/test_learner_kill.py::test_kills_at_random_moments_change_nothing"],
    ),
    Case(
        3,
        "the same event three times, or a client's retry",
        [
            "faults/test_cases_over_http.py"
            "::test_the_same_event_three_times_and_a_retry_is_learned_once"
        ],
    ),
    Case(
        4,
        "the same decision id with another body",
        [
            "faults/test_cases_over_http.py::test_a_decision_id_with_another_body_conflicts_everywhere"
        ],
    ),
    Case(
        5,
        "late feedback, or none",
        [
            "faults/test_cases_over_http.py"
            "::test_late_feedback_is_accepted_and_counted_and_not_learned",
            "faults/test_cases_over_http.py"
            "::test_what_was_seen_and_not_touched_earns_the_default_once_at_the_deadline",
        ],
    ),
    Case(
        6,
        "feedback seen before its decision",
        [
            "faults/test_cases_over_http.py"
            "::test_feedback_logged_before_its_decision_is_held_and_joined"
        ],
    ),
    Case(
        7,
        "a token forged, truncated, expired, huge or another tenant's",
        [
            "faults/test_tokens_over_http.py"
            "::test_a_token_lets_feedback_in_without_a_key_and_a_bad_one_changes_nothing",
            "faults/test_tokens_over_http.py::test_an_expired_token_is_refused_with_a_key_as_well",
        ],
    ),
    Case(
        8,
        "rotation of the key that signs tokens",
        [
            "faults/test_tokens_over_http.py"
            "::test_tokens_of_an_old_key_are_good_for_as_long_as_it_is_listed",
            "faults/test_services_clocks.py"
            "::test_tokens_of_an_old_key_are_good_everywhere_until_it_is_taken_out",
        ],
    ),
    Case(
        9,
        "clocks apart, or a wall clock that steps back",
        [
            "faults/test_clock_skew.py"
            "::test_tokens_are_good_on_nodes_whose_clocks_are_ten_seconds_apart",
            "faults/test_clock_skew.py"
            "::test_five_seconds_either_way_close_no_window_early_with_a_leeway_for_both",
            "faults/test_clock_skew.py"
            "::test_a_clock_that_steps_back_loses_nothing_and_closes_nothing_early",
            "faults/test_services_clocks.py"
            "::test_tokens_are_good_at_a_service_whose_clock_is_ten_seconds_apart",
        ],
    ),
    Case(
        10,
        "a chunked, oversized or wrongly measured body",
        ["faults/test_hostile_bodies.py::test_a_body_needs_a_true_and_bounded_length"],
    ),
    Case(
        11,
        "depth bombs, huge headers, trailing bytes, bad UTF-8",
        ["faults/test_hostile_bodies.py::test_a_hostile_body_is_refused_at_once_and_costs_nothing"],
    ),
    Case(
        12,
        "NaN, infinity, a propensity of 0, separators in names",
        [
            "faults/test_bad_values.py::test_after_a_barrage_of_bad_values_all_is_well",
            "faults/test_bad_values.py"
            "::test_a_logged_propensity_that_cannot_be_never_reaches_the_weights",
        ],
    ),
    Case(
        13,
        "40 half-sent bodies behind the documented proxy",
        [
            "faults/test_slow_clients_and_proxy.py"
            "::test_half_sent_bodies_behind_the_proxy_cost_the_others_nothing",
            "faults/test_slow_clients_and_proxy.py"
            "::test_half_sent_bodies_without_a_proxy_hold_no_thread",
            "faults/test_slow_clients_and_proxy.py::test_no_half_sent_body_reaches_the_service",
        ],
    ),
    Case(
        14,
        "a snapshot truncated, bit-flipped or signed by somebody else",
        [
            "faults/test_bad_snapshots_served.py"
            "::test_a_bad_snapshot_is_refused_told_and_the_last_good_one_serves",
            "faults/test_bad_snapshots_served.py"
            "::test_whole_snapshots_are_served_on_after_the_bad_ones",
            "bandit/test_snapshots.py::test_a_flipped_bit_in_any_file_is_noticed",
            "bandit/test_snapshots.py::test_a_truncated_or_missing_file_is_noticed_named_and_not_listed",
            "bandit/test_snapshots.py::test_a_key_that_is_not_in_the_ring_is_refused_and_named",
            "bandit/test_snapshot_import.py::test_a_crash_of_the_loader_is_an_error_like_others",
        ],
    ),
    Case(
        15,
        "snapshot swaps under load",
        [
            "faults/test_swaps_under_load.py::test_swaps_and_reloads_fail_no_request",
            "server/test_service.py"
            "::test_pages_asked_at_once_name_one_catalog_and_one_snapshot_each",
        ],
    ),
    Case(
        16,
        "no snapshot yet",
        [
            "faults/test_cold_start.py"
            "::test_without_snapshot_and_catalog_whole_titles_are_served_by_the_cold_policy"
        ],
    ),
    Case(
        17,
        "the disk is full",
        [
            "faults/test_full_disk.py::test_a_full_disk_costs_no_page_and_no_acknowledged_record",
            "faults/test_full_disk.py"
            "::test_a_worker_killed_while_the_disk_is_full_is_replaced_and_serves",
            "bandit/test_eventlog_sqlite.py"
            "::test_a_full_disk_fails_what_waits_and_the_log_recovers_by_itself",
            "faults/test_log_kill.py"
            "::test_a_disk_that_refuses_fails_writes_and_recovers_without_a_torn_record",
        ],
    ),
    Case(
        18,
        "the torn tail of a spool, or a flipped bit",
        [
            "bandit/test_eventlog_journal.py::test_a_tail_cut_at_any_byte_costs_the_cut_frame_alone",
            "bandit/test_eventlog_journal.py::test_a_flipped_bit_never_changes_a_record",
            "bandit/test_eventlog_sqlite.py::test_a_torn_tail_leaves_the_records_before_it",
            "faults/test_flipped_bits.py"
            "::test_a_flip_in_the_write_ahead_log_leaves_true_records_from_the_first_on",
        ],
    ),
    Case(
        19,
        "Redis down, hung, refusing writes, restarted empty",
        [
            "server/test_rate_exchange.py"
            "::test_where_redis_fails_each_counts_its_part_and_is_back_with_it",
            "server/test_rate_exchange.py::test_a_redis_that_never_was_is_no_hindrance",
            "faults/test_redis_faults.py"
            "::test_no_page_waits_for_redis_and_counting_goes_on_once_it_is_back",
            "cluster/test_cluster_end_to_end.py::test_redis_away_or_come_back_empty_loses_nothing",
            "cluster/test_cluster_end_to_end.py"
            "::test_a_redis_that_refuses_writes_or_is_put_back_loses_nothing",
            "cluster/test_cluster_end_to_end.py::test_pages_go_on_while_redis_hangs",
            "faults/test_cluster_network.py::test_hosts_cut_off_and_healed_lose_nothing",
        ],
    ),
    Case(
        20,
        "an event that crashes the learner",
        ["bandit/test_learner.py::test_poison_is_set_aside_after_so_many_attempts"],
    ),
    Case(
        21,
        "the log's queue is full",
        [
            "faults/test_full_queue.py::test_a_full_queue_does_what_is_configured",
            "bandit/test_eventlog_hand_over.py::test_block_waits_for_room_and_gives_up_in_time",
            "bandit/test_eventlog_hand_over.py::test_drop_never_waits_and_records_what_it_drew",
            "statistical/test_queue_drops.py::test_weighted_counts_of_what_is_logged_are_unbiased",
        ],
    ),
    Case(
        22,
        "SIGTERM under load",
        [
            "faults/test_signals.py::test_sigterm_under_load_finishes_what_is_in_flight",
            "faults/test_signals_under_load.py"
            "::test_an_ending_is_announced_while_everything_is_still_answered",
        ],
    ),
    Case(
        23,
        "SIGHUP with a bad configuration",
        ["faults/test_signals.py::test_sighup_with_a_bad_configuration_keeps_the_old_one"],
    ),
    Case(
        24,
        "two learners are started",
        [
            "faults/test_learner_kill.py::test_a_second_learner_refuses_until_the_first_is_dead",
            "faults/test_two_learners.py"
            "::test_the_second_learner_refuses_and_takes_over_once_the_first_is_dead",
        ],
    ),
    Case(
        25,
        "a process of a fanned-out evaluation is killed",
        [
            "faults/test_worker_of_an_evaluation_killed.py"
            "::test_killed_workers_of_an_evaluation_change_no_bit_of_it"
        ],
    ),
    Case(
        26,
        "every route by schemathesis; a client's key on an admin's route",
        [
            "faults/test_api_by_schema.py::test_every_route_answers_as_it_is_described",
            "server/test_edge_routes.py::test_admin_calls_need_an_admin",
        ],
    ),
]

_ROOT = Path(__file__).parents[2]
_LINE_END = "\n"
_WHY_CHARACTERS = 200


class Result(NamedTuple):
    """What became of one test, over all its variants."""

    trouble: list[str]
    """What the variants that did not pass said."""
    runs: int
    seconds: float


def run(options: Options) -> Iterator[Row]:
    """Run the tests of all cases and map their results to rows."""
    wanted = {test for case in CASES for test in case.tests if exists(test)}
    report = options.directory / "cases.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "loadgroup"]
    command += [
        "-p",
        "no:cacheprovider",
        f"--junitxml={report}",
        *(f"tests/{test}" for test in sorted(wanted)),
    ]
    # Its exit code says no more than the report does.
    subprocess.run(command, cwd=_ROOT.parent, timeout=3 * options.seconds, check=False)
    found = results(report) if report.exists() else {}
    yield from (row_of(case, found) for case in CASES)


def exists(test: str) -> bool:
    """Tell whether there is such a test; pytest would run nothing at all if one is missing."""
    path, _, name = test.partition("::")
    file = _ROOT / path
    if not file.exists():
        return False
    functions = ast.walk(ast.parse(file.read_text()))
    return any(isinstance(one, ast.FunctionDef) and one.name == name for one in functions)


def results(report: Path) -> dict[str, Result]:
    """Read a JUnit report: what became of each test, its variants taken together."""
    variants: defaultdict[str, list[ElementTree.Element]] = defaultdict(list)
    for one in ElementTree.parse(report).iter("testcase"):
        path = one.attrib["classname"].removeprefix("tests.").replace(".", "/") + ".py"
        variants[f"{path}::{one.attrib['name'].partition('[')[0]}"].append(one)
    return {
        test: Result(
            [trouble for one in found for trouble in _trouble(one)],
            len(found),
            sum(float(one.attrib.get("time", 0)) for one in found),
        )
        for test, found in variants.items()
    }


def _trouble(one: ElementTree.Element) -> list[str]:
    """Return how a test ended other than well, and the first line of why."""
    return [
        f"{ending}: {found.attrib.get('message', '').partition(_LINE_END)[0][:_WHY_CHARACTERS]}"
        for ending in ("failure", "error", "skipped")
        if (found := one.find(ending)) is not None
    ]


def row_of(case: Case, found: dict[str, Result]) -> Row:
    """Judge one case by its tests' results."""
    missing = [test for test in case.tests if test not in found]
    there = [found[test] for test in case.tests if test in found]
    trouble = [one for result in there for one in result.trouble]
    passed = bool(there) and not missing and not trouble
    figures: dict[str, float | str] = {
        "tests": sum(result.runs for result in there),
        "seconds": round(sum(result.seconds for result in there), 1),
    }
    if trouble:
        figures["why"] = trouble[0]
    if missing or not case.tests:
        figures["not run"] = _listed(missing) or "no test"
    return Row(f"{case.number} {case.name}", _listed(case.tests), passed, figures)


def _listed(tests: Iterable[str]) -> str:
    return ", ".join(f"tests/{test}" for test in tests)
