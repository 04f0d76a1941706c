"""A log that a real service wrote through its HTTP edge, and a configuration that reads it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from click.testing import CliRunner

from server.cli import main as marquee
from server.local import wait_until
from tests.server.real_service import CATALOG, PAGE, SETTINGS, WAIT_S, Node, event, site_at

PAGES = 160
TASTES = ("noir", "love")
CONFIG = """\
# How this site works.
[reward]
window_s = 60.0
clock_leeway_s = 5.0

[surfaces.artwork]
holdout = 0.0
explore = 1.0  # all of it at random

[surfaces.artwork.model]
bits = 12

[surfaces.rows]
holdout = 0.0
explore = 1.0

[surfaces.rows.model]
bits = 12
"""
"""The example of what a user writes; the directories are added."""


class ServedLog(NamedTuple):
    """Where things are."""

    config: Path
    spools: Path
    export: Path


def serve_log(root: Path, pages: int = PAGES, *, explore: float = 1.0) -> ServedLog:
    """Serve pages to viewers who click the artwork of their taste, and export the log.

    Who does not explore is served what was learned by then, anew after every quarter.
    """
    explored = {f"MARQUEE__SURFACES__{one}__HOLDOUT": "0" for one in ("ARTWORK", "ROWS")}
    explored |= {f"MARQUEE__SURFACES__{one}__EXPLORE": str(explore) for one in ("ARTWORK", "ROWS")}
    with site_at(root, {**SETTINGS, **explored}) as site:
        node = site.node()
        assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
        generator = np.random.default_rng(7)
        for number in range(pages):
            _visit(node, number, generator)
            site.pass_s(3600.0)
            if explore < 1 and number % (pages // 4) == 0:
                site.learn()
                newest = site.snapshots.versions("rows")[0].version
                wait_until(partial(_serves, node, newest), WAIT_S, "the newest snapshot")
        site.close_windows()
    config = root / "marquee.toml"
    kept = f'[log]\ndirectory = "{root}/log"\n\n[catalog]\ndirectory = "{root}/catalog"\n\n'
    kept += f'[learner]\ndirectory = "{root}/learner"\n\n'
    kept += f'[snapshots]\ndirectory = "{root}/snapshots"\n\n'
    kept += f'[auth]\nsecrets_directory = "{root}/secrets"\n\n'
    config.write_text(kept + CONFIG)
    out = root / "exported"
    arguments = ["log", "export", "--out", str(out), "--config", str(config)]
    done = CliRunner().invoke(marquee, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return ServedLog(config, root / "log", out)


def _serves(node: Node, version: str) -> bool:
    answer: str = node.rank()["snapshots"].get("rows", "")
    return answer == version


def _visit(node: Node, number: int, generator: np.random.Generator) -> None:
    taste = number % 2
    page = {
        **PAGE,
        "viewer_id": f"v{number % 40}",
        "context": {"hour": number % 24, "tastes": [TASTES[taste]]},
    }
    decision = node.rank(page)
    events = []
    for position, row in enumerate(decision["rows"]):
        for title in row["titles"]:
            name = f"{number}.{title['id']}"
            events.append(event(f"{name}.i", decision, "impression", title["id"], row=row["id"]))
            # The first two artworks please the one taste, the others the other one.
            liked = int(title["artwork"][1:]) // 2 == taste
            chance = (0.6 if liked else 0.1) / (1 + position)
            if generator.random() < chance:
                events.append(event(f"{name}.c", decision, "click", title["id"], row=row["id"]))
    node.report(*events)
