"""The commands of ``marquee-sim``, as a shell runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from simulator.cli import main
from simulator.cli.reference import commands
from simulator.results import Evaluation, read_result
from tests.real_data import open_bandit_directory
from tests.simulator.choice_world import draw, write

SMALL = [
    word
    for pair in ("titles=60", "artworks=3", "rows=3", "titles_a_row=4", "viewers=50")
    for word in ("--set", pair)
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("cli") / "log.npz", draw(2000))


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = run(*command.split()[1:], "--help")
    assert result.exit_code == 0
    assert command == "marquee-sim" or f"Example:\n    {command}" in result.output


def test_evaluate_prints_a_table_and_keeps_the_result(log: Path, tmp_path: Path) -> None:
    kept, table = tmp_path / "e.json", tmp_path / "e.parquet"
    asked = ("evaluate", log, "--policy", "uniform", "--policy", "popularity", "--seed", 5)
    done = run(*asked, "--json", kept, "--parquet", table)
    assert done.exit_code == 0, done.stderr
    assert "log: 980 choices of 251 viewers" in done.stdout
    assert "note: popularity trained on 1,020 of 2,000 rounds, by viewer" in done.stdout
    assert "effective viewers of 251" in done.stdout
    assert "by segment" in done.stdout
    result = read_result(kept)
    assert isinstance(result, Evaluation)
    assert result.about.seed == 5
    assert result.about.command.startswith(f"marquee-sim evaluate {log} --policy uniform ")
    assert result.about.versions["numpy"]
    rows = pyarrow.parquet.read_table(table).to_pylist()
    assert len(rows) == 2 * 3 * 2
    values = {(one.policy, one.estimator): one.value for one in result.estimates}
    assert {(row["policy"], row["estimator"]): row["value"] for row in rows} == values
    assert {row["interval"] for row in rows} == {"normal", "bootstrap"}


def test_json_may_go_to_standard_output_alone(log: Path) -> None:
    done = run("evaluate", log, "--policy", "uniform", "--estimators", "ips", "--json", "-")
    found = json.loads(done.stdout)
    assert found["kind"] == "evaluation"
    assert len(found["estimates"]) == 1


def test_any_number_of_jobs_gives_the_same_json(log: Path) -> None:
    """One policy leaves processes over, which then share its resampling."""
    found = []
    for jobs in (1, 3):
        done = run("evaluate", log, "--policy", "uniform", "--jobs", jobs, "--json", "-")
        found.append(json.loads(done.stdout))
        del found[-1]["about"]
    assert found[0] == found[1]


def test_many_intervals_stand_below_each_other(log: Path) -> None:
    intervals = "normal,bootstrap,hoeffding"
    asked = ("--estimators", "ips", "--weight-max", 10, "--intervals", intervals, "--no-cluster")
    done = run("evaluate", log, "--policy", "uniform", *asked)
    lines = [line.split() for line in done.stdout.splitlines()]
    headings = [
        "policy",
        "estimator",
        "value",
        "interval",
        "low",
        "high",
        "effective",
        "rounds",
        "sound",
    ]
    place = lines.index(headings)
    assert lines[place + 1][:2] == ["uniform", "ips"]
    assert lines[place + 1][3] == "normal"
    assert [line[0] for line in lines[place + 2 : place + 4]] == ["bootstrap", "hoeffding"]


def test_evaluate_tells_by_its_exit_code_when_nothing_could_be_estimated(tmp_path: Path) -> None:
    columns = draw(400)
    part = type(columns)(*(column[columns.action > 0] for column in columns))
    log = write(tmp_path / "log.npz", part)
    done = run("evaluate", log, "--policy", "editorial", "--estimators", "snips")
    assert done.exit_code == 1
    assert "editorial: none of the" in done.stdout


def test_streaming_is_asked_for(log: Path) -> None:
    done = run("evaluate", log, "--policy", "uniform", "--stream", "--intervals", "normal")
    assert done.exit_code == 0, done.stderr
    assert "streamed: " in done.stdout
    refused = run("evaluate", log, "--policy", "uniform", "--stream", "--estimators", "dr")
    assert refused.exit_code == 2
    assert "error: dr needs all rounds at once" in refused.stderr
    assert (
        run("evaluate", log, "--policy", "uniform", "--stream", "--surface", "rows").exit_code == 2
    )


def test_compare_says_it_in_words(log: Path, tmp_path: Path) -> None:
    table = tmp_path / "c.parquet"
    done = run("compare", log, "uniform", "editorial", "--estimator", "ips", "--parquet", table)
    assert done.exit_code == 0, done.stderr
    assert "difference: " in done.stdout
    assert "uniform" in done.stdout.splitlines()[-1]
    (first, _) = pyarrow.parquet.read_table(table).to_pylist()
    assert first["difference"] == pytest.approx(first["second_value"] - first["first_value"])


def test_simulate_prints_keeps_and_reports(tmp_path: Path) -> None:
    kept, table, page = tmp_path / "s.json", tmp_path / "s.parquet", tmp_path / "s.html"
    asked = ("simulate", "homepage", "--policy", "uniform", "--policy", "editorial", *SMALL)
    done = run(*asked, "--pages", 90, "--batch", 30, "--seeds", 2, "--json", kept)
    assert done.exit_code == 0, done.stderr
    assert "90 pages in batches of 30, 2 seeds from 0" in done.stdout
    assert "more than uniform" in done.stdout
    again = run(
        *asked, "--pages", 90, "--batch", 30, "--seeds", 2, "--jobs", 2, "--parquet", table,
        "--json", tmp_path / "again.json",
    )  # fmt: skip
    assert again.exit_code == 0, again.stderr
    assert untimed(kept) == untimed(tmp_path / "again.json")
    assert len(pyarrow.parquet.read_table(table)) == 2 * 3
    told = run("report", kept, "--out", page)
    assert (told.exit_code, told.stdout) == (0, f"{page}\n")
    assert "<svg" in page.read_text()


def untimed(path: Path) -> Any:
    found = json.loads(path.read_bytes())
    del found["about"]
    for policy in found["policies"]:
        del policy["pages_per_second"]
    return found


def test_report_stands_beside_its_result(log: Path, tmp_path: Path) -> None:
    kept = tmp_path / "e.json"
    assert run("evaluate", log, "--policy", "uniform", "--json", kept).exit_code == 0
    done = run("report", kept)
    assert done.stdout == f"{tmp_path / 'e.html'}\n"
    assert (tmp_path / "e.html").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "nowhere", "--policy", "uniform"], "there is nothing at nowhere"),
        (["evaluate", "LOG", "--policy", "nobody"], "there is no target 'nobody'"),
        (["evaluate", "LOG", "--policy", "uniform", "--estimators", "x"], "no estimator 'x'"),
        (["evaluate", "LOG", "--policy", "linucb:wrong=1"], "linucb has no setting 'wrong'"),
        (["evaluate", "LOG", "--policy", "popularity", "--train", "0.9999"], "is none"),
        (["evaluate", "LOG", "--policy", "uniform", "--json", "no/where.json"], "no directory no"),
        (["evaluate", "LOG", "--policy", "uniform", "--surface", "rows"], "rankings"),
        (["simulate", "nowhere", "--policy", "uniform"], "there is no environment"),
        (["simulate", "homepage", "--policy", "uniform", "--set", "x=1"], "no setting 'x'"),
        (["report", "none.json"], "cannot be read"),
        (["datasets", "path", "nothing"], "there is no data set 'nothing'"),
        (["environments", "nothing"], "there is no environment 'nothing'"),
    ],
)
def test_errors_are_two_lines_and_exit_code_2(arguments: list[str], told: str, log: Path) -> None:
    done = run(*(str(log) if word == "LOG" else word for word in arguments))
    assert done.exit_code == 2
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert told in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize("option", ["--set", "--estimators"])
def test_what_is_no_list_and_no_pair_is_refused(option: str, log: Path) -> None:
    command = ["simulate", "homepage"] if option == "--set" else ["evaluate", str(log)]
    assert run(*command, "--policy", "uniform", option, " ,").exit_code == 2


def test_what_there_is_is_listed() -> None:
    assert "obd/random/men" in run("datasets", "list").stdout
    described = run("datasets", "describe", "obd/random/men").stdout
    assert "licence: " in described
    assert "citation: Saito" in described
    assert "homepage" in run("environments").stdout
    assert "feedback_delay_s" in run("environments", "homepage").stdout
    assert "linucb" in run("policies").stdout
    listed = run("estimators").stdout
    assert "switch-dr" in listed
    assert "cascade-dr" in listed


def test_the_open_bandit_dataset_is_evaluated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Random to Thompson sampling: the interval holds what the latter earned on its own log."""
    monkeypatch.setenv("MARQUEE_DATA", str(open_bandit_directory().parent))
    assert run("datasets", "path", "obd/random/men").stdout.endswith("men\n")
    kept = tmp_path / "obd.json"
    asked = ("evaluate", "obd/random/men", "--policy", "log:obd/bts/men", "--policy", "uniform")
    done = run(*asked, "--estimators", "ips,snips,dr", "--json", kept)
    assert done.exit_code == 0, done.stderr
    result = msgspec.json.decode(kept.read_bytes(), type=Evaluation)
    assert result.data.rounds == 10_000
    assert result.data.logged_mean == pytest.approx(0.0046)
    for one in result.estimates:
        truth = 0.0069 if one.policy == "log:bts/men" else 0.0046
        assert all(each.low < truth < each.high for each in one.intervals), one.estimator
        # 46 clicks with weights up to 7.5 are like ten with equal ones: intervals are too narrow.
        assert one.diagnostics.sound == (one.policy == "uniform")


