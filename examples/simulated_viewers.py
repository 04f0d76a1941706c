"""Simulated viewers for a running service: they ask for pages, look, click and play.

``python examples/simulated_viewers.py --url http://127.0.0.1:8080``

The service must hold the example catalog. Everything goes through the public client and the real
HTTP API; what the viewers like is told to the service by nothing but what they do.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bandit.catalog import CatalogDocument
from bandit.types import IndexArray, PageRow, Row, Share, Title
from examples.catalog_files import read_document
from examples.ledger import Ledger, Tally, interval
from examples.viewer_model import Behaviour, ViewerPopulation, Visit
from server.client import Client, NoAnswerError, RankResult
from server.wire import RankRequest

TITLES_A_ROW: Final = 8
ROWS_SHOWN: Final = 12
QUICK_ABANDON_S: Final = 30.0
"""As the service's default rule has it: such a play does not count as taken."""
DEADLINE_S: Final = 2.0


class Viewers:
    """Threads that act as viewers, together at a bounded rate."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        pages_per_second: float = 30.0,
        threads: int = 4,
        seed: int = 1,
        document: CatalogDocument | None = None,
    ) -> None:
        self.ledger = Ledger()
        self._document = document or read_document()
        self._population = ViewerPopulation(seed, self._document)
        self._client = Client(url, api_key=api_key, deadline_s=DEADLINE_S, connections=threads + 1)
        self._pause_s = threads / pages_per_second
        self._stop = threading.Event()
        seeds = np.random.SeedSequence(seed).spawn(threads)
        self._threads = [
            threading.Thread(
                target=self._run, args=(np.random.default_rng(one),), name=f"viewers-{index}"
            )
            for index, one in enumerate(seeds)
        ]
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Start the viewers."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the viewers, send what feedback is left, and close the client."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._client.close()

    def wait(self, seconds: float) -> bool:
        """Wait, at most so long; tell whether the viewers have stopped by then."""
        return self._stop.wait(seconds)

    def _run(self, rng: np.random.Generator) -> None:
        due = time.monotonic() + self._pause_s * rng.random()
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self._visit(rng)
                # What was missed while the server was slow is not made up for by a burst.
                due = max(due + self._pause_s, time.monotonic())
        except Exception as error:  # noqa: BLE001  any failure of a thread must reach the caller
            self.failure = error
            self._stop.set()

    def _visit(self, rng: np.random.Generator) -> None:
        visit = self._population.visit(rng)
        try:
            page = self._client.rank(self._request(visit, rng))
        except NoAnswerError:
            self.ledger.add_default()
            return
        titles, artworks = self._shown(page)
        done = self._population.behave(visit, titles, artworks, rng)
        self._report(page, done)
        taken = done.played & (done.seconds >= QUICK_ABANDON_S)
        self.ledger.add(page.answer.share, Tally(1, int(done.seen.sum()), int(taken.sum())))

    def _request(self, visit: Visit, rng: np.random.Generator) -> RankRequest:
        rows = [PageRow(row.id, titles=_some(row, rng)) for row in self._document.rows]
        return RankRequest(
            viewer_id=visit.viewer_id, context=visit.context, rows=rows, max_rows=ROWS_SHOWN
        )

    def _shown(self, page: RankResult) -> tuple[IndexArray, IndexArray]:
        """Return titles and artworks of the page as numbers, shape (rows, columns), -1 for gaps."""
        rows = page.answer.rows
        shape = (len(rows), max(len(row.titles) for row in rows))
        titles: IndexArray = np.full(shape, -1, np.intp)
        artworks: IndexArray = np.full(shape, -1, np.intp)
        for at, row in enumerate(rows):
            for place, title in enumerate(row.titles):
                titles[at, place] = self._population.title_index[title.id]
                artworks[at, place] = self._population.artwork_index[title.artwork]
        return titles, artworks

    def _report(self, page: RankResult, done: Behaviour) -> None:
        for at, place in np.argwhere(done.seen).tolist():
            row = page.answer.rows[at]
            title = row.titles[place].id
            self._client.report(page, "impression", title, row=row.id)
            if done.clicked[at, place]:
                self._client.report(page, "click", title, row=row.id)
            if done.played[at, place]:
                self._client.report(
                    page,
                    "play",
                    title,
                    row=row.id,
                    seconds=float(done.seconds[at, place]),
                    fraction=float(done.fraction[at, place]),
                )


def _some(row: Row, rng: np.random.Generator) -> list[str | Title]:
    """Pick the titles that a recommender upstream would have put on a row for this visit."""
    count = min(TITLES_A_ROW, len(row.titles))
    return [row.titles[index] for index in rng.permutation(len(row.titles))[:count]]


def summary_line(share: Share, tally: Tally) -> str:
    """Return one share's counts as a line of text."""
    low, high = interval(tally.plays, tally.impressions)
    return (
        f"{share:<8} {tally.pages:>7} pages {tally.impressions:>9} impressions "
        f"{tally.plays:>7} plays   take {100 * (tally.take_fraction or 0):5.2f} % "
        f"[{100 * low:.2f}, {100 * high:.2f}]"
    )


def arguments() -> argparse.ArgumentParser:
    """Return the options that this script and the demo share."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--pages-per-second", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, help="stop after so long; without it at Ctrl-C")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1, help="draws the viewers and their tastes")
    return parser


def main() -> int:
    """Drive a running service until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()])
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--api-key")
    options = parser.parse_args()
    viewers = Viewers(
        options.url,
        api_key=options.api_key,
        pages_per_second=options.pages_per_second,
        threads=options.threads,
        seed=options.seed,
    )
    end = time.monotonic() + (options.seconds or float("inf"))
    try:
        viewers.start()
        while time.monotonic() < end and not viewers.wait(min(5.0, end - time.monotonic())):
            print(summary_line("learned", viewers.ledger.totals()["learned"]), flush=True)
    except KeyboardInterrupt:
        print()
    finally:
        viewers.stop()
    for share, tally in viewers.ledger.totals().items():
        print(summary_line(share, tally))
    if viewers.failure is not None:
        print(f"the viewers stopped: {viewers.failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
