"""The Kubernetes manifests: valid by the cluster's schemas, and as the configuration has it."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import kubernetes_validate
import msgspec
import pytest

from bandit.config import Config, parse_config
from server.route_table import ROUTES
from tests.deploy.composed import longest_end_s
from tests.deploy.manifests import (
    KUBERNETES,
    OVERLAYS,
    Manifest,
    base,
    documents,
    kustomization,
    named,
    of_kind,
    overlaid,
)

VERSIONS = ("1.30", "1.37")
HOME = PurePosixPath("/var/lib/marquee")
"""The image's working directory."""

overlays = pytest.mark.parametrize("overlay", OVERLAYS)


def config() -> Config:
    text = (KUBERNETES / "base" / "marquee.toml").read_text()
    return parse_config(tomllib.loads(text))


def pod(manifests: list[Manifest]) -> Any:
    return named(manifests, "StatefulSet", "marquee")["spec"]["template"]["spec"]


def container(manifests: list[Manifest]) -> Any:
    (found,) = pod(manifests)["containers"]
    return found


def directories(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every configured directory, with its key."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from directories(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, str) and path.endswith("directory"):
        yield path, value


@overlays
@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_valid(overlay: str, version: str) -> None:
    for manifest in overlaid(overlay):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    "directory", ["base", "components/prometheus-operator", "components/cluster"]
)
def test_every_file_is_part_of_what_is_put_together(directory: str) -> None:
    described = kustomization(KUBERNETES / directory)
    parts = {*described["resources"], "kustomization.yaml"}
    parts |= {patch["path"] for patch in described.get("patches", ())}
    for generator in described.get("configMapGenerator", ()):
        parts |= set(generator["files"])
    assert parts == {path.name for path in (KUBERNETES / directory).glob("*.*ml")}


@overlays
def test_an_overlay_names_what_exists(overlay: str) -> None:
    directory = KUBERNETES / "overlays" / overlay
    described = kustomization(directory)
    for name in [*described["resources"], *described.get("components", ())]:
        assert (directory / name / "kustomization.yaml").exists()
    images = {image["name"] for image in described.get("images", ())}
    assert images <= {container(base())["image"].partition(":")[0]}


