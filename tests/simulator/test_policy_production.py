"""Production in process: what is logged, when it is learned, and for whom it decides."""

from __future__ import annotations

import gc
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.config.loading import load_config, parse_config
from bandit.events import FeedbackRecord
from simulator.errors import SimulationError
from simulator.loop import run
from simulator.pages import Displays, Pages, Served
from simulator.policies.answers import Answers, NamedRow, NamedTitle, Places
from simulator.policies.feedback import Reporter
from simulator.policies.production import ProductionPolicy, Settings, simulated_config
from simulator.policies.registry import POLICIES, make_policy
from tests.simulator.tiny_world import CAROUSEL, HOMEPAGE, RULE, Size, TinyWorld

SMALL = "[surfaces.artwork.model]\nbits = 12\n[surfaces.rows.model]\nbits = 12\n"
PAGES = 40
BATCHES = 5


def production(root: Path, text: str = "", **settings: object) -> ProductionPolicy:
    path = root / "site.toml"
    path.write_text(text + SMALL)
    made = make_policy(str(path), **settings)
    assert isinstance(made, ProductionPolicy)
    return made


def world(size: Size = HOMEPAGE) -> TinyWorld:
    return TinyWorld(size, batches=BATCHES, batch=PAGES)


def test_the_policy_is_named_after_its_file(tmp_path: Path) -> None:
    assert production(tmp_path).name == "site"


def test_every_batch_is_learned_before_the_next(tmp_path: Path) -> None:
    policy = production(tmp_path)
    displays = 0
    versions = set()
    for number, one in enumerate(run(world(), policy, 3), 1):
        displays += len(one.displays.page)
        status = policy.status()
        assert sum(status.learned.outcomes.values()) == number * PAGES
        assert status.open_decisions == 0
        assert status.rejections == 0
        versions.add(policy.serving.models["artwork"].version)
    assert len(versions) == BATCHES
    assert status.learned.examples["artwork"] == displays


HASTY = "[reward]\nwindow_s = 15\nclock_leeway_s = 0\nclose_after_play_s = 0.5\n"


def test_nothing_comes_too_late_to_be_learned_however_soon_the_service_closes(
    tmp_path: Path,
) -> None:
    policy = production(tmp_path, HASTY)
    rounds = list(run(world(), policy, 3))
    status = policy.status()
    assert status.joined["late"] == 0
    assert status.learned.examples["artwork"] == sum(len(one.displays.page) for one in rounds)
    rewards = sum(float(one.displays.reward.sum()) for one in rounds)
    assert status.learned.shares["artwork"]["learned"].reward == pytest.approx(rewards)


def test_decisions_close_as_configured_if_asked(tmp_path: Path) -> None:
    policy = production(tmp_path, HASTY, close="configured")
    rounds = list(run(world(), policy, 3))
    status = policy.status()
    assert status.joined["late"] > 0
    rewards = sum(float(one.displays.reward.sum()) for one in rounds)
    assert status.learned.shares["artwork"]["learned"].reward < 0.9 * rewards


def test_unsettled_feedback_is_known_as_late_as_it_would_be(tmp_path: Path) -> None:
    text = '[reward]\nwindow_s = 60\nclock_leeway_s = 0\nclose_after_play_s = "none"\n'
    policy = production(tmp_path, text, settle=False)
    closed = [sum(policy.status().learned.outcomes.values()) for _ in run(world(), policy, 3)]
    # A page a second, 40 a batch: at the end of each those of 60 s ago and before are over.
    assert closed == [0, 20, 60, 100, 140]


def test_feedback_past_the_window_is_late_unless_delays_are_left_out(tmp_path: Path) -> None:
    text = '[reward]\nwindow_s = 15\nclock_leeway_s = 0\nclose_after_play_s = "none"\n'
    late, plays = [], []
    for delays in (True, False):
        policy = production(tmp_path, text, delays=delays, close="configured")
        rounds = list(run(world(), policy, 3))
        late.append(policy.status().joined["late"])
        plays.append(sum(int(one.displays.played.sum()) for one in rounds))
    assert late[0] >= plays[0] > 0
    assert late[1] == 0


def test_models_are_published_after_so_many_batches(tmp_path: Path) -> None:
    policy = production(tmp_path, publish_batches=2)
    served = [len(policy.serving.models) for _ in run(world(), policy, 3)]
    assert served == [0, 2, 2, 2, 2]


def test_shares_are_served_as_configured_if_asked(tmp_path: Path) -> None:
    text = "[surfaces.artwork]\nholdout = 1.0\nexplore = 0.0\n"
    everybody = production(tmp_path, text)
    held_out = production(tmp_path, text, shares="configured")
    for policy, expected in ((everybody, "learned"), (held_out, "holdout")):
        place = world()
        policy.reset(place, 1)
        policy.serve(place.reset(1))
        assert {one.shares["artwork"] for one in policy.decisions} == {expected}


