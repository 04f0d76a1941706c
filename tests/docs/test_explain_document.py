"""The example of docs/explain.md is what the commands print for the decision that it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bandit.contributions import cross_indices
from bandit.engine import ModelArrays
from bandit.features import encode
from bandit.scoring import ModelShape
from bandit.snapshots.manifest import SnapshotDetails
from bandit.types import Features, Surface
from server.cli import main
from server.local import state_overrides
from tests.docs.markdown import ROOT, blocks
from tests.server.real_service import EVERYBODY_LEARNED, SETTINGS, START_US, Site, event

DOCUMENT = ROOT / "docs" / "explain.md"
BITS = 12

CATALOG: Mapping[str, Any] = {
    "titles": [
        {
            "id": "metropolis-1927",
            "features": {"genre": "science-fiction"},
            "artworks": [
                {"id": "robot-face", "features": {"mood": "eerie"}},
                {"id": "skyline", "features": {"mood": "grand"}},
            ],
        },
        {
            "id": "detour-1945",
            "features": {"genre": "noir"},
            "artworks": [
                {"id": "couple", "features": {"mood": "tender"}},
                {"id": "road", "features": {"mood": "eerie"}},
            ],
        },
    ],
    "rows": [
        {"id": "late-night-noir", "features": {"era": "forties"}},
        {"id": "silent-classics", "features": {"era": "silent"}},
    ],
}
PAGE: Mapping[str, Any] = {
    "decision_id": "evening-1",
    "viewer_id": "viewer-7",
    "context": {"device": "tv", "hour": 21},
    "rows": [
        {"id": "late-night-noir", "titles": ["detour-1945"]},
        {"id": "silent-classics", "titles": ["metropolis-1927"]},
    ],
}
Weights = list[tuple[float, dict[str, Features]]]
"""What is given to a feature or a cross, in the order in which it is hashed."""

ARTWORK: Weights = [
    (0.08, {"context": {"device": "tv"}}),
    (0.03, {"title": {"genre": "noir"}}),
    (0.05, {"artwork": {"mood": "eerie"}}),
    (-0.02, {"artwork": {"mood": "tender"}}),
    (0.21, {"context": {"device": "tv"}, "artwork": {"mood": "eerie"}}),
    (0.04, {"context": {"device": "tv"}, "artwork": {"mood": "grand"}}),
    (0.002, {"context": {"hour": 1.0}, "artwork": {"mood": "eerie"}}),
]
ROWS: Weights = [
    (0.1, {"context": {"device": "tv"}}),
    (0.15, {"context": {"device": "tv"}, "row": {"era": "silent"}}),
    (-0.02, {"context": {"device": "tv"}, "row": {"era": "forties"}}),
]


def publish(site: Site, surface: Surface, given: Weights) -> None:
    """Publish a model that was made by hand."""
    shape = ModelShape.of(surface, getattr(site.config.surfaces, surface).model)
    weights = np.zeros(1 << BITS, np.float32)
    for weight, features in given:
        encoded = [encode(namespace, one).hashes for namespace, one in features.items()]
        weights[cross_indices(encoded, len(weights) - 1)] = weight
    details = SnapshotDetails(
        created_at_us=START_US,
        bits=BITS,
        interactions=[list(names) for names in shape.interactions],
        constant=False,
        engine_version="by hand",
        examples_learned=1,
        log_clock_us=START_US,
    )
    site.snapshots.publish(surface, ModelArrays(weights, weights**2), b"by hand", details)


@pytest.fixture
def printed(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What both commands print."""
    publish(site, "artwork", ARTWORK)
    publish(site, "rows", ROWS)
    node = site.node()
    node.http.put("/v1/catalog", json=CATALOG)
    page = node.rank(PAGE)
    node.report(
        event("e1", page, "impression", "metropolis-1927", row="silent-classics"),
        event("e2", page, "impression", "detour-1945", row="late-night-noir"),
        event("e3", page, "click", "metropolis-1927", row="silent-classics"),
    )
    for name, setting in {**state_overrides(tmp_path), **SETTINGS, **EVERYBODY_LEARNED}.items():
        monkeypatch.setenv(name, setting)
    commands = (["explain", "evening-1"], ["explain", "evening-1", "--title", "metropolis-1927"])
    outputs = [
        CliRunner().invoke(main, arguments, catch_exceptions=False) for arguments in commands
    ]
    assert [output.exit_code for output in outputs] == [0, 0]
    return [as_written(output.stdout) for output in outputs]


def as_written(text: str) -> str:
    """Return lines without the blanks at their ends."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_the_example_is_what_is_printed(printed: list[str]) -> None:
    assert blocks(DOCUMENT, "text") == printed
