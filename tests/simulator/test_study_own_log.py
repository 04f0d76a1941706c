"""Our own service's log: the same answer from its spools and its export; search and compare."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bandit.config import load_config
from bandit.exploration import EpsilonGreedy
from server.cli import main as marquee
from simulator.cli import main
from tests.simulator.served_log import ServedLog, serve_log

EPSILON = "surfaces.artwork.exploration.epsilon"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedLog:
    return serve_log(tmp_path_factory.mktemp("served"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def evaluated(*arguments: object) -> dict[str, Any]:
    done = run("evaluate", *arguments, "--json", "-")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("surface", ["artwork", "rows"])
def test_spools_and_export_give_the_same_evaluation(served: ServedLog, surface: str) -> None:
    policies = ("--policy", served.config, "--policy", "uniform", "--policy", "popularity")
    asked = (*policies, "--surface", surface)
    spools = evaluated(served.spools, "--config", served.config, *asked)
    exported = evaluated(served.export, *asked)
    for one in (spools, exported):
        del one["about"]
        assert one["data"].pop("name")
    assert spools == exported
    estimates = {(one["policy"], one["estimator"]): one for one in spools["estimates"]}
    assert len(estimates) == 9
    assert all(one["value"] is not None for one in estimates.values())
    trained = next(note for note in spools["notes"] if "trained" in note)
    assert trained.startswith("marquee, popularity trained on ")
    assert trained.endswith("rounds, by viewer")
    assert spools["data"]["viewers"] == 21  # of 40, the others train


def test_production_learns_what_pleases(served: ServedLog) -> None:
    """Titles please by taste: whoever knows the viewer's earns nearly twice what chance does."""
    found = evaluated(
        served.export, "--policy", served.config, "--policy", "uniform", "--estimators", "snips"
    )
    values = {one["policy"]: one["value"] for one in found["estimates"]}
    assert values["marquee"] > 1.3 * values["uniform"]


def test_a_search_writes_a_configuration_that_is_ready_to_serve(
    served: ServedLog, tmp_path: Path
) -> None:
    out, result = tmp_path / "best.toml", tmp_path / "search.json"
    asked = ("search", served.export, "--config", served.config, "--out", out)
    done = run(*asked, "--set", f"{EPSILON}=0.02,0.9", "--jobs", 2, "--json", result)
    assert done.exit_code == 0, done.stderr
    text = out.read_text()
    assert "# How this site works." in text
    assert "# all of it at random" in text
    base, best = tomllib.loads(served.config.read_text()), tomllib.loads(text)
    assert best["surfaces"]["artwork"].pop("exploration") == {"epsilon": 0.02}
    assert best == base
    assert load_config(out, {}).surfaces.artwork.exploration == EpsilonGreedy(epsilon=0.02)
    checked = CliRunner().invoke(marquee, ["config", "check", "--config", str(out)])
    assert (checked.exit_code, checked.output) == (0, f"{out}: fine\n")
    found = json.loads(result.read_text())
    assert [one["settings"] for one in found["candidates"]] == [{EPSILON: 0.02}, {EPSILON: 0.9}]
    assert (found["chosen"]["policy"], found["baseline"]["policy"]) == ("chosen", "base")
    assert found["written"] == str(out)
    offices = [note.split(" on ")[0] for note in found["notes"]]
    assert [one for one in offices if one in ("trained", "chosen", "judged")] == [
        "trained", "chosen", "judged",
    ]  # fmt: skip
    assert f"written: {out}" in done.stdout


def test_a_search_that_so_few_viewers_judge_says_so_wherever_it_is_read(
    served: ServedLog, tmp_path: Path
) -> None:
    out, result = tmp_path / "best.toml", tmp_path / "search.json"
    asked = ("search", served.export, "--config", served.config, "--out", out)
    done = run(*asked, "--set", f"{EPSILON}=0.02,0.9", "--json", result)
    assert done.exit_code == 0, done.stderr
    found = json.loads(result.read_text())
    assert found["notes"][0].startswith("NOT TRUSTWORTHY: what chosen was judged by is not sound")
    assert "cannot be told" in found["notes"][-1]
    assert not any(one["sound"] for one in found["candidates"])
    assert out.read_text().startswith("# NOT TRUSTWORTHY: ")
    assert "note: NOT TRUSTWORTHY: " in done.stdout
    assert "(NOT TRUSTWORTHY: see the notes)" in done.stdout


def test_a_search_gives_the_same_for_any_number_of_jobs(served: ServedLog, tmp_path: Path) -> None:
    found = []
    for jobs in (1, 3):
        result = tmp_path / f"{jobs}.json"
        asked = ("search", served.export, "--config", served.config, "--random", "--trials", 3)
        out = ("--out", tmp_path / "best.toml", "--json", result, "--jobs", jobs)
        done = run(*asked, "--set", f"{EPSILON}=0.01..0.5", *out)
        assert done.exit_code == 0, done.stderr
        found.append(json.loads(result.read_text()))
        del found[-1]["about"]
    assert found[0] == found[1]


def test_a_wrong_candidate_is_refused_before_any_work(served: ServedLog, tmp_path: Path) -> None:
    asked = ("search", served.export, "--out", tmp_path / "best.toml")
    done = run(*asked, "--set", f"{EPSILON}=0.1,1.5")
    assert done.exit_code == 2
    assert f"error: {EPSILON}: " in done.stderr
    assert not (tmp_path / "best.toml").exists()


@pytest.mark.parametrize(
    ("key", "told"),
    [("reward.click=0.1,0.2", "makes no difference"), ("surfaces.x=1", "is no key")],
)
def test_what_a_policy_does_not_serve_by_is_not_searched(
    served: ServedLog, tmp_path: Path, key: str, told: str
) -> None:
    done = run("search", served.export, "--out", tmp_path / "best.toml", "--set", key)
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_base_that_is_no_toml_is_told_with_its_line(served: ServedLog, tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text("[surfaces\n")
    asked = ("search", served.export, "--config", base, "--out", tmp_path / "best.toml")
    done = run(*asked, "--set", f"{EPSILON}=0.1")
    assert done.exit_code == 2
    assert f"error: {base}:1: " in done.stderr


def test_a_comparison_is_paired(served: ServedLog, tmp_path: Path) -> None:
    done = run("compare", served.export, "uniform", served.config, "--json", tmp_path / "c.json")
    assert done.exit_code == 0, done.stderr
    assert "whether uniform or marquee earns more cannot be told: " in done.stdout
    assert "too few viewers: " in done.stdout
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["difference"] == pytest.approx(
        found["second"]["value"] - found["first"]["value"], rel=1e-12
    )
    assert found["p_value"] < 0.05
    assert [one["method"] for one in found["intervals"]] == ["normal", "bootstrap"]
    assert all(one["low"] > 0 for one in found["intervals"])