def test_the_configuration_of_a_run() -> None:
    given = parse_config({"reward": {"click": 0.9}})
    seeded = simulated_config(given, Settings(), RULE, 8)
    assert seeded.surfaces.salt == f"{given.surfaces.salt}/8"
    assert seeded.surfaces.rows.explore == 0.0
    replace = msgspec.structs.replace
    waiting = replace(given.reward, close_after_play_s=None, window_s=86_400.0)
    assert seeded.reward == waiting
    unsettled = simulated_config(given, Settings(settle=False), RULE, 8)
    assert unsettled.reward == replace(given.reward, close_after_play_s=None)
    asked = Settings(shares="configured", rule="environment", close="configured")
    configured = simulated_config(given, asked, RULE, 8)
    assert configured.surfaces.rows == given.surfaces.rows
    assert configured.reward == RULE
    longer = parse_config({"reward": {"window_s": 1e6}, "auth": {"token_age_max_s": 1e7}})
    assert simulated_config(longer, Settings(), RULE, 8).reward.window_s == 1e6


@pytest.mark.parametrize("size", [HOMEPAGE, CAROUSEL], ids=["homepage", "carousel"])
def test_it_learns_what_viewers_like(tmp_path: Path, size: Size) -> None:
    place = TinyWorld(size, batches=8, batch=150)
    earned = {}
    policies = {"site": production(tmp_path), "uniform": make_policy("uniform")}
    for name, policy in policies.items():
        rounds = list(run(place, policy, 4))
        earned[name] = float(rounds[-1].displays.reward.sum())
    # In the last 150 pages; a difference by chance would have to be of some ten deviations.
    assert earned["site"] > 1.3 * earned["uniform"]


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    policy = production(tmp_path)
    list(run(world(), policy, 1))
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    policy.reset(world(), 2)
    gc.collect()
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del policy
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_cannot_be_made_or_asked_is_told(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"call reset\(\)"):
        production(tmp_path).status()
    with pytest.raises(SimulationError, match="no policy 'best'"):
        make_policy("best")
    with pytest.raises(SimulationError, match="no setting 'pace'"):
        production(tmp_path, pace=3)
    with pytest.raises(SimulationError, match="shares cannot be"):
        production(tmp_path, shares="all")
    assert all(spec.description for spec in POLICIES.values())
    assert load_config(tmp_path / "site.toml", {}).surfaces.artwork.model.bits == 12


def one_page() -> tuple[TinyWorld, Pages, Served]:
    place = world()
    pages = place.reset(2)
    return place, pages, place.best(pages)


def display(**changes: object) -> Displays:
    """Return one display, of the first page's second row and its first title."""
    columns: dict[str, object] = {
        "page": 0, "position": 1, "column": 0, "clicked": False, "played": False,
        "seconds": 0.0, "fraction": 0.0, "reward": 0.0, "delay_s": 4.0, **changes,
    }  # fmt: skip
    return Displays(**{name: np.array([value]) for name, value in columns.items()})


@pytest.mark.parametrize(
    ("acts", "told"),
    [
        ({}, [("impression", 4)]),
        ({"clicked": True}, [("impression", 0), ("click", 4)]),
        ({"played": True, "seconds": 60.0, "fraction": 0.5}, [("impression", 0), ("play", 4)]),
        (
            {"clicked": True, "played": True, "seconds": 60.0, "fraction": 1.5},
            [("impression", 0), ("click", 0), ("play", 4)],
        ),
    ],
)
def test_displays_are_reported_as_a_client_would(
    acts: dict[str, object], told: list[tuple[str, int]]
) -> None:
    place, pages, served = one_page()
    reported = list(
        Reporter(place.document).report(pages, served, display(**acts), ["d7"] * pages.size)
    )
    assert [(one.event.type, one.after_us // 1_000_000) for one in reported] == told
    row = int(served.order[0, 1])
    for one in reported:
        assert one.page == 0
        assert one.event.decision_id == "d7"
        assert one.event.row == f"r{pages.rows[0, row]}"
        assert one.event.title == f"t{pages.titles[0, row, 0]}"
    assert len({one.event.event_id for one in reported}) == len(reported)
    last: FeedbackRecord = reported[-1].event
    if last.type == "play":
        assert (last.seconds, last.fraction) == (60.0, min(1.0, float(str(acts["fraction"]))))


def test_answers_to_what_was_not_asked_are_refused() -> None:
    place, pages, _ = one_page()
    answers = Answers(Places(place.document), pages)
    with pytest.raises(SimulationError, match="names 'gone'"):
        answers.add(0, [NamedRow("gone", 1.0)], [])
    with pytest.raises(SimulationError, match="names 'a9'"):
        answers.add(0, [], [NamedTitle("t0", "a9", 1.0)])