def test_a_stream_has_the_intervals_it_can_have_without_complaint(log: Path) -> None:
    done = run("evaluate", log, "--policy", "uniform", "--stream")
    assert done.exit_code == 0, done.stderr
    assert "no bootstrap interval" not in done.stdout


def test_orders_of_the_sample_are_judged_by_every_estimator() -> None:
    names = "sips,iips,sniips,rips,snrips,pbm-iips,cascade-dr"
    asked = ("--surface", "rows", "--estimators", names, "--intervals", "normal")
    done = run("evaluate", "sample", *asked, "--policy", "uniform", "--policy", "editorial")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("sample: 3,000 rankings of ")
    assert lines[1].startswith("values are mean rewards a round: one page")
    found = [line.split() for line in lines if line.startswith(("uniform  ", "editorial  "))]
    assert [line[1] for line in found] == names.split(",") * 2
    assert all(line[2] != "–" for line in found)
    sound = {(line[0], line[1]): line[-1] for line in found}
    assert (sound["editorial", "sips"], sound["editorial", "pbm-iips"]) == ("no", "yes")
    # What is said of an estimator of all policies is said once.
    assert done.stdout.count("a position is taken to be looked at whatever stands there") == 1
    (heading,) = [line.split() for line in lines if line.startswith("position ")]
    assert heading == ["position", "rounds", "logged", "uniform", "editorial"]
    assert "* rests on fewer than 100 effective rounds" in lines


