"""What holds for every compose file here."""

from __future__ import annotations

from typing import Any

import yaml

from bandit.config.schema import ServerConfig
from server import serve
from tests.docs.markdown import ROOT

DEPLOY = ROOT / "deploy"


def compose(name: str) -> Any:
    """Return a compose file."""
    return yaml.safe_load((DEPLOY / name).read_text())


def check_privileges(described: Any) -> None:
    """Check that no service may more than it must, or is open to other machines."""
    for name, service in described["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name


def check_names(described: Any) -> None:
    """Check that what is mounted, given and waited for exists."""
    for service in described["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in described["volumes"], source
        assert set(service.get("secrets", ())) <= described["secrets"].keys()
        assert set(service.get("depends_on", ())) <= described["services"].keys()


def longest_end_s(server: ServerConfig) -> float:
    """Return how long a service may take to end."""
    return (
        server.drain_s
        + (2 * server.graceful_timeout_s + serve._MASTER_EXTRA_S)
        + (server.graceful_timeout_s + serve.LEARNER_EXTRA_S)
    )
