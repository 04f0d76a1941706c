"""What is asked for wrongly is told before anything is read: LOGS need not even be there."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from simulator.cli import main

UNIFORM = ("--policy", "uniform")


@pytest.mark.parametrize("command", ["evaluate", "compare", "search"])
def test_intervals_are_known_by_name(command: str) -> None:
    done = CliRunner().invoke(main, [command, "nowhere", "--intervals", "normal,norml"])
    assert done.exit_code == 2
    assert "'norml' is none: give some of normal, bootstrap, bernstein" in " ".join(
        done.stderr.split()
    )


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("ips=-1", "clip of ips is -1.0"),
        ("dros=nan", "lambda of dros is nan"),
        ("sgdr=2", "lambda of sgdr is 2.0"),
    ],
)
def test_parameters_are_checked_first(word: str, told: str) -> None:
    done = CliRunner().invoke(main, ["evaluate", "nowhere", *UNIFORM, "--estimators", word])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[0] == f"error: {told}"
    assert done.stderr.splitlines()[1].startswith("hint: give a number")


def test_a_largest_weight_that_is_exceeded_is_refused_with_both_numbers() -> None:
    asked = ("--policy", "popularity", "--weight-max", "1.01")
    done = CliRunner().invoke(main, ["evaluate", "sample", *asked])
    assert done.exit_code == 2
    assert "was seen, and 1.01 is said to be the largest possible" in done.stderr
