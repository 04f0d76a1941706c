"""The compose file of a cluster, and the proxy before its scorers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bandit.config import Config, parse_config
from server import serve
from tests.docs.markdown import ROOT

DEPLOY = ROOT / "deploy"
MACHINES = ("learner", "scorer-a", "scorer-b")


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.cluster.yaml").read_text())


def config_of(machine: str) -> Config:
    text = (DEPLOY / "marquee.toml").read_text()
    return parse_config(tomllib.loads(text), compose()["services"][machine]["environment"])


def test_two_score_and_one_learns_around_one_redis() -> None:
    configs = {machine: config_of(machine) for machine in MACHINES}
    assert [config.cluster.learns for config in configs.values()] == [True, False, False]
    assert {config.cluster.host for config in configs.values()} == set(MACHINES)
    (url,) = {config.cluster.redis_url for config in configs.values()}
    assert url == "redis://redis:6379/0"
    redis = compose()["services"]["redis"]["command"]
    assert redis[redis.index("--maxmemory-policy") + 1] == "noeviction"
    assert redis[redis.index("--appendonly") + 1] == "yes"


def test_all_machines_have_the_same_keys_and_a_state_of_their_own() -> None:
    services = compose()["services"]
    keys = {
        tuple(sorted(key for key in services[machine]["environment"].items() if "FILE" in key[0]))
        for machine in MACHINES
    }
    ((*files,),) = keys
    assert {path for _, path in files} == {
        f"/run/secrets/{name}" for name in services["learner"]["secrets"]
    }
    states = [services[machine]["volumes"][0] for machine in MACHINES]
    assert len(set(states)) == len(MACHINES)
    assert all(state.endswith(":/var/lib/marquee") for state in states)


def test_nobody_has_privileges_and_ports_are_open_here_alone() -> None:
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name


def test_what_is_named_exists_and_there_is_time_to_end() -> None:
    described = compose()
    for service in described["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in described["volumes"], source
        assert set(service.get("secrets", ())) <= described["secrets"].keys()
        assert set(service.get("depends_on", ())) <= described["services"].keys()
    server = config_of("scorer-a").server
    longest = (
        server.drain_s
        + (2 * server.graceful_timeout_s + serve._MASTER_EXTRA_S)
        + (server.graceful_timeout_s + serve.LEARNER_EXTRA_S)
    )
    for machine in MACHINES:
        grace = described["services"][machine]["stop_grace_period"]
        assert int(grace.removesuffix("s")) >= longest


def test_the_proxy_takes_nginx_s_own_check_and_asks_the_scorers(tmp_path: Path) -> None:
    text = (DEPLOY / "nginx.cluster.conf").read_text()
    port = config_of("scorer-a").server.port
    assert re.findall(r"server (\S+) max_fails", text) == [
        f"{machine}:{port}" for machine in MACHINES[1:]
    ]
    published = compose()["services"]["nginx"]["ports"][0].rpartition(":")[2]
    assert f"listen {published};" in text
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    # Names of compose's network are known there alone.
    copy = tmp_path / "nginx.conf"
    copy.write_text(re.sub(r"server scorer-\w:", "server 127.0.0.1:", text))
    found = subprocess.run(
        [nginx, "-t", "-p", tmp_path, "-c", copy], capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 0, found.stderr
