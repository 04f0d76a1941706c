"""Two lines in one worker: the one that is promoted decides, as soon as it can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bandit.catalog import CatalogStore
from bandit.challenger.line_file import POINTER, LineFile, Move
from bandit.clock import ManualClock
from bandit.config import Config, parse_config
from bandit.engine import ModelArrays
from bandit.eventlog.memory import MemoryEventLog
from bandit.events import DecisionRecord
from bandit.metrics import NoMetrics
from bandit.policy import Policy
from bandit.snapshots import MemorySnapshotStore, SnapshotDetails
from bandit.types import Artwork, LineName, Surface, Title
from server.page_ranker import PageRanker
from server.serving import RETRY_AFTER_US, Contender, ServingState
from server.tokens import TokenSigner
from server.wire import RankRequest

BITS = 10
OVERLAY = "digest"
CONFIGS: dict[LineName, Config] = {
    "champion": parse_config({"surfaces": {"artwork": {"exploration": {"type": "uniform"}}}}),
    "challenger": parse_config({"surfaces": {"artwork": {"exploration": {"type": "greedy"}}}}),
}


class World:
    """A worker's serving state, and the stores of both lines."""

    def __init__(self, root: Path) -> None:
        self.clock = ManualClock(1_700_000_000_000_000)
        self.lines = LineFile(root / "challenger")
        self.root = root
        self.stores: dict[LineName, MemorySnapshotStore] = {
            "champion": MemorySnapshotStore(),
            "challenger": MemorySnapshotStore(),
        }
        self.catalogs = CatalogStore(root / "catalog", CONFIGS["champion"].limits)
        self.state = ServingState(
            CONFIGS["champion"],
            self.catalogs,
            self.stores["champion"],
            self.clock,
            NoMetrics(),
            Contender(self.stores["challenger"], self.lines, OVERLAY),
        )

    def publish(self, line: LineName, surface: Surface, scale: float = 1.0) -> str:
        table = np.full(1 << BITS, scale, np.float32)
        details = SnapshotDetails(
            created_at_us=1,
            bits=BITS,
            interactions=[],
            constant=False,
            engine_version="1",
            examples_learned=1,
            log_clock_us=1,
        )
        return self.stores[line].publish(surface, ModelArrays(table, table), b"", details).version

    def move(self, *, promotes: bool, overlay: str = OVERLAY) -> None:
        move = Move(
            at_us=1,
            what="promoted" if promotes else "demoted",
            by="hand",
            number=0,
            overlay=overlay,
            evidence={},
            snapshots={},
            changes={},
        )
        assert self.lines.move(move, "champion" if promotes else "challenger") is not None

    def served(self) -> tuple[LineName, dict[Surface, str]]:
        self.state.refresh_models()
        current = self.state.current
        return current.line, {name: model.version for name, model in current.models.items()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_promoted_line_serves_by_its_own_models_and_their_successors(world: World) -> None:
    ours = world.publish("champion", "artwork", 1.0)
    theirs = world.publish("challenger", "artwork", 2.0)
    assert ours != theirs
    assert world.served() == ("champion", {"artwork": ours})
    world.move(promotes=True)
    assert world.served() == ("challenger", {"artwork": theirs})
    newer = world.publish("challenger", "artwork", 3.0)
    champions = world.publish("champion", "artwork", 4.0)
    assert world.served() == ("challenger", {"artwork": newer})
    world.move(promotes=False)
    assert world.served() == ("champion", {"artwork": champions})


def test_a_line_without_the_champion_s_models_does_not_serve(world: World) -> None:
    ours = {
        "artwork": world.publish("champion", "artwork"),
        "rows": world.publish("champion", "rows"),
    }
    world.publish("challenger", "artwork", 2.0)
    world.move(promotes=True)
    assert world.served() == ("champion", ours)
    assert world.state.last_rejection is not None
    assert "no model" in world.state.last_rejection.why
    world.publish("challenger", "rows", 2.0)
    world.clock.advance_s(RETRY_AFTER_US / 1e6)
    assert world.served()[0] == "challenger"


def test_another_overlay_than_the_one_promoted_does_not_serve(world: World) -> None:
    world.publish("challenger", "artwork")
    world.move(promotes=True, overlay="another")
    assert world.served()[0] == "champion"


def test_a_pointer_that_cannot_be_read_changes_nothing(world: World) -> None:
    world.publish("challenger", "artwork")
    world.move(promotes=True)
    assert world.served()[0] == "challenger"
    (world.root / "challenger" / POINTER).write_bytes(b"{")
    assert world.served()[0] == "challenger"
    assert world.state.last_rejection is not None


def test_decisions_are_made_by_the_serving_line_s_policy_and_say_so(world: World) -> None:
    events = MemoryEventLog(world.clock)
    ranker = PageRanker(
        {line: Policy(config) for line, config in CONFIGS.items()},
        world.state,
        CONFIGS["champion"].log,
        writer=events.writer(),
        reader=events.reader(),
        tokens=TokenSigner([b"0123456789abcdef"], tenant="x", age_max_s=60.0, leeway_s=1.0),
        clock=world.clock,
        metrics=NoMetrics(),
    )
    artworks = [Artwork(f"a{art}", {"mood": f"m{art}"}) for art in range(4)]
    # Of one who is in the learned share.
    page = RankRequest(viewer_id="v3", titles=[Title("t", artworks)])

    def decided() -> tuple[str, str, float]:
        ranker.rank(page)
        (*_, last) = events.reader().read("spool-000", 0, 100).records
        assert isinstance(last.record, DecisionRecord)
        return last.record.line, last.record.policy, last.record.titles[0].propensity

    world.publish("champion", "artwork")
    world.publish("challenger", "artwork", 2.0)
    world.served()
    assert decided() == ("champion", "uniform+plackett_luce", 0.25)
    world.move(promotes=True)
    world.served()
    assert decided()[:2] == ("challenger", "greedy+plackett_luce")
