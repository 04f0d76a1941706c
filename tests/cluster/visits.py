"""A small catalog, viewers who look at it, and what services of a cluster tell of them."""

from __future__ import annotations

from typing import Any

import urllib3

from bandit.catalog import CatalogDocument
from bandit.types import Artwork, Title
from server.client import Client
from server.local import LocalServer
from server.wire import RankRequest

WAIT_S = 60.0
TITLES = 8
SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "1",
    "MARQUEE__SURFACES__ARTWORK__HOLDOUT": "0",
    "MARQUEE__SURFACES__ROWS__HOLDOUT": "0",
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__LEARNER__CHECKPOINT_INTERVAL_S": "0.5",
    "MARQUEE__LEARNER__PUBLISH_INTERVAL_S": "0.2",
    "MARQUEE__CLUSTER__LEASE_S": "2",
    "MARQUEE__CLUSTER__HOST_SILENT_S": "5",
    "MARQUEE__LOG__RETENTION_S": "5",
}
DOCUMENT = CatalogDocument(
    [
        Title(f"t{title}", [Artwork(f"t{title}.{kind}", {"kind": kind}) for kind in ("a", "b")])
        for title in range(TITLES)
    ]
)


def visit(server: LocalServer, name: str, pages: int) -> None:
    """See all titles of so many pages, and play what is of one kind."""
    with Client(server.url, deadline_s=20) as client:
        for number in range(pages):
            titles = [f"t{title}" for title in range(TITLES)]
            viewer = f"{name}-{number}".replace(" ", "-")
            page = RankRequest(viewer_id=viewer, titles=titles)
            result = client.rank(page)
            for title in result.answer.titles:
                client.report(result, "impression", title.id)
                if title.artwork.endswith("a"):
                    client.report(result, "play", title.id, seconds=600, fraction=1.0)
        assert client.flush(30)


def status(server: LocalServer) -> dict[str, Any]:
    """Return what a service tells of itself."""
    response = urllib3.request("GET", f"{server.url}/v1/status", timeout=20)
    answer: dict[str, Any] = response.json()
    assert response.status == 200, answer
    return answer


def outcomes(server: LocalServer) -> int:
    """Return how many decisions were learned, as this machine tells."""
    learner = status(server)["learner"]
    return 0 if learner is None else sum(learner["outcomes"].values())


def served(server: LocalServer) -> str | None:
    """Return the model that this machine decides a page with; the page is logged."""
    page = {"titles": ["t0"]}
    answer = urllib3.request("POST", f"{server.url}/v1/rank", json=page, timeout=20).json()
    version: str | None = answer["snapshots"].get("artwork")
    return version


def put_catalog(server: LocalServer) -> None:
    """Have this machine serve the catalog, and tell the others."""
    with Client(server.url, deadline_s=20) as client:
        client.put_catalog(DOCUMENT)


def catalog(server: LocalServer) -> str:
    """Return the catalog that this machine serves."""
    found: str = status(server)["catalog"]
    return found
