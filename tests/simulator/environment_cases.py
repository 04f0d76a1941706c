"""What tests of environments share: uniform choices, a small carousel's data, a small log."""

from __future__ import annotations

import numpy as np

from simulator.datasets.deezer import DeezerData, load_deezer
from simulator.logged import LoggedChoices
from simulator.pages import Environment, Pages, Served
from tests.real_data import deezer_directory


def deezer() -> DeezerData:
    """Return the real data; without them the calling test is skipped, in CI it fails."""
    return load_deezer(deezer_directory())


def deezer_like(playlists: int = 20, dimensions: int = 5) -> DeezerData:
    """Return small data of the same kind, with likelier streams."""
    random = np.random.default_rng(8)
    table = random.normal(0, 0.5, (playlists, dimensions + 1))
    table[:, -1] = -2.0
    users = random.normal(0, 1, (9, dimensions))
    return DeezerData(playlists=table, users=users, segments=np.zeros(9, np.int32))


def uniform_log(rounds: int, sets: int = 3, seed: int = 1) -> LoggedChoices:
    """Return a log of uniform choices out of action sets of 2, 3, … items."""
    random = np.random.default_rng(seed)
    sizes = np.arange(2, 2 + sets)
    starts = np.cumsum(sizes) - sizes
    place = np.arange(sizes.max())
    table = np.where(place < sizes[:, None], starts[:, None] + place, -1).astype(np.int32)
    chosen = random.integers(0, sets, rounds)
    action = (random.random(rounds) * sizes[chosen]).astype(np.int32)
    context = random.normal(0, 1, (rounds, 2)).astype(np.float32)
    chance = 1 / (1 + np.exp(-(action - 1.0) * context[:, 0]))
    return LoggedChoices(
        action=action,
        reward=(random.random(rounds) < chance).astype(np.float64),
        propensity=1 / sizes[chosen],
        action_count=int(sizes.max()),
        candidates=table[chosen],
        position=random.integers(0, 2, rounds).astype(np.int32),
        context=context,
    )


def uniform_served(environment: Environment, pages: Pages, random: np.random.Generator) -> Served:
    """Choose every order and artwork alike."""
    rows = pages.rows.shape[1]
    order = random.random(pages.rows.shape).argsort(axis=1)[:, : pages.rows_served]
    turn = 1.0 / np.arange(rows, rows - pages.rows_served, -1)
    counts = np.diff(environment.items.artwork_offsets)
    there = pages.titles >= 0
    eligible = counts[pages.titles] if pages.titles.size else np.ones(pages.titles.shape, np.intp)
    artworks = (random.random(pages.titles.shape) * eligible).astype(np.int32)
    return Served(
        order.astype(np.int32),
        np.tile(turn, (pages.size, 1)),
        np.where(there, artworks, -1).astype(np.int32),
        np.where(there, 1.0 / eligible, 1.0),
    )
