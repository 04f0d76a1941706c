"""The commands, as a shell runs them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from bandit.catalog import CatalogStore
from bandit.clock import ManualClock
from bandit.config import load_config, parse_config
from bandit.engine import ModelArrays
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import FeedbackRecord
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, SnapshotDetails
from bandit.snapshots.manifest import is_version
from server.cli import main
from server.cli.reference import cli_reference, commands
from server.local import state_overrides


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in state_overrides(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = run(*command.split()[1:], "--help")
    assert result.exit_code == 0
    assert command == "marquee" or f"Example:\n    {command}" in result.output


def test_errors_are_two_lines_and_exit_code_2(tmp_path: Path) -> None:
    result = run("config", "check", "--config", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")


def test_config_check_tells_what_is_fine(state: Path) -> None:
    file = state / "marquee.toml"
    file.write_text("[server]\nport = 9000\n")
    result = run("config", "check", "--config", str(file))
    assert (result.exit_code, result.output) == (0, f"{file}: fine\n")


@pytest.mark.parametrize(
    ("section", "name", "content", "told"),
    [
        ("auth", "client_keys_file", "# none yet\n", "holds a key"),
        ("auth", "token_keys_file", "short\n", "shorter than 16"),
        ("snapshots", "signing_keys_file", "", "needs a key"),
    ],
)
def test_config_check_reads_key_files_as_the_service_will(
    state: Path, section: str, name: str, content: str, told: str
) -> None:
    keys, file = state / "keys", state / "marquee.toml"
    keys.write_text(content)
    file.write_text(f'[{section}]\n{name} = "{keys}"\n')
    result = run("config", "check", "--config", str(file))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {section}.{name}: ")
    assert told in result.stderr


def test_config_show_names_sources_and_masks_keys(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = state / "marquee.toml"
    file.write_text("[server]\nport = 9000\n")
    monkeypatch.setenv("MARQUEE__AUTH__CLIENT_KEYS", '["hunter2"]')
    output = run("config", "show", "--config", str(file)).output
    lines = output.splitlines()
    assert f"server.port = 9000  # {file}" in lines
    assert "server.workers = 3  # default" in lines
    assert 'auth.client_keys = ["***"]  # MARQUEE__AUTH__CLIENT_KEYS' in lines
    assert 'surfaces.artwork.exploration.type = "epsilon_greedy"  # default' in lines
    assert "hunter2" not in output


def test_config_reference_prints_the_reference() -> None:
    assert run("config", "reference").output.startswith("# Configuration\n")


CATALOG = (
    '{"kind": "title", "id": "t1", "artworks": [{"id": "a1"}, {"id": "a2"}]}\n'
    '{"kind": "row", "id": "r1", "titles": ["t1"]}\n'
)


def test_catalog_check_and_load(state: Path) -> None:
    file = state / "films.jsonl"
    file.write_text(CATALOG)
    assert f"{file}: fine" in run("catalog", "check", str(file)).output
    store = CatalogStore(state / "catalog", parse_config({}).limits)
    assert store.current() is None
    result = run("catalog", "load", str(file))
    assert result.exit_code == 0
    version = store.current()
    assert version is not None
    assert version in result.output


def test_a_wrong_catalog_is_refused_with_its_line(state: Path) -> None:
    file = state / "films.jsonl"
    file.write_text(CATALOG.replace('"t1"]', '"t9"]'))
    result = run("catalog", "load", str(file))
    assert result.exit_code == 2
    assert "films.jsonl:2" in result.stderr
    assert CatalogStore(state / "catalog", parse_config({}).limits).current() is None


def test_log_commands_read_what_was_written(state: Path) -> None:
    config = parse_config({"log": {"directory": str(state / "log")}})
    writer = SqliteEventWriter.open(state / "log", ManualClock(1), config.log, NoMetrics())
    try:
        records = [
            FeedbackRecord(event_id=f"e{number}", decision_id="d", type="click", title="t")
            for number in range(3)
        ]
        writer.append(records).wait(10.0)
        lines = run("log", "tail", "--count", "2").output.splitlines()
        assert [json.loads(line)["record"]["event_id"] for line in lines] == ["e1", "e2"]
        assert run("log", "check").output == "3 records read, 0 damaged\n"
        assert run("log", "stat").output.splitlines()[1].split()[1:5] == ["0", "3", "0", "0"]
    finally:
        writer.close()


def test_looking_at_snapshots_before_there_are_any_makes_nothing(state: Path) -> None:
    version = "000000001-1a2b3c4d"
    for arguments in (
        ["list"],
        ["activate", version],
        ["export", version, "--out", str(state / "model.vw")],
    ):
        result = run("snapshots", *arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: nothing was published yet")
        assert "hint: start `marquee serve`" in result.stderr
    assert list(state.iterdir()) == []


def test_an_unknown_snapshot_is_told(state: Path) -> None:
    snapshot_keys(load_config(None, os.environ))
    assert run("snapshots", "list").exit_code == 0
    result = run("snapshots", "export", "00000001", "--out", str(state / "model.vw"))
    assert result.exit_code == 2
    assert "error: '00000001' is no snapshot version" in result.stderr


def test_examples_of_versions_look_like_versions() -> None:
    written = re.findall(r" (\d{6,}\S*) ", cli_reference())
    assert len(written) == 2
    assert all(map(is_version, written))


def test_snapshots_are_listed_served_and_exported(state: Path) -> None:
    config = load_config(None, os.environ)
    store = FileSnapshotStore(state / "snapshots", snapshot_keys(config))
    arrays = ModelArrays(np.zeros(1024, np.float32), np.ones(1024, np.float32))
    old, new = (
        store.publish("rows", arrays, model, details(examples))
        for model, examples in ((b"old model", 1000), (b"new model", 2000))
    )
    listed = [line.split() for line in run("snapshots", "list").output.splitlines()[1:]]
    assert [(line[0], line[1], line[4], line[-1]) for line in listed] == [
        ("rows", new.version, "2,000", "yes"),
        ("rows", old.version, "1,000", listed[1][-1]),
    ]
    result = run("snapshots", "activate", old.version, "--surface", "rows")
    assert result.output == f"rows: serving {old.version}; stays there\n"
    pointer = store.pointer("rows")
    assert pointer is not None
    assert (pointer.version, pointer.pinned) == (old.version, True)
    out = state / "model.vw"
    run("snapshots", "export", old.version, "--surface", "rows", "--out", str(out))
    assert out.read_bytes() == b"old model"


def details(examples: int) -> SnapshotDetails:
    return SnapshotDetails(
        created_at_us=1_000_000,
        bits=10,
        interactions=[],
        constant=False,
        engine_version="0",
        examples_learned=examples,
        log_clock_us=1,
    )


def test_status_without_a_learner_or_server(state: Path) -> None:
    result = run("status")
    assert result.exit_code == 2
    assert "marquee serve" in result.stderr
    result = run("status", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 2
    assert "http://127.0.0.1:9/v1/status" in result.stderr


def test_openapi_prints_the_document() -> None:
    assert json.loads(run("openapi").output)["openapi"].startswith("3.1")


def test_all_commands_are_walked() -> None:
    assert isinstance(main, click.Group)
    assert {name.split()[1] for name in commands() if " " in name} == set(main.commands)
