"""A supervisor over small children, driven by tests through signals and its standard output.

Usage: python supervised_children.py JSON, where JSON is a list of maps that describe children:
``name``, ``code`` (Python source), ``wanted`` (a file that exists while it is) and what else
:class:`ChildSpec` takes, then the run's settings.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandit.config import parse_config
from server.children import ChildSpec
from server.logs import configure_logs
from server.ready_probe import ReadyProbe
from server.supervisor import Supervisor


def say(*words: object) -> None:
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


@dataclass
class SpokenRun:
    """Says on standard output what the supervisor asks of it."""

    drain_s: float
    restart_backoff_s: float
    deaths_max: int
    reloads: bool
    reverts: bool
    config: Path | None

    def ready(self) -> None:
        say("run ready")

    def reload(self) -> bool:
        say("run reload")
        if self.config is not None:
            self.config.write_text("new")
        return self.reloads

    def revert(self) -> bool:
        say("run revert")
        reverts, self.reverts = self.reverts, False
        if reverts and self.config is not None:
            self.config.write_text("old")
        return reverts

    def tell_given_up(self, children: Sequence[str]) -> None:
        say("run given_up", *children)

    def forget(self, pid: int) -> None:
        say("run forget", pid)

    def drain(self) -> None:
        say("run drain")

    def stop_listening(self) -> None:
        say("run stop_listening")


def child_spec(described: dict[str, Any]) -> ChildSpec:
    stop_timeout_s = float(described.get("stop_timeout_s", 20.0))
    reload_signal = described.get("reload_signal")
    wanted = described.get("wanted")
    return ChildSpec(
        name=described["name"],
        argv=(sys.executable, "-c", described["code"], described["name"]),
        stop_timeout_s=lambda: stop_timeout_s,
        reload_signal=None if reload_signal is None else signal.Signals[reload_signal],
        hurry_signal=signal.Signals[described.get("hurry_signal", "SIGTERM")],
        refuses={int(code): own for code, own in described.get("refuses", {}).items()},
        waits=frozenset(described.get("waits", ())),
        gives_up=frozenset(described.get("gives_up", ())),
        is_vital=described.get("is_vital", False),
        is_wanted=lambda: wanted is None or Path(wanted).exists(),
    )


def main() -> int:
    settings = json.loads(sys.argv[1])
    configure_logs(parse_config({}), "supervisor")
    run = SpokenRun(
        drain_s=settings.get("drain_s", 0.0),
        restart_backoff_s=settings.get("restart_backoff_s", 0.01),
        deaths_max=settings.get("deaths_max", 20),
        reloads=settings.get("reloads", True),
        reverts=settings.get("reverts", False),
        config=Path(settings["config"]) if "config" in settings else None,
    )
    specs = [child_spec(described) for described in settings["children"]]
    if settings.get("answers", True):
        return Supervisor(specs, run).run()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        return Supervisor(specs, run, ReadyProbe(silent.getsockname())).run()


if __name__ == "__main__":
    sys.exit(main())
