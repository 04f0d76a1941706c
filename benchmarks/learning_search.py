"""The staged search: each stage varies one thing around the best of the stages before.

A full grid would take hours, and effects that matter here are large beside their interplay. What
is best is the mean share over horizons and worlds; whether it is *clearly* better is for the
reader, who is shown the spread over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from bandit.exploration import EpsilonGreedy, Exploration, Greedy, SquareCB, Thompson
from bandit.ranking import PlackettLuce
from benchmarks.learning_simulation import Settings, Trial, run_trial
from benchmarks.learning_worlds import WorldName

Crosses = list[list[str]]
Worlds = dict[WorldName, Sequence[int]]
"""The horizons, in pages, at which a world's share is taken."""

INTERACTIONS: dict[str, Crosses] = {
    "context×artwork": [["context", "artwork"]],
    "+ context×title": [["context", "artwork"], ["context", "title"]],
    "+ title×artwork": [["context", "artwork"], ["title", "artwork"]],
    "+ both": [["context", "artwork"], ["context", "title"], ["title", "artwork"]],
    "+ context×title×artwork": [["context", "artwork"], ["context", "title", "artwork"]],
    "everything × everything": [
        ["context", "title"],
        ["context", "artwork"],
        ["context", "id"],
        ["title", "artwork"],
        ["title", "id"],
        ["artwork", "id"],
    ],
    "nothing crossed": [],
}

ROW_INTERACTIONS: dict[str, Crosses] = {
    "context×row": [["context", "row"]],
    "+ context×id": [["context", "row"], ["context", "id"]],
}


class Finding(NamedTuple):
    """What one setting came to."""

    stage: str
    label: str
    settings: Settings
    shares: dict[WorldName, list[list[float]]]
    """By world: one list a seed, one share a horizon."""

    @property
    def merit(self) -> float:
        """The mean share over horizons, seeds and worlds."""
        return float(np.mean([np.mean(shares) for shares in self.shares.values()]))


class Search:
    """Runs settings over seeds and worlds, and remembers what they came to."""

    def __init__(
        self, executor: Executor, seeds: Sequence[int], worlds: Worlds, tell: Callable[[str], None]
    ) -> None:
        self._executor = executor
        self._seeds = seeds
        self._worlds = worlds
        self._tell = tell
        self.findings: list[Finding] = []

    def stage(
        self, stage: str, choices: dict[str, Settings], worlds: Sequence[WorldName]
    ) -> Settings:
        """Run all choices and return the best."""
        trials = [
            (label, Trial(settings, world, seed, self._worlds[world]))
            for label, settings in choices.items()
            for world in worlds
            for seed in self._seeds
        ]
        results = self._executor.map(run_trial, [trial for _, trial in trials])
        found: dict[str, dict[WorldName, list[list[float]]]] = {}
        for (label, trial), shares in zip(trials, results, strict=True):
            found.setdefault(label, {}).setdefault(trial.world, []).append(shares)
        findings = [Finding(stage, label, choices[label], found[label]) for label in choices]
        self.findings += findings
        best = max(findings, key=lambda finding: finding.merit)
        self._tell(f"{stage}: {best.label} ({best.merit:.3f})")
        return best.settings


def search_artwork(search: Search, start: Settings, *, quick: bool) -> Settings:
    """Search the artwork surface's settings."""
    both: list[WorldName] = ["example", "synthetic"]
    best = search.stage("interactions", dict(_interactions(start, quick=quick)), both)
    if quick:
        return search.stage("exploration", dict(_quick_explorations(best)), ["example"])
    best = search.stage("step", dict(_steps(best)), both)
    best = search.stage("rule", dict(_rules(best)), ["example"])
    best = search.stage("exploration", dict(_explorations(best)), ["example"])
    thompson = search.stage("thompson", dict(_thompsons(best)), ["example"])
    thompson = search.stage("prior", dict(_priors(thompson)), ["example"])
    finals = {"defaults": start, "found": best, "found, thompson": thompson}
    return search.stage("finals", finals, both)


def search_rows(search: Search, start: Settings, *, quick: bool) -> Settings:
    """Search the row surface's settings."""
    temperatures = (0.02, 0.05) if quick else (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    choices = {
        f"temperature {value:g}": replace(start, ranking=PlackettLuce(temperature=value))
        for value in temperatures
    }
    best = search.stage("rows: temperature", choices, ["example"])
    if quick:
        return best
    choices = {
        f"{name}, l {rate:g}": _with_model(best, interactions=crosses, learning_rate=rate)
        for name, crosses in ROW_INTERACTIONS.items()
        for rate in (0.02, 0.05, 0.1, 0.2)
    }
    return search.stage("rows: model", choices, ["example"])


def _with_model(settings: Settings, **changes: object) -> Settings:
    return replace(settings, model=replace(settings.model, **changes))


def _interactions(start: Settings, *, quick: bool) -> Iterator[tuple[str, Settings]]:
    for name, crosses in INTERACTIONS.items():
        for rate in (start.model.learning_rate,) if quick else (0.05, 0.2):
            yield (
                f"{name}, l {rate:g}",
                _with_model(start, interactions=crosses, learning_rate=rate),
            )


def _steps(start: Settings) -> Iterator[tuple[str, Settings]]:
    for power, rates in ((0.5, (0.02, 0.05, 0.1, 0.2, 0.5)), (0.0, (0.005, 0.01, 0.02, 0.05, 0.1))):
        for rate in rates:
            label = f"l {rate:g}, power_t {power:g}"
            yield label, _with_model(start, learning_rate=rate, power_t=power)


def _rules(start: Settings) -> Iterator[tuple[str, Settings]]:
    yield "regression, weight 1", start
    yield "with constant", _with_model(start, constant=True)
    yield "weight 1/p clipped at 20", _with_model(start, importance="clipped")
    yield "weight 1/p", _with_model(start, importance="full")
    yield "mtr", _with_model(start, cb_type="mtr")
    yield "l2 1e-6", _with_model(start, l2=1e-6)


def _explorations(start: Settings) -> Iterator[tuple[str, Settings]]:
    strategies: dict[str, Exploration] = {
        "greedy": Greedy(),
        "epsilon 0.02": EpsilonGreedy(epsilon=0.02),
        "epsilon 0.05": EpsilonGreedy(epsilon=0.05),
        "squarecb 500": SquareCB(gamma=500),
        "squarecb 2000": SquareCB(gamma=2000),
        "squarecb 8000": SquareCB(gamma=8000),
    }
    for name, strategy in strategies.items():
        yield name, replace(start, exploration=strategy)


def _quick_explorations(start: Settings) -> Iterator[tuple[str, Settings]]:
    yield "epsilon 0.02", replace(start, exploration=EpsilonGreedy(epsilon=0.02))
    yield "thompson 0.5", replace(start, exploration=Thompson(scale=0.5))


def _thompsons(start: Settings) -> Iterator[tuple[str, Settings]]:
    for source in ("adagrad", "squares"):
        for scale in (0.1, 0.25, 0.5, 1.0):
            yield (
                f"thompson {scale:g} of {source}",
                replace(start, exploration=Thompson(scale=scale), variances=source),
            )


def _priors(start: Settings) -> Iterator[tuple[str, Settings]]:
    for source in ("adagrad", "squares"):
        for variance in (0.0003, 0.001, 0.01, 0.05):
            yield (
                f"prior variance {variance:g}, {source}",
                replace(start, variances=source, prior_variance=variance),
            )
