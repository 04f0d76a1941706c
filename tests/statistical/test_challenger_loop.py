"""A small site in one process: one line serves, both learn, and pages are judged as they close.

Nothing is replaced but the clock and the log's disk: production's policy decides by the newest
snapshot, VW learns, and the challenger's learner judges. Viewers have one of four tastes, told by
the context, and play what is to it three times as often. Seeds are fixed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.challenger.evidence import Evidence, read_evidence
from bandit.challenger.running import make_learner
from bandit.clock import ManualClock
from bandit.config import Config, parse_config
from bandit.config.overlay import make_challenger
from bandit.eventlog.memory import MemoryEventLog
from bandit.events import DecisionRecord, FeedbackRecord, Record
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.policy import Policy, Serving
from bandit.secret_keys import snapshot_keys
from bandit.serving import ServedModel
from bandit.snapshots import FileSnapshotStore
from bandit.types import Artwork, Page, Surface, Title
from server.serving import shape_of

TASTES = ("face", "couple", "group", "landscape")
TITLES = 8
BATCH = 25
UNIFORM = {"type": "uniform"}
LEARNED = {"type": "epsilon_greedy", "epsilon": 0.2}


class Loop:
    """Serves pages, and lets both lines learn from what viewers make of them."""

    def __init__(self, root: Path, serving: dict[str, Any], other: dict[str, Any]) -> None:
        self.config = _configured(root, serving)
        overlay = {"surfaces": {"artwork": {"exploration": other}}}
        challenger = make_challenger(self.config, overlay, "overlay.toml")
        self.random = np.random.default_rng(9)
        self.clock = ManualClock(1_700_000_000_000_000)
        log = MemoryEventLog(self.clock)
        self.writer = log.writer()
        catalogs = CatalogStore(root / "catalog", self.config.limits)
        titles = [
            Title(f"t{title}", [Artwork(taste, {"subject": taste}) for taste in TASTES])
            for title in range(TITLES)
        ]
        self.catalog = catalogs.load(catalogs.save(CatalogDocument(titles)))
        self.store = FileSnapshotStore(self.config.snapshots.directory, snapshot_keys(self.config))
        self.policy = Policy(self.config)
        self.learners = (
            Learner(self.config, log.reader(), self.store, catalogs, self.clock, NoMetrics()),
            make_learner(self.config, challenger, log.reader(), self.clock),
        )
        self.pages = 0

    def run(self, pages: int) -> Evidence:
        """Serve pages; return what is known in the end."""
        for _ in range(pages // BATCH):
            serving = Serving(self.catalog, self._models())
            records = [record for _ in range(BATCH) for record in self._page(serving)]
            self.writer.append(records).wait(10)
            self.clock.advance_s(60)
            now_us = self.clock.now_us()
            for learner in self.learners:
                while not learner.step(now_us).idle:
                    pass
                learner.publish(now_us)
                learner.checkpoint(now_us)
        told = read_evidence(Path(self.config.challenger.directory))
        assert told is not None
        return told

    def _models(self) -> dict[Surface, ServedModel]:
        pointer = self.store.pointer("artwork")
        if pointer is None:
            return {}
        manifest, arrays = self.store.load_arrays("artwork", pointer.version)
        return {"artwork": ServedModel(pointer.version, shape_of(manifest), arrays)}

    def _page(self, serving: Serving) -> list[Record]:
        self.pages += 1
        taste = TASTES[self.random.integers(4)]
        page = Page(
            viewer_id=f"v{self.pages}",
            context={"taste": taste},
            titles=[f"t{title}" for title in range(TITLES)],
        )
        made = self.policy.decide(
            page, decision_id=f"d{self.pages}", now_us=self.clock.now_us(), serving=serving
        ).record
        return [made, *self._feedback(made, taste)]

    def _feedback(self, decision: DecisionRecord, taste: str) -> list[FeedbackRecord]:
        events = []
        for choice in decision.titles:
            name = f"{decision.decision_id}-{choice.title}"
            plays = self.random.random() < (0.3 if choice.artwork == taste else 0.1)
            events.append(
                FeedbackRecord(
                    event_id=name,
                    decision_id=decision.decision_id,
                    type="play" if plays else "impression",
                    title=choice.title,
                    seconds=600.0 if plays else None,
                )
            )
        return events


def _configured(root: Path, exploration: dict[str, Any]) -> Config:
    return parse_config(
        {
            "surfaces": {
                "artwork": {
                    "holdout": 0.0,
                    "explore": 0.1,
                    "model": {"bits": 12, "learning_rate": 0.5},
                    "exploration": exploration,
                },
                "rows": {"model": {"bits": 10}},
            },
            "reward": {"window_s": 30.0, "clock_leeway_s": 0.0},
            "catalog": {"directory": str(root / "catalog")},
            "log": {"directory": str(root / "log"), "retention_s": "none"},
            "snapshots": {"directory": str(root / "snapshots")},
            "learner": {"directory": str(root / "learner")},
            "auth": {"secrets_directory": str(root / "secrets")},
            "challenger": {"directory": str(root / "challenger"), "decisions_min": 300},
        }
    )


def test_one_that_uses_what_it_learned_is_wanted_in_place_of_chance(tmp_path: Path) -> None:
    found = Loop(tmp_path, UNIFORM, LEARNED).run(600)
    assert found.wants_move
    # 0.8 once it has learned, and less at first.
    assert found.lift.value == pytest.approx(0.7, abs=0.3)
    assert found.lift.low is not None
    assert found.lift.low > 0


def test_chance_is_not_wanted_in_place_of_what_was_learned(tmp_path: Path) -> None:
    found = Loop(tmp_path, LEARNED, UNIFORM).run(600)
    assert not found.wants_move
    assert found.lift.high is not None
    assert found.lift.high < 0, "it is known to be worse"
    assert "not better" in found.verdict


def test_one_that_does_the_same_is_not_told_apart(tmp_path: Path) -> None:
    """It learned the same, by itself."""
    found = Loop(tmp_path, LEARNED, LEARNED).run(400)
    assert found.champion == found.challenger
    assert found.champion.value
    assert not found.wants_move
