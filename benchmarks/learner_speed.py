"""The learner alone, on one core: a spool on disk in, a trained model out.

The spool holds what viewers of standard pages did: every page was decided by the policy, twenty
titles of it were reported as seen and a tenth of those played. The learner runs its own loop over
it, with checkpoints and snapshots as they fall due.

An outcome is a title that was seen. With ``zero_reward_share`` below 1 not every one of them is an
example, those that are stand for the others, and all of them count.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
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
from benchmarks.pages import ARTWORK_FEATURES, standard_catalog, standard_pages
from benchmarks.servers import PLAYS_OF_SEEN, SEEN_TITLES

WANTED: Final = Target("≥", 15_000.0)
DISTINCT_PAGES: Final = 200
LEEWAY_S: Final = 10.0
APPEND_AT_ONCE: Final = 1000
SHARES: Final = (0.25, 0.1)
FEATURES: Final = (2, 5, 10, 20, 50, 100)
FEATURES_QUICK: Final = (2, 10, 50)
SERVED: Final = "page_http_per_s"


class Spool(NamedTuple):
    """What lies in the log to be learned."""

    decisions: int
    single: bool = False
    """One title a decision in place of whole pages."""
    zero_reward_share: float = 1.0
    titles: int = 2500
    artwork_features: int = ARTWORK_FEATURES

    @property
    def seen(self) -> int:
        """The titles that were seen, over all decisions."""
        return self.decisions * (1 if self.single else SEEN_TITLES)


class LearnerRun(NamedTuple):
    """What a run of the learner came to."""

    seconds: float
    records: int
    examples: dict[str, int]


def measure_learner(board: Board, *, quick: bool) -> None:
    """Measure the learner, and whether it keeps up with the pages that were served before it."""
    add_rates(board, decisions=150 if quick else 3000, single=300 if quick else 30_000)
    add_features(board, FEATURES_QUICK if quick else FEATURES, decisions=60 if quick else 600)


def add_rates(board: Board, *, decisions: int, single: int) -> None:
    """Add the rates of whole pages, of thinned-out ones, and of single titles."""
    whole = Spool(decisions)
    run = learner_run(whole)
    work = (
        f"log → join → learn, with checkpoints and snapshots: {decisions:,} pages of 240 titles, "
        f"{SEEN_TITLES} of them seen and {PLAYS_OF_SEEN:.0%} of these played, one core"
    )
    board.add(
        "learner_outcomes_per_s",
        whole.seen / run.seconds,
        "outcomes/s",
        f"titles seen and learned: {work}; beside them {run.examples['rows']:,} rows were learned",
        WANTED,
    )
    board.add("learner_records_per_s", run.records / run.seconds, "records/s", "of the same run")
    rates = {1.0: decisions / run.seconds}
    board.add("learner_pages_per_s", rates[1.0], "pages/s", "of the same run")
    for share in SHARES:
        thinned = whole._replace(zero_reward_share=share)
        run = learner_run(thinned)
        rates[share] = decisions / run.seconds
        learned = run.examples["artwork"] / thinned.seen
        board.add(
            f"learner_outcomes_per_s_share_{share * 100:.0f}",
            thinned.seen / run.seconds,
            "outcomes/s",
            f"the same with zero_reward_share {share:g} on both surfaces: titles seen, of which "
            f"{learned:.0%} were learned, for all of them",
        )
    add_keeping_up(board, rates)
    alone = Spool(single, single=True)
    board.add(
        "learner_single_outcomes_per_s",
        alone.seen / learner_run(alone).seconds,
        "outcomes/s",
        f"{single:,} decisions of one title each, seen and one in ten played",
    )


def add_keeping_up(board: Board, rates: Mapping[float, float]) -> None:
    """Add the pages a second whose feedback is learned, and set it against those served.

    Args:
        board: its figure ``page_http_per_s``, if this run has measured it, is what is served.
        rates: pages a second by share of zero rewards, the largest share first.
    """
    served = board.figures.get(SERVED)
    work = f"whose feedback ({SEEN_TITLES} titles seen, {PLAYS_OF_SEEN:.0%} played) is learned"
    if served is None:
        work += f"; {SERVED} was not measured in this run"
        board.add("learner_keeps_up_pages_per_s", rates[1.0], "pages/s", work)
        return
    told = f"{work}; {served.value:,.0f}/s were served, {keeps_up(rates, served.value)}"
    board.add("learner_keeps_up_pages_per_s", rates[1.0], "pages/s", told)
    board.add(
        "learner_keeps_up_ratio",
        rates[1.0] / served.value,
        "×",
        f"of the pages served at the peak, {SERVED}: {keeps_up(rates, served.value)}; both peaks "
        "had the machine to themselves",
    )


def keeps_up(rates: Mapping[float, float], served: float) -> str:
    """Say whether the learner keeps up with the pages served, or what makes it keep up."""
    if rates[1.0] >= served:
        return "the learner keeps up with all of it"
    behind = f"the learner falls behind by {served - rates[1.0]:,.0f} pages/s"
    for share, rate in rates.items():
        if rate >= served:
            return f"{behind}; with zero_reward_share = {share:g} it keeps up ({rate:,.0f}/s)"
    share, rate = max(rates.items(), key=lambda item: item[1])
    least = served - rate
    return f"{behind}; with zero_reward_share = {share:g} by {least:,.0f} pages/s ({rate:,.0f}/s)"


def add_features(board: Board, counts: Sequence[int], *, decisions: int) -> None:
    """Add how the rate goes with the features of an artwork."""
    points = []
    for count in counts:
        spool = Spool(decisions, titles=400, artwork_features=count)
        points.append((count, spool.seen / learner_run(spool).seconds))
    board.curve(
        "learner_by_features",
        "features an artwork",
        "outcomes/s",
        {"Marquee": points},
        f"log → join → learn {decisions:,} pages, all artwork features crossed with 20 context "
        "features",
        "x",
    )


def learner_run(spool: Spool) -> LearnerRun:
    """Fill a spool with whole pages, or single titles, and let a learner learn all of it."""
    decisions = spool.decisions
    with tempfile.TemporaryDirectory(prefix="marquee-bench-learner-") as name:
        config = _config(Path(name), spool.zero_reward_share)
        document = standard_catalog(spool.titles, artwork_features=spool.artwork_features)
        catalogs = CatalogStore(config.catalog.directory, config.limits)
        version = catalogs.save(document)
        window_s = config.reward.window_s + config.reward.clock_leeway_s + LEEWAY_S
        clock = WallClock()
        past = ManualClock(clock.now_us() - to_us(window_s))
        pages_asked = standard_pages(document, min(decisions, DISTINCT_PAGES))
        if spool.single:
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
        return LearnerRun(seconds, records, examples)


def _config(directory: Path, zero_reward_share: float) -> Config:
    surfaces = Config().surfaces
    return Config(
        log=LogConfig(directory=str(directory / "log"), queue_max=1_000_000),
        catalog=CatalogConfig(directory=str(directory / "catalog")),
        learner=LearnerConfig(directory=str(directory / "learner")),
        snapshots=SnapshotsConfig(directory=str(directory / "snapshots")),
        surfaces=replace(
            surfaces,
            artwork=replace(surfaces.artwork, zero_reward_share=zero_reward_share),
            rows=replace(surfaces.rows, zero_reward_share=zero_reward_share),
        ),
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
