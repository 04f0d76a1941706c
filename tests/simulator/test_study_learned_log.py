"""A log whose rows a learned model put in order: judged by the snapshots that its pages name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simulator.cli import main
from tests.simulator.served_log import ServedLog, serve_log

ASKED = ("--surface", "rows", "--estimators", "iips,sniips,pbm-iips,rips", "--policy", "uniform")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedLog:
    return serve_log(tmp_path_factory.mktemp("learned"), 80, explore=0.3)


def evaluated(*arguments: object) -> tuple[dict[str, Any], dict[str, Any]]:
    given = ["evaluate", *map(str, arguments), *ASKED, "--json", "-"]
    done = CliRunner().invoke(main, given, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    return found, {one["estimator"]: one for one in found["estimates"]}


def test_without_the_snapshots_it_is_said_which_rounds_are_not_known(served: ServedLog) -> None:
    found, by_name = evaluated(served.export)
    rounds = found["data"]["rounds"]
    for name in ("iips", "sniips", "pbm-iips"):
        assert by_name[name]["value"] is None
        verdict = by_name[name]["diagnostics"]["verdict"]
        assert f" of {rounds} orders were drawn by a learned model: name" in verdict
    assert by_name["rips"]["value"] is not None


def test_snapshots_are_named_or_found_by_the_configuration(
    served: ServedLog, tmp_path: Path
) -> None:
    _, found = evaluated(served.export, "--config", served.config)
    _, spools = evaluated(served.config)
    elsewhere = tmp_path / "snapshots"
    served.config.parent.joinpath("snapshots").rename(elsewhere)
    try:
        _, named = evaluated(served.export, "--config", served.config, "--snapshots", elsewhere)
        _, lost = evaluated(served.export, "--config", served.config)
    finally:
        elsewhere.rename(served.config.parent / "snapshots")
    for name, one in found.items():
        assert one["value"] is not None, one["diagnostics"]["verdict"]
        assert one["value"] == named[name]["value"] == spools[name]["value"]
        assert (lost[name]["value"] is None) == (name != "rips")
    # Marginal weights are gentler than those of whole tops of the page.
    spreads = {name: one["diagnostics"]["weight_max"] for name, one in found.items()}
    assert spreads["pbm-iips"] < spreads["iips"] < spreads["rips"]
    assert found["iips"]["diagnostics"]["weight_mean"] == pytest.approx(1.0, abs=0.2)
