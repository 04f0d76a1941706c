"""The torture suite's own reckoning: what fails a row, what it writes, and what it returns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from tests.faults.torture import __main__ as torture
from tests.faults.torture.cases import CASES, Case, exists, results, row_of
from tests.faults.torture.damage import Damage
from tests.faults.torture.kill_storm import LEFT_OUT, rows_of
from tests.faults.torture.parts import Part
from tests.faults.torture.plan import KILLS, Plan, draw_plan
from tests.faults.torture.rows import Options, Row
from tests.faults.torture.storm import Report

REPORT = """<testsuites><testsuite>
<testcase classname="tests.faults.test_a" name="test_good[1]" time="0.5"/>
<testcase classname="tests.faults.test_a" name="test_good[2]" time="0.25"/>
<testcase classname="tests.faults.test_a" name="test_half[1]"/>
<testcase classname="tests.faults.test_a" name="test_half[2]"><failure/></testcase>
<testcase classname="tests.faults.test_a" name="test_broken"><error/></testcase>
<testcase classname="tests.faults.test_a" name="test_left_out">
<skipped message="no nginx"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("tests", "passed"),
    [
        (["test_good"], True),
        (["test_half"], False),
        (["test_broken"], False),
        (["test_left_out"], False),
        (["test_absent"], False),
        (["test_good", "test_absent"], False),
        (["test_good", "test_left_out"], False),
        ([], False),
    ],
)
def test_a_case_passes_only_if_all_its_tests_ran_and_passed(
    tmp_path: Path, tests: list[str], passed: bool
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    case = Case(7, "a case", [f"faults/test_a.py::{test}" for test in tests])
    row = row_of(case, results(report))
    assert (row.case, row.passed) == ("7 a case", passed)
    if passed:
        assert row.figures == {"tests": 2, "seconds": 0.8}


def test_a_row_says_why_it_failed(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    left_out = Case(7, "a case", ["faults/test_a.py::test_good", "faults/test_a.py::test_left_out"])
    assert row_of(left_out, results(report)).figures["why"] == "skipped: no nginx"
    absent = Case(7, "a case", ["faults/test_a.py::test_absent"])
    assert row_of(absent, {}).figures["not run"] == "tests/faults/test_a.py::test_absent"


def test_all_26_cases_name_tests_that_exist() -> None:
    assert [case.number for case in CASES] == list(range(1, 27))
    assert [test for case in CASES for test in case.tests if not exists(test)] == []


def test_a_test_that_is_not_there_does_not_exist() -> None:
    name = "test_a_test_that_is_not_there_does_not_exist"
    assert exists(f"faults/test_torture_report.py::{name}")
    assert not exists(f"faults/test_torture_report.py::{name}_at_all")
    assert not exists(f"faults/test_no_such_file.py::{name}")


def good(options: Options) -> Iterator[Row]:
    yield Row("good", "a test", True, {"seed": options.seed, "seconds": options.seconds})


def bad(_options: Options) -> Iterator[Row]:
    yield Row("bad", "a test", False, {})


def breaks(_options: Options) -> Iterator[Row]:
    yield Row("before", "a test", True, {})
    raise TimeoutError("nothing came back")


@pytest.mark.parametrize(
    ("only", "code", "passed"),
    [
        ("good", 0, [True]),
        ("good,bad", 1, [True, False]),
        ("breaks,good", 1, [True, True, False]),
    ],
)
def test_the_report_is_written_and_a_failed_row_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, only: str, code: int, passed: list[bool]
) -> None:
    parts = [Part("good", good, 30.0), Part("bad", bad, 1.0), Part("breaks", breaks, 1.0)]
    monkeypatch.setattr(torture, "PARTS", parts)
    monkeypatch.chdir(tmp_path)
    assert torture.main(["--only", only, "--seed", "5"]) == code
    rows = msgspec.json.decode((tmp_path / "build" / "torture.json").read_bytes())["rows"]
    assert [row["passed"] for row in rows] == passed
    assert rows[0] == {
        "case": "good",
        "test": "a test",
        "passed": True,
        "figures": {"seed": 5, "seconds": 30.0},
    }


def test_minutes_scale_what_each_part_may_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = [Part("good", good, 30.0), Part("other", good, 90.0)]
    monkeypatch.setattr(torture, "PARTS", parts)
    monkeypatch.chdir(tmp_path)
    assert torture.main(["--minutes", "1"]) == 0
    rows = msgspec.json.decode((tmp_path / "build" / "torture.json").read_bytes())["rows"]
    assert [row["figures"]["seconds"] for row in rows] == [15.0, 45.0]


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(SystemExit, match="no part nonsense: "):
        torture.main(["--only", "nonsense"])


def test_a_seed_draws_the_same_plan_and_a_schedule_is_read_back() -> None:
    plan = draw_plan(3, 200, steps_back=True)
    assert plan == draw_plan(3, 200, steps_back=True)
    assert plan != draw_plan(4, 200, steps_back=True)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_a_plan_does_everything_and_ends_in_calm() -> None:
    plan = draw_plan(3, 1200, steps_back=True, disks=True)
    faults = [fault for life in plan.lives for fault in life.faults]
    assert plan.kills >= 1200
    assert {fault.kind for fault in faults} == set(KILLS)
    assert {life.faults[-1].kind for life in plan.lives[:-1]} == {"supervisor", "everything"}
    assert {life.damage for life in plan.lives} == set(get_args(Damage))
    offsets = [life.clock_offset_s for life in plan.lives]
    assert min(offsets) < 0 < max(offsets) == offsets[-1]
    assert plan.lives[-1].faults == []
    steady = draw_plan(3, 400, stops=False)
    forward = [life.clock_offset_s for life in steady.lives]
    assert forward == sorted(forward)
    kinds = {fault.kind for life in steady.lives for fault in life.faults}
    assert not [kind for kind in kinds if kind.startswith("stopped") or "disk" in kind]
    assert "read-only state" not in {life.damage for life in steady.lives}


def test_a_storm_without_disks_says_what_it_left_out_and_fails() -> None:
    (row,) = rows_of([Report([], {"worker": 9}, {}, {}, disks=False)], 1)
    assert not row.passed
    assert row.figures["findings"] == LEFT_OUT
