"""The image and the compose file: no privileges, no secrets, and what they run exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from bandit.config import parse_config
from server.local import LocalServer
from tests.deploy.composed import DEPLOY, check_names, check_privileges, compose, longest_end_s
from tests.docs.markdown import ROOT

DOCKERFILE = DEPLOY / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile and what each is given."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def stages() -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage."""
    found: list[list[tuple[str, str]]] = []
    for name, given in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, given))
    return found


def last(name: str) -> str:
    """Return what the image's stage gives an instruction last."""
    return [given for each, given in stages()[-1] if each == name][-1]


def local_sources() -> list[str]:
    """Return what is copied out of this repository."""
    return [
        source
        for name, given in instructions()
        if name == "COPY" and not given.startswith("--from=")
        for source in given.split()[:-1]
    ]


def test_the_image_is_of_a_user_without_privileges() -> None:
    assert last("USER") == "10001:10001"
    names = [name for name, _ in stages()[-1]]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "RUN")


def test_the_image_is_built_without_downloads_of_its_own_and_from_pinned_bases() -> None:
    names = {name for name, _ in instructions()}
    assert "ADD" not in names
    bases = [given.split()[0] for name, given in instructions() if name == "FROM"]
    assert all(re.fullmatch(r"(python|node):\d[\w.]*-slim", each) for each in bases), bases
    assert not re.search(r"https?://(?!127\.0\.0\.1)", DOCKERFILE.read_text())


def test_the_image_holds_no_secret_and_no_key_comes_by_its_environment() -> None:
    environment = " ".join(given for name, given in instructions() if name in ("ENV", "ARG"))
    assert not re.search(r"KEY|SECRET|PASSWORD|TOKEN", environment)


def test_everything_that_is_copied_exists_and_is_let_through() -> None:
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    sources = local_sources()
    assert len(sources) > 6
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_the_charts_library_is_put_where_make_puts_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    installed = set(re.findall(r"(?:\$\(VENDOR\)/|^\$\(VENDOR\)/)([\w.]+)", makefile))
    copied = " ".join(given for name, given in instructions() if name == "COPY")
    assert installed
    assert all(name in copied for name in installed), installed


def test_every_package_of_the_distribution_is_copied() -> None:
    listed = re.search(r"^include =\n((?: +.*\n)+)", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert listed is not None
    assert {line.strip().rstrip("*") for line in listed[1].splitlines()} <= set(local_sources())


@pytest.mark.processes
def test_the_health_check_tells_a_ready_service_from_one_that_is_not(tmp_path: Path) -> None:
    (command,) = re.findall(r"CMD (\[.*\])", last("HEALTHCHECK"))
    python, *arguments = json.loads(command)

    def check(port: str) -> int:
        environment = {**os.environ, "MARQUEE__SERVER__PORT": port}
        return subprocess.run(
            [python, *arguments],
            env=environment,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        ).returncode

    with LocalServer(tmp_path, settings={"MARQUEE__SERVER__WORKERS": "1"}) as server:
        port = server.url.rpartition(":")[2]
        assert check(port) == 0
    assert check(port) != 0


def test_the_composed_service_has_no_privileges_and_a_root_that_is_read_only() -> None:
    check_privileges(compose("compose.yaml"))


def test_the_compose_file_names_what_exists() -> None:
    described = compose("compose.yaml")
    check_names(described)
    built = described["services"]["marquee"]["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).resolve() == DOCKERFILE


def test_the_composed_services_files_of_keys_are_secrets() -> None:
    service = compose("compose.yaml")["services"]["marquee"]
    files = [text for name, text in service["environment"].items() if name.endswith("_FILE")]
    assert sorted(files) == [f"/run/secrets/{name}" for name in sorted(service["secrets"])]


def test_the_composed_service_is_configured_and_given_the_time_to_end() -> None:
    service = compose("compose.yaml")["services"]["marquee"]
    text = (DEPLOY / "marquee.toml").read_text()
    server = parse_config(tomllib.loads(text), service["environment"]).server
    ports = [port.rpartition(":")[2] for port in service["ports"]]
    assert ports == [str(server.port), str(server.admin_port)]
    assert int(service["stop_grace_period"].removesuffix("s")) >= longest_end_s(server)
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    (job,) = scraped["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"marquee:{server.admin_port}"]}]


def test_grafana_is_given_its_source_and_its_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "marquee.yaml").read_text())[
        "providers"
    ]
    volumes = compose("compose.yaml")["services"]["grafana"]["volumes"]
    mounted = [volume for volume in volumes if volume.startswith("./grafana/marquee.json:")]
    assert mounted[0].split(":")[1].startswith(provider["options"]["path"])
