"""A production configuration judges logs: its own exactly, others' by its own probabilities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandit.config.loading import load_config
from bandit.events import DecisionRecord
from simulator.datasets.joining import concatenate
from simulator.environments.recording import logged_choices, logged_rankings
from simulator.errors import TargetError
from simulator.logged import CodeArray, DecisionOrigin, LoggedChoices, LoggedRankings
from simulator.loop import Round, run
from simulator.policies.production import ProductionPolicy, Settings
from simulator.policies.production_target import JudgedSettings, ProductionTarget
from simulator.policies.registry import make_policy
from simulator.policies.targets import make_target
from simulator.targets import check_pmf
from tests.simulator.tiny_world import CAROUSEL, TinyWorld

TOML = """
[reward]
close_after_play_s = "none"
[surfaces.artwork]
exploration = { type = "thompson", scale = 1.0 }
[surfaces.artwork.model]
bits = 12
[surfaces.rows]
exploration = { type = "plackett_luce", temperature = 0.1 }
[surfaces.rows.model]
bits = 12
"""
BATCHES = 4


def configured(root: Path, text: str = TOML) -> Path:
    path = root / "site.toml"
    path.write_text(text)
    return path


def own_log(path: Path) -> list[tuple[LoggedChoices, LoggedRankings]]:
    """Return what production logged, batch by batch, with its decisions."""
    world = TinyWorld(batches=BATCHES)
    policy = ProductionPolicy(load_config(path, {}), name="site", settings=Settings(delays=False))
    catalogs = {}
    parts = []
    for pages, served, displays in run(world, policy, 11):
        catalogs[policy.serving.catalog.version] = world.document
        records = list(policy.decisions)
        choices = logged_choices(world, pages, served, displays)
        titles = title_places(world, records, Round(pages, served, displays))
        origin = DecisionOrigin(records, displays.page, titles, catalogs)
        rankings = logged_rankings(world, pages, served, displays)
        every = np.arange(pages.size, dtype=np.int32)
        rows = DecisionOrigin(records, every, np.full_like(every, -1), catalogs)
        parts.append((replace(choices, origin=origin), replace(rankings, origin=rows)))
    return parts


def title_places(world: TinyWorld, records: list[DecisionRecord], one: Round) -> CodeArray:
    """Return (n,) where each display's title stands in its decision."""
    pages, served, displays = one
    places = [
        {choice.title: place for place, choice in enumerate(record.titles)} for record in records
    ]
    rows = served.order[displays.page, displays.position]
    shown = pages.titles[displays.page, rows, displays.column]
    names = [world.document.titles[code].id for code in shown.tolist()]
    found = [places[page][name] for page, name in zip(displays.page.tolist(), names, strict=True)]
    return np.array(found, np.int32)


def test_trained_on_its_own_log_it_is_the_policy_that_went_on_serving(tmp_path: Path) -> None:
    path = configured(tmp_path)
    parts = own_log(path)
    target = make_target(str(path))
    assert target.learns
    assert target.name == "site"
    target.fit(concatenate([choices for choices, _ in parts[:-1]]))
    last, order = parts[-1]
    np.testing.assert_allclose(target.chosen_probability(last), last.propensity, atol=1e-12)
    pmf = target.pmf(last)
    check_pmf(pmf, last.eligible())
    np.testing.assert_array_equal(
        pmf[np.arange(len(last)), last.action], target.chosen_probability(last)
    )
    # Titles told each row's reward too, so that rows were learned as well.
    np.testing.assert_allclose(target.conditional_probability(order), order.propensity, atol=1e-12)


def test_before_any_training_it_is_the_cold_policy(tmp_path: Path) -> None:
    path = configured(tmp_path)
    first, order = own_log(path)[0]
    target = make_target(str(path))
    np.testing.assert_array_equal(target.chosen_probability(first), first.propensity)
    np.testing.assert_array_equal(target.conditional_probability(order), order.propensity)
    marginal = target.marginal_probability(order)
    np.testing.assert_array_equal(marginal, np.ones(marginal.shape))


def test_what_is_asked_of_rankings_agrees(tmp_path: Path) -> None:
    path = configured(tmp_path)
    parts = own_log(path)
    target = make_target(str(path))
    target.fit(parts[0][1])
    order = parts[1][1]
    placed = order.placed()
    conditional = target.conditional_probability(order)
    pmf = target.conditional_pmf(order)
    index = np.maximum(order.items, 0)[:, :, None].astype(np.intp)
    chosen = np.take_along_axis(pmf, index, 2)[:, :, 0]
    np.testing.assert_allclose(np.where(placed, chosen, 1.0), conditional, atol=1e-12)
    np.testing.assert_allclose(pmf.sum(axis=2), placed.astype(float), atol=1e-12)
    # At the top nothing stands above.
    marginal = target.marginal_probability(order)
    np.testing.assert_allclose(marginal[:, 0], conditional[:, 0], atol=1e-9)
    placements = target.placement_probability(order)
    every = np.arange(order.items.shape[1])
    np.testing.assert_allclose(
        np.where(placed, placements[:, every, every], 1.0), marginal, atol=1e-12
    )
    assert len(np.unique(conditional)) > 50


def test_a_display_that_the_catalog_does_not_have_is_refused(tmp_path: Path) -> None:
    path = configured(tmp_path)
    first, _ = own_log(path)[0]
    assert first.origin is not None
    lost = first.origin._replace(catalogs=None)
    target = make_target(str(path))
    with pytest.raises(TargetError, match="did not come with it"):
        target.chosen_probability(replace(first, origin=lost))
    shifted = replace(first, action=((first.action + 1) % first.action_counts()).astype(np.int32))
    with pytest.raises(TargetError, match="other artworks than the log says"):
        target.chosen_probability(shifted)
    with pytest.raises(TargetError, match="between 0 and 1"):
        target.fit(replace(first, reward=first.reward + 2))


def test_rounds_without_decisions_are_told_by_their_names(tmp_path: Path) -> None:
    world = TinyWorld(batches=3, batch=200)
    rounds = list(run(world, make_policy("uniform"), 2))
    logs = [logged_choices(world, *one) for one in rounds]
    target = make_target(str(configured(tmp_path)))
    target.fit(concatenate(logs[:-1]))
    last = logs[-1]
    pmf = target.pmf(last)
    check_pmf(pmf, last.eligible())
    # Viewers like the artwork of their mood: the probability of it must have grown.
    assert last.segment is not None
    liked = np.take_along_axis(pmf, last.segment[:, None].astype(np.intp), 1)[:, 0]
    assert liked.mean() > 1.5 * (1 / last.action_counts()).mean()
    # Nothing was told of rows, which stand as asked.
    orders = logged_rankings(world, *rounds[-1])
    assert set(target.conditional_probability(orders).ravel()) == {0.0, 1.0}


def test_rows_alone_are_told_by_their_names(tmp_path: Path) -> None:
    world = TinyWorld(CAROUSEL, batches=3, batch=100)
    logs = [logged_rankings(world, *one) for one in run(world, make_policy("uniform"), 2)]
    target = make_target(str(configured(tmp_path)))
    target.fit(logs[0])
    conditional = target.conditional_probability(logs[1])
    assert (conditional > 0).all()
    assert len(np.unique(conditional)) > 100


def test_snapshots_of_a_directory_are_judged_as_they_are(tmp_path: Path) -> None:
    config = load_config(configured(tmp_path), {})
    target = ProductionTarget(
        config, name="kept", settings=JudgedSettings(snapshots=str(tmp_path / "none"))
    )
    assert not target.learns
