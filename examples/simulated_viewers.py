"""Simulated viewers for a running service: they ask for pages, look, click and play.

``python examples/simulated_viewers.py --url http://127.0.0.1:8080``

The service must hold the example catalog. The viewers are those of the simulator's environment
``homepage``; everything goes through the public client and the real HTTP API, and what the viewers
like is told to the service by nothing but what they do.

A visit ends at its first play here: the service takes a decision for closed soon after a play
(``reward.close_after_play_s``), as it may where who plays has left the homepage.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bandit.catalog import CatalogDocument
from bandit.types import Share
from examples.catalog_files import read_document
from examples.ledger import Ledger, Tally, interval
from examples.viewer_countries import with_country
from server.client import Client, NoAnswerError, RankResult
from simulator.environments.homepage import Homepage, HomepageSettings
from simulator.live import feedback_event, named_answers, rank_request
from simulator.pages import Displays, Pages, Served
from simulator.policies.answers import Places
from simulator.policies.editorial import EditorialPolicy
from simulator.policies.feedback import Reporter

TITLES_A_ROW: Final = 8
ROWS_ASKED: Final = 16
ROWS_SHOWN: Final = 12
TEMPLATES: Final = 500
VISITS_MAX: Final = 1_000_000_000
QUICK_ABANDON_S: Final = 30.0
"""As the service's default rule has it: such a play does not count as taken."""
DEADLINE_S: Final = 2.0


def homepage(document: CatalogDocument, seed: int) -> Homepage:
    """Return viewers of a catalog, one page at a time; all of one seed are the same people."""
    settings = HomepageSettings(
        rows=ROWS_ASKED,
        rows_served=ROWS_SHOWN,
        titles_a_row=TITLES_A_ROW,
        templates=TEMPLATES,
        leaves_after_play=True,
        feedback_delay_s=0.0,
        world_seed=seed,
    )
    return Homepage(VISITS_MAX, 1, settings, document=document)


class Visitor:
    """One stream of visits to a service, one after the other."""

    def __init__(self, client: Client, document: CatalogDocument, world: int, seed: int) -> None:
        self._client = client
        self._environment = homepage(document, world)
        self._places = Places(document)
        self._reporter = Reporter(document)
        self._unseen = EditorialPolicy()
        self._unseen.reset(self._environment, seed)
        self._pages: Pages | None = self._environment.reset(seed)

    def visit(self) -> tuple[Share, Tally] | None:
        """Ask for a page and act on it; None if it came too late and was not shown."""
        pages = self._pages
        if pages is None:
            return None
        asked = self._environment.page(pages, 0)
        told = with_country(asked.context, asked.viewer_id or "")
        request = rank_request(replace(asked, context=told), uuid.uuid4().hex)
        try:
            page = self._client.rank(request)
        except NoAnswerError:
            self._pages = self._environment.step(self._unseen.serve(pages)).pages
            return None
        served = named_answers(self._places, pages, [page.answer])
        step = self._environment.step(served)
        self._report(page, pages, served, step.displays)
        self._pages = step.pages
        taken = step.displays.played & (step.displays.seconds >= QUICK_ABANDON_S)
        return page.answer.share, Tally(1, len(taken), int(taken.sum()))

    def _report(self, page: RankResult, pages: Pages, served: Served, displays: Displays) -> None:
        ids = [page.answer.decision_id]
        for reported in self._reporter.report(pages, served, displays, ids):
            self._client.feedback(feedback_event(reported.event, page.answer.token))


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
        self._client = Client(url, api_key=api_key, deadline_s=DEADLINE_S, connections=threads + 1)
        self._pause_s = threads / pages_per_second
        self._stop = threading.Event()
        document = document or read_document()
        seeds = np.random.SeedSequence(seed).generate_state(threads).tolist()
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(Visitor(self._client, document, seed, one), index / threads),
                name=f"viewers-{index}",
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

    def _run(self, visitor: Visitor, phase: float) -> None:
        due = time.monotonic() + self._pause_s * phase
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                seen = visitor.visit()
                if seen is None:
                    self.ledger.add_default()
                else:
                    self.ledger.add(*seen)
                # What was missed while the server was slow is not made up for by a burst.
                due = max(due + self._pause_s, time.monotonic())
        except Exception as error:  # noqa: BLE001  any failure of a thread must reach the caller
            self.failure = error
            self._stop.set()


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
