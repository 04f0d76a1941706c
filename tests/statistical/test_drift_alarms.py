"""Drift alarms ring falsely no more often than is stated, and ring soon where it matters.

With a true rate of false alarms at most ``RATE``, more than ``ALLOWED`` of them come by chance once
in 10,000 runs (alpha = 1e-4); seeds are fixed.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from bandit.config.operations import DriftConfig
from bandit.drift_words import AlarmName
from bandit.insights.alarms import Alarm, Watch, lay_stake, lower_bound, scale_of
from bandit.insights.sums import PAGE_DISPLAYS_MAX, PageSums

RATE = 0.2
LIVES = 150
ALLOWED = int(binom.ppf(1 - 1e-4, LIVES, RATE))
PAGES = 40


def rewards(random: np.random.Generator, factor: float, viewers: int = 50) -> PageSums:
    """Make a slot of pages of viewers who come again, each with a taste of their own.

    A page is played at most once, the more likely the more of it is seen; ``factor`` is by how much
    plays are rarer than usual.
    """
    taste = np.linspace(0.0, 0.2, viewers)[random.integers(0, viewers, PAGES)]
    seen = random.integers(5, 45, PAGES)
    played = random.random(PAGES) < (1.0 - (1.0 - taste) ** seen) * factor
    value = played * random.uniform(0.5, 1.0, PAGES)
    return sums(np.minimum(seen, PAGE_DISPLAYS_MAX["artwork"]), value)


def bits(random: np.random.Generator, factor: float) -> PageSums:
    """Make a slot of pages with some 1.5 bits a display."""
    return sums(np.ones(PAGES), random.gamma(6.0, 0.25, PAGES) * factor)


def sums(weight: np.ndarray, value: np.ndarray) -> PageSums:
    """Sum up pages."""
    return PageSums(
        pages=len(weight),
        weight=float(weight.sum()),
        weight2=float((weight**2).sum()),
        value=float(value.sum()),
        value2=float((value**2).sum()),
        cross=float((weight * value).sum()),
    )


def life(
    name: AlarmName, drift: DriftConfig, seed: int, slots: int, factor: float, change: int
) -> tuple[Alarm, int | None]:
    """Let an alarm live; return it and how many pages after the change it rang."""
    random = np.random.default_rng(seed)
    alarm, scale = Alarm(name, "artwork"), scale_of(name, "artwork", drift, 0.0)
    for slot in range(slots):
        now = factor if slot >= change else 1.0
        made = rewards(random, now) if name == "reward_drop" else bits(random, now)
        alarm.take(made, scale, drift, slot)
        if alarm.raised_at_us is not None:
            return alarm, (slot - change + 1) * PAGES
    return alarm, None


def test_false_alarms_are_as_rare_as_stated() -> None:
    drift = DriftConfig(
        false_alarm_rate=RATE, reference_outcomes=400, reward_drop=0.2, entropy_drop=0.05
    )
    for name in ("reward_drop", "entropy_collapse"):
        lives = [life(name, drift, seed, 200, 1.0, 200) for seed in range(LIVES)]
        assert all(alarm.blocks >= 2 for alarm, _ in lives)
        assert sum(rang is not None for _, rang in lives) <= ALLOWED


def test_a_stake_never_grows_by_itself() -> None:
    """With the usual known, its expectation is at most what was laid (to four standard errors)."""
    scale = scale_of("entropy_collapse", "artwork", DriftConfig(), 0.0)._replace(value_max=1.0)
    random = np.random.default_rng(17)
    stakes = []
    for _ in range(4000):
        watch = Watch(0.5, 0.5)
        for value in random.random((8, PAGES)) < 0.5:
            lay_stake(watch, sums(np.ones(PAGES), value.astype(float)), scale)
        stakes.append(np.exp(watch.log_stake or -np.inf))
    laid = sum(100 / ((slot + 100) * (slot + 101)) for slot in range(8))
    assert np.mean(stakes) <= laid + 4 * np.std(stakes) / len(stakes) ** 0.5
    for value in (0.9, 0.1):
        watch = Watch(0.5, 0.5)
        for _ in range(8):
            lay_stake(watch, sums(np.ones(PAGES), np.full(PAGES, value)), scale)
        assert watch.log_stake is not None
        assert (watch.log_stake > 0) == (value < 0.5)


def test_the_lower_bound_of_the_usual_is_one() -> None:
    drift = DriftConfig(reward_drop=0.2)
    scale = scale_of("reward_drop", "artwork", drift, 0.0)
    random = np.random.default_rng(5)
    whole = PageSums()
    for _ in range(2000):
        whole.include(rewards(random, 1.0))
    true = whole.value / whole.weight
    above = 0
    for seed in range(LIVES):
        random = np.random.default_rng(1000 + seed)
        block = PageSums()
        ever = 0.0
        for _ in range(60):
            block.include(rewards(random, 1.0))
            ever = max(ever, lower_bound(block, scale, RATE))
        assert ever > 0.8 * true
        above += ever > true * 1.005
    assert above <= ALLOWED


def test_a_fall_of_30_percent_rings_within_1500_outcomes() -> None:
    drift = DriftConfig()
    rang = [life("reward_drop", drift, 50 + seed, 300, 0.7, 150)[1] for seed in range(20)]
    assert all(after is not None and 0 < after <= 1500 for after in rang), rang


def test_a_collapse_of_the_entropy_rings_within_500_outcomes() -> None:
    drift = DriftConfig()
    rang = [life("entropy_collapse", drift, seed, 200, 0.4, 150)[1] for seed in range(20)]
    assert all(after is not None and 0 < after <= 500 for after in rang), rang


def test_a_certain_but_small_fall_rings_nothing() -> None:
    drift = DriftConfig(entropy_drop=0.5)
    for seed in range(3):
        alarm, rang = life("entropy_collapse", drift, seed, 120, 0.85, 60)
        assert rang is None
        assert alarm.watch is not None


def test_what_is_usual_follows_what_is_learned() -> None:
    drift = DriftConfig(reference_outcomes=400)
    random = np.random.default_rng(3)
    alarm, scale = (
        Alarm("entropy_collapse", "artwork"),
        scale_of("entropy_collapse", "artwork", drift, 0.0),
    )
    for slot in range(200):
        alarm.take(bits(random, 1.0 + slot / 100), scale, drift, slot)
    assert alarm.usual is not None
    assert alarm.usual > 2.5
    assert alarm.blocks == 4
