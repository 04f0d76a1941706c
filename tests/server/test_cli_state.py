"""``marquee state``, as a shell runs it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bandit.clock import OFFSET_VARIABLE
from server.cli import main
from server.local import state_overrides
from server.run_directory import RunDirectory
from tests.server.real_service import CATALOG, EVERYBODY_LEARNED, SETTINGS, event, site_at


@pytest.fixture
def backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup of a small state; the environment points to a place where none is."""
    with site_at(tmp_path / "old", EVERYBODY_LEARNED) as site:
        node = site.node()
        assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
        node.report(event("e0", node.rank(), "impression", "t0", row="r0"))
        site.close_windows()
        site.learn()
    point_to(tmp_path / "old", monkeypatch)
    result = run("state", "backup", str(tmp_path / "backup"))
    assert result.exit_code == 0, result.output
    assert ["spool-000", "2", "2"] in [line.split() for line in result.output.splitlines()]
    assert result.output.endswith("backup: backed up\n")
    point_to(tmp_path / "new", monkeypatch)
    return tmp_path / "backup"


def point_to(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**state_overrides(root), **SETTINGS, **EVERYBODY_LEARNED}.items():
        monkeypatch.setenv(name, value)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_a_backup_is_verified_and_restored(backup: Path, tmp_path: Path) -> None:
    verified = run("state", "verify", str(backup))
    assert (verified.exit_code, verified.stderr) == (0, "")
    assert verified.stdout.endswith("backup: whole\n")
    restored = run("state", "restore", str(backup))
    assert (restored.exit_code, restored.stderr) == (0, "")
    assert run("log", "check").output.startswith("2 records read, 0 damaged")
    listed = run("snapshots", "list")
    assert listed.output.count("yes") == 2
    with site_at(tmp_path / "new", EVERYBODY_LEARNED) as site:
        assert site.node().rank()["snapshots"].keys() == {"artwork", "rows"}


def test_a_backup_older_than_the_retention_is_restored_and_told_of(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OFFSET_VARIABLE, str(40 * 86_400))
    restored = run("state", "restore", str(backup))
    assert restored.exit_code == 0
    assert restored.stderr.startswith("the backup is 40.0 days old, and log.retention_s keeps 30.0")
    assert "raise log.retention_s before you start the service" in restored.stderr


def test_a_second_restore_is_refused_with_a_hint(backup: Path) -> None:
    assert run("state", "restore", str(backup)).exit_code == 0
    again = run("state", "restore", str(backup))
    assert again.exit_code == 2
    error, hint = again.stderr.splitlines()
    assert error.startswith("error: there is a state already")
    assert hint.startswith("hint: stop the service")


def test_nothing_is_restored_beside_a_running_service(backup: Path, tmp_path: Path) -> None:
    with closing(RunDirectory(tmp_path / "new" / "run")):
        result = run("state", "restore", str(backup))
    assert result.exit_code == 2
    assert "another `marquee serve` is at work" in result.stderr
    assert not (tmp_path / "new" / "log").exists()


def test_without_secrets_the_loss_is_told(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_to(tmp_path / "old", monkeypatch)
    bare = tmp_path / "bare"
    assert run("state", "backup", str(bare), "--without-secrets").exit_code == 0
    assert not (bare / "secrets").exists()
    point_to(tmp_path / "new", monkeypatch)
    result = run("state", "restore", str(bare))
    assert result.exit_code == 0
    assert "publishes its models anew" in result.stderr


def test_a_damaged_backup_is_told_of(backup: Path) -> None:
    (backup / "catalog" / "current").write_text("c0000000000000000")
    result = run("state", "verify", str(backup))
    assert result.exit_code == 2
    assert "is not what was copied" in result.stderr
