"""The learner alone, on one core: a spool on disk in, a trained model out.

The spool holds what viewers of standard pages did: every page was decided by the policy, twenty
titles of it were reported as seen and a tenth of those played. The learner runs its own loop over
it, with checkpoints and snapshots as they fall due.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from bandit.catalog import Catalog, CatalogDocument, CatalogStore
from bandit.clock import ManualClock, WallClock, to_us
from bandit.config.schema import (
    CatalogConfig,
    Config,
    LearnerConfig,
    LogConfig,
    SnapshotsConfig,
)
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, FeedbackRecord, Record
from bandit.keys import KeyRing
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.policy import Policy, Serving
from bandit.snapshots import FileSnapshotStore
from bandit.types import Page
from benchmarks.figures import Board, Target
from benchmarks.pages import standard_catalog, standard_pages
from benchmarks.servers import PLAYS_OF_SEEN, SEEN_TITLES

WANTED: Final = Target("≥", 5000.0)
DISTINCT_PAGES: Final = 200
LEEWAY_S: Final = 10.0
APPEND_AT_ONCE: Final = 1000


class LearnerRun(NamedTuple):
    """What a run of the learner came to."""

    seconds: float
    pages: int
    records: int
    examples: dict[str, int]


def measure_learner(board: Board, *, quick: bool) -> None:
    """Measure the learner."""
    decisions = 100 if quick else 3000
    run = learner_run(decisions)
    artworks, rows = run.examples["artwork"], run.examples["rows"]
    work = (
        f"log → join → learn, with checkpoints and snapshots: {decisions:,} pages of 240 titles, "
        f"{SEEN_TITLES} of them seen and {PLAYS_OF_SEEN:.0%} of these played, one core"
    )
    board.add(
        "learner_outcomes_per_s",
        artworks / run.seconds,
        "displays/s",
        f"titles shown and learned: {work}; beside them {rows:,} rows were learned",
        WANTED,
    )
    board.add("learner_pages_per_s", run.pages / run.seconds, "pages/s", "of the same run")
    board.add("learner_records_per_s", run.records / run.seconds, "records/s", "of the same run")
    decisions = 200 if quick else 30_000
    run = learner_run(decisions, single=True)
    board.add(
        "learner_single_outcomes_per_s",
        run.pages / run.seconds,
        "outcomes/s",
        f"the same for {decisions:,} decisions of one title each, seen and one in ten played",
        WANTED,
    )


def learner_run(decisions: int, *, single: bool = False) -> LearnerRun:
    """Fill a spool with whole pages, or single titles, and let a learner learn all of it."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-learner-") as name:
        config = _config(Path(name))
        document = standard_catalog(2500)
        catalogs = CatalogStore(config.catalog.directory, config.limits)
        version = catalogs.save(document)
        window_s = config.reward.window_s + config.reward.clock_leeway_s + LEEWAY_S
        clock = WallClock()
        past = ManualClock(clock.now_us() - to_us(window_s))
        pages_asked = standard_pages(document, min(decisions, DISTINCT_PAGES))
        if single:
            pages_asked = [_first_title(page) for page in pages_asked]
        records = _fill(config, document, version, pages_asked, decisions, past)
        snapshots = FileSnapshotStore(config.snapshots.directory, KeyRing((b"k" * 32,)))
        reader = SqliteEventReader(config.log.directory, clock)
        learner = Learner(config, reader, snapshots, catalogs, clock, NoMetrics())
        began = time.perf_counter()
        while sum(learner.counts.outcomes.values()) < decisions:
            report = learner.step(clock.now_us())
            learner.keep_house(clock.now_us(), changed=not report.idle)
            if report.idle:
                break
        seconds = time.perf_counter() - began
        reader.close()
        pages = sum(learner.counts.outcomes.values())
        if pages != decisions:
            raise RuntimeError(f"{pages} of {decisions} pages were learned")
        examples = {str(name): count for name, count in learner.counts.examples.items()}
        return LearnerRun(seconds, pages, records, examples)


def _config(directory: Path) -> Config:
    return Config(
        log=LogConfig(directory=str(directory / "log"), queue_max=1_000_000),
        catalog=CatalogConfig(directory=str(directory / "catalog")),
        learner=LearnerConfig(directory=str(directory / "learner")),
        snapshots=SnapshotsConfig(directory=str(directory / "snapshots")),
    )


def _fill(
    config: Config,
    document: CatalogDocument,
    version: str,
    asked: Sequence[Page],
    decisions: int,
    clock: ManualClock,
) -> int:
    """Write pages and their feedback to a spool; return how many records."""
    writer = SqliteEventWriter.open(config.log.directory, clock, config.log, NoMetrics())
    catalog = Catalog.build(document, version=version)
    made = list(_decided(Policy(config), Serving(catalog), asked))
    random = np.random.default_rng(4)
    records: list[Record] = []
    for number in range(decisions):
        decision = replace(made[number % len(made)], decision_id=f"page-{number}")
        records.append(decision)
        records += _feedback(decision, random)
    for start in range(0, len(records), APPEND_AT_ONCE):
        writer.append(records[start : start + APPEND_AT_ONCE]).wait(60.0)
    writer.close()
    return len(records)


def _first_title(page: Page) -> Page:
    return replace(page, rows=[], titles=page.rows[0].titles[:1])


def _decided(policy: Policy, serving: Serving, asked: Sequence[Page]) -> Iterator[DecisionRecord]:
    """Decide pages; all are taken to be of the learned share, so that every one is learned."""
    for number, page in enumerate(asked):
        decision = policy.decide(page, decision_id=f"d{number}", now_us=number, serving=serving)
        yield replace(decision.record, shares={"artwork": "learned", "rows": "learned"})


def _feedback(decision: DecisionRecord, random: np.random.Generator) -> Sequence[FeedbackRecord]:
    in_rows = [(row.id, title) for row in decision.rows for title in row.titles]
    shown = [*in_rows, *((None, title) for title in decision.loose_titles)][:SEEN_TITLES]
    events = []
    for place, (row, title) in enumerate(shown):
        event = FeedbackRecord(
            event_id=f"{decision.decision_id}-{place}",
            decision_id=decision.decision_id,
            type="impression",
            title=title,
            row=row,
        )
        events.append(event)
        if random.random() < PLAYS_OF_SEEN:
            name = f"{decision.decision_id}-{place}-play"
            fraction = float(random.random())
            played = replace(
                event, event_id=name, type="play", seconds=5400 * fraction, fraction=fraction
            )
            events.append(played)
    return events
