"""Waiting for a running service to come to a certain point."""

from __future__ import annotations

from server.client import Client
from server.local import wait_until


def wait_until_closed(client: Client, decisions: int) -> None:
    """Wait until the learner has closed that many decisions."""

    def all_closed() -> bool:
        learner = client.status()["learner"]
        return learner is not None and sum(learner["outcomes"].values()) >= decisions

    wait_until(all_closed, 90, f"closing {decisions} decisions")
