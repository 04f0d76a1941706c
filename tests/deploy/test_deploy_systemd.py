"""The systemd unit: well-formed, hardened, and in accord with how the service ends and reloads."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bandit.config import parse_config
from server import serve
from server.exit_codes import MISCONFIGURED
from tests.docs.markdown import ROOT

UNIT = ROOT / "deploy" / "systemd" / "marquee.service"


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # options keep their case
    parser.read(UNIT)
    return parser


def test_it_runs_as_a_user_of_its_own_and_writes_to_its_state_alone(
    unit: configparser.ConfigParser,
) -> None:
    service = unit["Service"]
    users = (UNIT.parent / "marquee.sysusers").read_text()
    assert f"\nu {service['User']} - " in users
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["NoNewPrivileges"] == service["PrivateTmp"] == service["ProtectHome"] == "yes"
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert "ReadWritePaths" not in service


def test_it_reloads_by_sighup_and_is_given_the_time_to_end(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    server = parse_config({}).server
    longest = (
        server.drain_s
        + (2 * server.graceful_timeout_s + serve._MASTER_EXTRA_S)
        + (server.graceful_timeout_s + serve.LEARNER_EXTRA_S)
    )
    assert int(service["TimeoutStopSec"]) >= longest


def test_it_is_not_started_again_while_its_configuration_is_wrong(
    unit: configparser.ConfigParser,
) -> None:
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Service"]["RestartPreventExitStatus"] == str(MISCONFIGURED)


def test_systemd_takes_it(tmp_path: Path, unit: configparser.ConfigParser) -> None:
    command = unit["Service"]["ExecStart"].split()
    assert command[1:] == ["serve", "--config", "/etc/marquee/marquee.toml"]
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        installed = tmp_path / UNIT.name
        installed.write_text(UNIT.read_text().replace(command[0], sys.executable))
        checked = subprocess.run(
            [analyze, "verify", installed], capture_output=True, text=True, timeout=60, check=False
        )
        assert checked.returncode == 0, checked.stderr
        assert checked.stderr == ""