def test_a_log_is_simulated_without_regret(log: Path, tmp_path: Path) -> None:
    kept, table = tmp_path / "s.json", tmp_path / "s.parquet"
    asked = ("--set", f"log={log}", "--pages", 2000, "--seeds", 2, "--json", kept)
    done = run("simulate", "logged", "--policy", "uniform", *asked, "--parquet", table)
    assert done.exit_code == 0, done.stderr
    assert f"logged (log = {log}): 2,000 rounds offered in batches of 500" in done.stdout
    assert "reward an accepted round" in done.stdout
    assert "accepted a run" in done.stdout
    assert "note: regret is not known here" in done.stdout
    told = run("report", kept, "--out", tmp_path / "s.html")
    assert told.exit_code == 0, told.stderr


@pytest.mark.parametrize(
    "typed",
    [
        ("evaluate", "sample"),
        ("simulate", "homepage", "--policy", "uniform", "--seeds", 0),
        ("compare", "sample", "uniform"),
        ("evalute",),
        ("--nope",),
    ],
)
def test_what_is_typed_wrongly_is_told_with_a_hint(typed: tuple[object, ...]) -> None:
    done = CliRunner().invoke(main, [str(word) for word in typed])
    error, hint = done.stderr.splitlines()
    assert done.exit_code == 2
    assert error.startswith("error: ")
    assert hint.startswith("hint: `")
    assert hint.endswith("--help` tells what may be given")


def test_one_seed_has_no_interval_and_the_oracle_is_told_of() -> None:
    asked = ["simulate", "homepage", "--policy", "uniform", "--policy", "oracle", "--pages", "60"]
    alone = CliRunner().invoke(main, [*asked, "--seeds", "1"]).stdout
    assert "[" not in alone
    assert "note: one seed does not tell how far runs differ: there are no intervals" in alone
    assert "more a page than uniform; of this lead, others reach: oracle 100%" in alone
    assert "[" in CliRunner().invoke(main, [*asked, "--seeds", "2"]).stdout


def test_a_policy_differs_from_itself_by_nothing_at_all() -> None:
    done = run("compare", "sample", "editorial", "editorial", "--surface", "rows")
    assert "difference: 0, p = 1" in done.stdout
