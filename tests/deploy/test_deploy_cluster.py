"""The compose file of a cluster, and the proxy before its scorers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from bandit.config import Config, parse_config
from tests.deploy.composed import DEPLOY, check_names, check_privileges, compose, longest_end_s

MACHINES = ("learner", "scorer-a", "scorer-b")


def config_of(machine: str) -> Config:
    text = (DEPLOY / "marquee.toml").read_text()
    return parse_config(
        tomllib.loads(text), compose("compose.cluster.yaml")["services"][machine]["environment"]
    )


def test_two_score_and_one_learns_around_one_redis() -> None:
    configs = {machine: config_of(machine) for machine in MACHINES}
    assert [config.cluster.learns for config in configs.values()] == [True, False, False]
    assert {config.cluster.host for config in configs.values()} == set(MACHINES)
    (url,) = {config.cluster.redis_url for config in configs.values()}
    assert url == "redis://redis:6379/0"
    redis = compose("compose.cluster.yaml")["services"]["redis"]["command"]
    assert redis[redis.index("--maxmemory-policy") + 1] == "noeviction"
    assert redis[redis.index("--appendonly") + 1] == "yes"


def test_all_machines_have_the_same_keys_and_a_state_of_their_own() -> None:
    services = compose("compose.cluster.yaml")["services"]
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
    check_privileges(compose("compose.cluster.yaml"))


def test_what_is_named_exists_and_there_is_time_to_end() -> None:
    described = compose("compose.cluster.yaml")
    check_names(described)
    longest_s = longest_end_s(config_of("scorer-a").server)
    for machine in MACHINES:
        grace = described["services"][machine]["stop_grace_period"]
        assert int(grace.removesuffix("s")) >= longest_s


def test_the_proxy_takes_nginx_s_own_check_and_asks_the_scorers(tmp_path: Path) -> None:
    text = (DEPLOY / "nginx.cluster.conf").read_text()
    port = config_of("scorer-a").server.port
    assert re.findall(r"server (\S+) max_fails", text) == [
        f"{machine}:{port}" for machine in MACHINES[1:]
    ]
    published = compose("compose.cluster.yaml")["services"]["nginx"]["ports"][0].rpartition(":")[2]
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
