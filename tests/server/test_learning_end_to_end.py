"""A real server learns: gunicorn, log, learner and snapshots, driven through the public client.

Viewers have one of four tastes, told by the context, and play a title three times in ten when its
artwork is of their taste and once in twenty when not. Which plays happen is decided by a generator
with a fixed seed, and each phase waits until what it fed back was learned, so that the speed of
the machine does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import fisher_exact

from bandit.catalog import CatalogDocument, write_catalog_file
from bandit.types import Artwork, PageRow, Row, Share, Title
from server.client import Client, RankResult
from server.local import LocalServer
from server.wire import RankRequest
from tests.waiting import wait_until_closed

pytestmark = pytest.mark.processes

TASTES = ("face", "action", "landscape", "object")
TITLES = 24
PLAY_IF_LIKED = 0.30
PLAY_OTHERWISE = 0.05
PAGES_A_PHASE = 200
PHASES = 5
ALPHA = 0.01

DOCUMENT = CatalogDocument(
    [
        Title(f"t{title}", [Artwork(f"t{title}.{taste}", {"subject": taste}) for taste in TASTES])
        for title in range(TITLES)
    ],
    [Row(f"row{row}", {"kind": f"kind{row}"}) for row in range(4)],
)

SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "2",
    "MARQUEE__SURFACES__ARTWORK__HOLDOUT": "0.3",
    "MARQUEE__SURFACES__ROWS__HOLDOUT": "0.3",
    "MARQUEE__REWARD__WINDOW_S": "4",
    "MARQUEE__REWARD__CLOSE_AFTER_PLAY_S": "4",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
}


class Tally(NamedTuple):
    """What one share of viewers saw and played, by the clients' own books."""

    impressions: int
    plays: int


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    # At the start, so that every worker has it from its first answer on.
    source = tmp_path / "catalog.msgpack"
    write_catalog_file(source, DOCUMENT)
    settings = {**SETTINGS, "MARQUEE__CATALOG__SOURCE": str(source)}
    with LocalServer(tmp_path / "server", settings=settings) as running:
        yield running


def visit(client: Client, random: np.random.Generator, books: dict[Share, Tally]) -> None:
    """One viewer opens the homepage, sees all of it, and plays what appeals."""
    viewer = int(random.integers(600))
    taste = TASTES[viewer % len(TASTES)]
    names = [f"t{title}" for title in random.permutation(TITLES)[:12]]
    rows = [PageRow(f"row{row}", titles=names[row * 3 : row * 3 + 3]) for row in range(4)]
    page = RankRequest(viewer_id=f"v{viewer}", context={"taste": taste}, rows=rows)
    result = client.rank(page)
    for row in result.answer.rows:
        for title in row.titles:
            client.report(result, "impression", title.id, row=row.id)
            liked = title.artwork.endswith(taste)
            played = random.random() < (PLAY_IF_LIKED if liked else PLAY_OTHERWISE)
            if played:
                client.report(result, "play", title.id, row=row.id, seconds=600, fraction=0.5)
            _enter(books, result, played=played)


def _enter(books: dict[Share, Tally], result: RankResult, *, played: bool) -> None:
    before = books.get(result.answer.share, Tally(0, 0))
    books[result.answer.share] = Tally(before.impressions + 1, before.plays + played)


def test_the_learned_share_comes_to_beat_the_holdout(server: LocalServer) -> None:
    random = np.random.default_rng(20261122)
    with Client(server.url, deadline_s=20) as client:
        first: dict[Share, Tally] = {}
        books: dict[Share, Tally] = {}
        for phase in range(PHASES):
            for _ in range(PAGES_A_PHASE):
                visit(client, random, books if phase else first)
            assert client.flush(30)
            wait_until_closed(client, (phase + 1) * PAGES_A_PHASE)
        status = client.status()
        counts = client.feedback_counts()

    learned, holdout = books["learned"], books["holdout"]
    table = [
        [learned.plays, learned.impressions - learned.plays],
        [holdout.plays, holdout.impressions - holdout.plays],
    ]
    assert fisher_exact(table, alternative="greater").pvalue < ALPHA
    assert learned.plays / learned.impressions > 1.5 * holdout.plays / holdout.impressions

    # Every event that was accepted has its place in the learner's books, ...
    join = status["learner"]["join"]
    assert join["joined"] + join["late"] == counts.accepted
    assert (join["opened"], join["orphan"], counts.rejected, counts.dropped) == (
        PHASES * PAGES_A_PHASE, 0, 0, 0,
    )  # fmt: skip
    # ... and unless some were late these agree with the clients' to the last display.
    for share, tally in books.items():
        told = status["shares"]["artwork"][share]
        before = first.get(share, Tally(0, 0))
        missed = join["late"]
        assert 0 <= tally.impressions + before.impressions - told["displays"] <= missed
        assert 0 <= tally.plays + before.plays - told["plays"] <= missed
    assert status["learning"], status["verdict"]
    assert status["lift"]["artwork"] > 0.5
    assert status["models"].keys() == {"artwork", "rows"}
    assert 0 < status["entropy_bits"]["artwork"] < 2