@overlays
def test_kustomize_puts_them_together(overlay: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is not None:
        directory = KUBERNETES / "overlays" / overlay
        subprocess.run(
            [kubectl, "kustomize", directory], check=True, capture_output=True, timeout=60
        )


def test_the_ports_are_those_that_are_configured() -> None:
    server = config().server
    ports = {port["name"]: port["containerPort"] for port in container(base())["ports"]}
    assert ports == {"http": server.port, "admin": server.admin_port}
    for service in of_kind(base(), "Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports.keys()
    (statefulset,) = of_kind(base(), "StatefulSet")
    annotations = statefulset["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(server.admin_port)
    assert annotations["prometheus.io/path"] in {route.rule for route in ROUTES}


def test_probes_ask_what_is_answered_on_their_port() -> None:
    open_routes = {route.rule for route in ROUTES if route.access == "open" and not route.is_inner}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container(base())[probe]["httpGet"]
        assert asked["port"] == "http"
        assert asked["path"] in open_routes
    assert container(base())["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container(base())["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_the_pod_is_given_the_time_it_needs_to_end() -> None:
    server = config().server
    assert pod(base())["terminationGracePeriodSeconds"] >= longest_end_s(server)
    probe = container(base())["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < server.drain_s


def test_every_directory_of_the_state_lies_on_the_volume() -> None:
    found = dict(directories(config()))
    assert {"log.directory", "snapshots.directory", "server.run_directory"} <= found.keys()
    mounts = {mount["mountPath"]: mount for mount in container(base())["volumeMounts"]}
    assert mounts[str(HOME)]["name"] == "state"
    for key, directory in found.items():
        assert (HOME / directory).is_relative_to(HOME), key
    writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert writable == {str(HOME), "/tmp", "/dev/shm"}


def test_keys_come_from_a_secret_that_is_not_here() -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in container(base())["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod(base())["volumes"]}
    assert volumes["keys"]["secret"]["secretName"] == "marquee-keys"
    settings = config()
    for path in (
        settings.auth.client_keys_file,
        settings.auth.admin_keys_file,
        settings.auth.token_keys_file,
        settings.snapshots.signing_keys_file,
    ):
        assert path is not None
        assert Path(path).parent == Path(mounts["keys"])
    assert of_kind(base(), "Secret") == []


@overlays
def test_the_pod_has_no_privileges(overlay: str) -> None:
    manifests = overlaid(overlay)
    assert pod(manifests)["securityContext"]["runAsNonRoot"] is True
    assert pod(manifests)["automountServiceAccountToken"] is False
    assert container(manifests)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@overlays
def test_each_pod_has_a_volume_to_itself_and_several_are_a_cluster(overlay: str) -> None:
    manifests = overlaid(overlay)
    statefulset = named(manifests, "StatefulSet", "marquee")
    environment = {each["name"] for each in container(manifests).get("env", ())}
    in_cluster = {"MARQUEE__CLUSTER__REDIS_URL", "MARQUEE__CLUSTER__HOST"} <= environment
    assert (statefulset["spec"]["replicas"] > 1) == in_cluster
    budget = named(manifests, "PodDisruptionBudget", "marquee")
    assert budget["spec"]["minAvailable"] == max(1, statefulset["spec"]["replicas"] - 1)
    (claim,) = statefulset["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    names = {service["metadata"]["name"] for service in of_kind(base(), "Service")}
    assert statefulset["spec"]["serviceName"] in names


def test_the_cluster_is_configured_by_keys_that_exist_and_keeps_what_redis_is_given() -> None:
    manifests = overlaid("cluster")
    for each in container(manifests)["env"]:
        _, section, key = each["name"].split("__")
        assert hasattr(getattr(Config(), section.lower()), key.lower()), each["name"]
    redis = named(manifests, "StatefulSet", "marquee-redis")["spec"]
    (server,) = redis["template"]["spec"]["containers"]
    said = dict(zip(server["args"][::2], server["args"][1::2], strict=True))
    assert said["--maxmemory-policy"] == "noeviction"
    assert said["--appendonly"] == "yes"
    assert said["--requirepass"] == "$(REDIS_PASSWORD)"
    service = named(manifests, "Service", "marquee-redis")
    assert service["spec"]["selector"] == redis["selector"]["matchLabels"]
    policy = named(manifests, "NetworkPolicy", "marquee-redis")
    (rule,) = policy["spec"]["ingress"]
    (source,) = rule["from"]
    pods = named(manifests, "StatefulSet", "marquee")["spec"]["template"]["metadata"]["labels"]
    assert source["podSelector"]["matchLabels"].items() <= pods.items()
    secrets = {
        each["valueFrom"]["secretKeyRef"]["name"]
        for each in [*container(manifests)["env"], *server["env"]]
        if "secretKeyRef" in each["valueFrom"]
    }
    assert secrets == {"marquee-redis"}


def test_what_selects_the_pod_selects_it() -> None:
    (statefulset,) = of_kind(base(), "StatefulSet")
    labels = statefulset["spec"]["template"]["metadata"]["labels"]
    assert statefulset["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for service in of_kind(base(), "Service"):
        assert service["spec"]["selector"].items() <= labels.items()
    for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        (manifest,) = of_kind(base(), kind)
        assert manifest["spec"][field]["matchLabels"].items() <= labels.items()


def test_the_admin_port_is_open_to_the_namespace_of_prometheus_alone() -> None:
    (policy,) = of_kind(base(), "NetworkPolicy")
    (admin,) = [rule for rule in policy["spec"]["ingress"] if {"port": "admin"} in rule["ports"]]
    assert admin["ports"] == [{"port": "admin"}]
    assert [set(source) for source in admin["from"]] == [{"namespaceSelector"}]


def test_the_monitor_selects_the_admin_service() -> None:
    component = KUBERNETES / "components" / "prometheus-operator"
    (monitor,) = documents(component / "servicemonitor.yaml")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = [
        each
        for each in of_kind(base(), "Service")
        if wanted <= each["metadata"].get("labels", {}).items()
    ]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "marquee"


def test_the_operator_is_given_the_alerts_as_they_are() -> None:
    (rule,) = documents(KUBERNETES / "components" / "prometheus-operator" / "prometheusrule.yaml")
    (alerts,) = documents(KUBERNETES.parent / "prometheus" / "alerts.yaml")
    assert rule["spec"] == alerts, "run `make docs`"
