"""A port for admins alone: what is known where, by the socket and not by what a client says."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
import urllib3

from bandit.config import parse_config
from bandit.config.schema import Config, ServerConfig
from bandit.errors import ConfigError
from server.local import LocalServer, wait_until
from server.route_table import ROUTES
from tests.server.edge_service import EdgeService, edge_app

ADMIN_PORT = 9001
WAIT_S = 30.0
INNER = [
    ("GET", "/metrics"),
    ("GET", "/v1/catalog"),
    ("PUT", "/v1/catalog"),
    ("PATCH", "/v1/catalog"),
    ("POST", "/v1/snapshots/artwork-000001/activate"),
    ("GET", "/v1/decisions/d-1/explain"),
    ("GET", "/v1/weights/artwork"),
    ("GET", "/v1/config"),
    ("GET", "/v1/challenger"),
    ("POST", "/v1/challenger/promote"),
    ("POST", "/v1/challenger/demote"),
    ("GET", "/v1/latency"),
    ("GET", "/v1/insights"),
    ("GET", "/v1/insights/titles/t-1"),
    ("POST", "/v1/insights/alarms/reset"),
]
DASHBOARD = ("GET", "/")
"""Inner as well; it is unknown where no page was built."""
UNKNOWN = 404


def answers(port: int, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Ask an edge with an admin port by one of its ports; return status and body."""
    config = Config(server=ServerConfig(admin_port=ADMIN_PORT))
    client = edge_app(EdgeService(config)).test_client()
    response = client.open(
        path, method=method, base_url=f"http://here:{port}", headers=headers, json={"titles": []}
    )
    return response.status_code, response.data


def test_what_is_inner_is_what_admins_call_and_the_metrics() -> None:
    inner = {(route.method, route.rule) for route in ROUTES if route.is_inner}
    listed = {
        (method, rule)
        for method, rule in inner
        for verb, path in [*INNER, DASHBOARD]
        if verb == method and re.fullmatch(_as_pattern(rule), path)
    }
    assert inner - listed == set(), "list each in INNER"
    assert len(listed) == len(INNER) + 1


def _as_pattern(rule: str) -> str:
    return re.sub(r"<\w+>", "[^/]+", re.sub(r"<path:\w+>", ".+", rule))


@pytest.mark.parametrize(("method", "path"), INNER)
def test_elsewhere_it_is_as_unknown_as_any_address(method: str, path: str) -> None:
    assert answers(ADMIN_PORT, method, path)[0] != UNKNOWN
    here = answers(8080, method, path)
    nowhere = answers(8080, method, "/v1/nothing")
    assert here == nowhere
    assert here[0] == UNKNOWN


@pytest.mark.parametrize("path", ["/v1/catalog", "/metrics"])
def test_no_method_tells_that_there_is_something(path: str) -> None:
    for method in ("DELETE", "OPTIONS", "HEAD", "POST"):
        assert answers(8080, method, path) == answers(8080, method, "/v1/nothing")
        assert answers(ADMIN_PORT, method, path)[0] != UNKNOWN


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/livez", 200), ("GET", "/v1/status", 200), ("GET", "/openapi.json", 200),
     ("POST", "/v1/rank", 422), ("POST", "/v1/feedback", 422)],
)  # fmt: skip
def test_everything_else_is_served_on_both(method: str, path: str, status: int) -> None:
    for port in (8080, ADMIN_PORT):
        assert answers(port, method, path)[0] == status


def test_without_the_key_all_is_served_on_one_port() -> None:
    client = edge_app(EdgeService()).test_client()
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({"port": 8080, "admin_port": 8080}, "server.port as well"),
        ({"http_server": "granian", "admin_port": 9001}, "granian listens on one port"),
    ],
)
def test_a_port_that_cannot_be_is_refused_by_its_name(server: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_config({"server": server})
    assert caught.value.path == "server.admin_port"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalServer, str]]:
    """Serve with two ports; yield the server and the address for admins."""
    settings = {"MARQUEE__SERVER__ADMIN_PORT": "0", "MARQUEE__SERVER__WORKERS": "2"}
    with LocalServer(tmp_path_factory.mktemp("ports"), settings=settings) as server:
        (url,) = re.findall(r"admin calls and metrics at (http://\S+)", server.output.read_text())
        yield server, url


def fetch(method: str, url: str, **headers: str) -> int:
    return urllib3.request(method, url, headers=headers, timeout=WAIT_S, retries=False).status


@pytest.mark.processes
def test_a_real_server_goes_by_the_socket_and_believes_no_header(
    served: tuple[LocalServer, str],
) -> None:
    server, inner = served
    port = inner.rpartition(":")[2]
    lies = {"Host": f"127.0.0.1:{port}", "X-Forwarded-Port": port, "Server-Port": port,
            "SERVER_PORT": port, "X-Forwarded-Host": f"127.0.0.1:{port}",
            "Forwarded": f"host=127.0.0.1:{port}"}  # fmt: skip
    for path in ("/metrics", "/v1/catalog"):
        assert fetch("GET", server.url + path) == UNKNOWN
        assert fetch("GET", server.url + path, **lies) == UNKNOWN
        assert fetch("GET", inner + path) != UNKNOWN
        assert fetch("GET", inner + path, Host=server.url.removeprefix("http://")) != UNKNOWN
    for url in (server.url, inner):
        assert fetch("GET", url + "/livez") == 200
        assert fetch("POST", url + "/v1/rank") in (411, 415, 422)


@pytest.mark.processes
def test_no_header_changes_which_address_is_asked_for(served: tuple[LocalServer, str]) -> None:
    _, inner = served
    # A proxy that keeps /metrics from the public lets /x/metrics through.
    assert fetch("GET", inner + "/x/metrics", SCRIPT_NAME="/x") == UNKNOWN
    assert fetch("GET", inner + "/x/metrics", **{"Script-Name": "/x"}) == UNKNOWN
    assert fetch("GET", inner + "/livez", PATH_INFO="/metrics") == 200


@pytest.mark.processes
def test_a_reload_keeps_both_ports(served: tuple[LocalServer, str]) -> None:
    server, inner = served
    before = server.output.read_text().count("configuration taken over")
    server.signal(signal.SIGHUP)
    wait_until(
        lambda: server.output.read_text().count("configuration taken over") > before,
        WAIT_S,
        "the reload",
    )
    assert "change at a restart" not in server.output.read_text()
    assert fetch("GET", inner + "/metrics") == 200
    assert fetch("GET", server.url + "/metrics") == UNKNOWN
