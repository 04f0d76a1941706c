"""A small seeded world to learn from: a catalog, and pages with the feedback they got."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.clock import ManualClock
from bandit.config.schema import (
    CatalogConfig,
    ChallengerConfig,
    Config,
    DriftConfig,
    InsightsConfig,
    LearnerConfig,
    LimitsConfig,
    LogConfig,
    SnapshotsConfig,
)
from bandit.eventlog.protocol import EventWriter
from bandit.events import DecisionRecord, FeedbackRecord, Record
from bandit.learner import Learner
from bandit.reward import RewardRule
from bandit.types import SURFACES, Artwork, Row, RowChoice, Share, Title, TitleChoice

TITLES = 24
ARTWORKS = 4
ROWS = 6
SUBJECTS = ("face", "couple", "group", "landscape")
RULE = RewardRule(window_s=60, clock_leeway_s=5, close_after_play_s=1)


def document(titles: int = TITLES, artworks: int = ARTWORKS, rows: int = ROWS) -> CatalogDocument:
    """Make titles whose artworks differ in their subject."""
    made = [
        Title(
            f"t{index}",
            [
                Artwork(f"a{place}", {"subject": SUBJECTS[place % 4], "bright": place / artworks})
                for place in range(artworks)
            ],
            {"genre": f"g{index % 5}", "year": index / titles},
        )
        for index in range(titles)
    ]
    shelves = [
        Row(f"r{index}", {"kind": f"k{index % 3}"}, [one.id for one in made[index::rows]])
        for index in range(rows)
    ]
    return CatalogDocument(made, shelves)


def page(number: int, catalog: str, rng: random.Random) -> list[Record]:
    """Make a decision and its feedback, which may come twice, late, or before the decision."""
    name = f"d{number}"
    order = rng.sample(range(ROWS), 3)
    rows = [
        RowChoice(f"r{index}", position, 0.25, False, [f"t{t}" for t in range(index, TITLES, ROWS)])
        for position, index in enumerate(order)
    ]
    titles = [
        TitleChoice(title, f"a{rng.randrange(ARTWORKS)}", 0.25)
        for row in rows
        for title in row.titles
    ]
    shares: list[Share] = ["learned", "learned", "learned", "holdout", "explore"]
    share = rng.choice(shares)
    decision = DecisionRecord(
        decision_id=name,
        decided_at_us=0,
        body_digest=name.encode(),
        catalog=catalog,
        policy="test",
        shares={"artwork": share, "rows": share},
        titles=titles,
        rows=rows,
        row_candidates=[f"r{index}" for index in range(ROWS)],
        context={"taste": rng.choice(SUBJECTS), "age": rng.random()},
        snapshots={"artwork": "artwork-1", "rows": "rows-1"},
    )
    records: list[Record] = [decision]
    for place, choice in enumerate(titles[: rng.randrange(len(titles))]):
        row = rows[place // 4].id
        event = f"{name}-{place}"
        records.append(
            FeedbackRecord(
                event_id=event, decision_id=name, type="impression", title=choice.title, row=row
            )
        )
        if rng.random() < 0.1:
            records.append(
                FeedbackRecord(
                    event_id=event + "p",
                    decision_id=name,
                    type="play",
                    title=choice.title,
                    row=row,
                    seconds=rng.choice([5.0, 900.0]),
                    fraction=0.5,
                )
            )
        if rng.random() < 0.1:
            records.append(records[-1])
    if rng.random() < 0.1:
        rng.shuffle(records)
    return records


class Chunk(NamedTuple):
    """Records appended at once, and the seconds that pass before."""

    spool: int
    wait_s: float
    records: list[Record]


def chunks(pages: int, catalog: str, *, spools: int = 1, seed: int = 7) -> Iterator[Chunk]:
    """Yield what is written to a log, page after page; stragglers come much later."""
    rng = random.Random(seed)
    stragglers: list[Record] = []
    for number in range(pages):
        records = page(number, catalog, rng)
        if rng.random() < 0.1:
            stragglers.append(records.pop())
        middle = rng.randrange(len(records) + 1)
        for part in (records[:middle], records[middle:]):
            if part:
                yield Chunk(rng.randrange(spools), rng.random() * 2, part)
        if stragglers and rng.random() < 0.05:
            yield Chunk(rng.randrange(spools), 0.1, [stragglers.pop(0)])


def write(writers: Sequence[EventWriter], clock: ManualClock, todo: Iterator[Chunk]) -> None:
    """Append chunks, and wait for each to be durable."""
    for chunk in todo:
        clock.advance_s(chunk.wait_s)
        writers[chunk.spool].append(chunk.records).wait(10)


def config(root: Path, **learner: int | float) -> Config:
    """Return a configuration whose state lies under ``root``; housekeeping is always due."""
    settings = {"publish_interval_s": 1e-6, "checkpoint_interval_s": 1e-6, **learner}
    return Config(
        catalog=CatalogConfig(directory=str(root / "catalog")),
        log=LogConfig(directory=str(root / "log")),
        snapshots=SnapshotsConfig(directory=str(root / "snapshots"), keep=2),
        learner=LearnerConfig(directory=str(root / "learner"), **settings),  # type: ignore[arg-type]
        challenger=ChallengerConfig(directory=str(root / "challenger")),
        reward=RULE,
        insights=InsightsConfig(
            interval_s=2.0,
            intervals_max=9,
            titles_max=TITLES // 2,
            rows_max=ROWS // 2,
            segments=["taste"],
            segment_values_max=2,
        ),
        drift=DriftConfig(reference_outcomes=5, entropy_drop=0.9, reward_drop=0.9),
    )


def store_catalog(root: Path) -> tuple[CatalogStore, str]:
    """Keep the world's catalog under ``root`` and return its store and version."""
    store = CatalogStore(root / "catalog", LimitsConfig())
    return store, store.save(document())


def assert_same_learned(one: Learner, other: Learner) -> None:
    """Check that two learners stand at the same, bit for bit."""
    assert one.counts == other.counts
    assert one.figures == other.figures
    assert one.status(0).joined == other.status(0).joined
    for surface in SURFACES:
        for name, array in one.engines.arrays(surface)._asdict().items():
            np.testing.assert_array_equal(array, getattr(other.engines.arrays(surface), name))
