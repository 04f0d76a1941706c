"""The staged search: each stage varies one thing around the best of the stages before.

A full grid would take hours, and effects that matter here are large beside their interplay. What
is best is the mean share over horizons and worlds; whether it is *clearly* better is for the
reader, who is shown the spread over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Final, NamedTuple

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
    "+ all three crossed": [["context", "artwork"], ["context", "title", "artwork"]],
    "everything crossed": [
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


FINAL_SEEDS: Final = tuple(range(11, 17))
"""Other seeds than the search's: the best of many would look better there than it is."""


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
        self,
        stage: str,
        choices: dict[str, Settings],
        worlds: Sequence[WorldName],
        seeds: Sequence[int] = (),
    ) -> Settings:
        """Run all choices, over the search's seeds unless others are given; return the best."""
        trials = [
            (label, Trial(settings, world, seed, self._worlds[world]))
            for label, settings in choices.items()
            for world in worlds
            for seed in seeds or self._seeds
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


def search_artwork(search: Search, start: Settings, *, quick: bool) -> None:
    """Search the artwork surface's settings; the last stage holds the finals on fresh seeds."""
    both: list[WorldName] = ["example", "synthetic"]
    best = search.stage("interactions", dict(_interactions(start)), both)
    if quick:
        search.stage("exploration", dict(_quick_explorations(best)), ["example"])
        return
    best = search.stage("step", dict(_steps(best)), both)
    best = search.stage("rule", dict(_rules(best)), ["example"])
    search.stage("exploration", dict(_explorations(best)), ["example"])
    thompson = search.stage("thompson", dict(_thompsons(best)), ["example"])
    search.stage("prior", dict(_priors(thompson)), ["example"])
    search.stage("finals", dict(_finals(start)), both, FINAL_SEEDS)


def search_rows(search: Search, start: Settings, *, quick: bool) -> None:
    """Search the row surface's settings; the last stage holds the finals on fresh seeds."""
    temperatures = (0.02, 0.05) if quick else (0.005, 0.01, 0.02, 0.05, 0.1)
    choices = {
        f"temperature {value:g}": replace(start, ranking=PlackettLuce(temperature=value))
        for value in temperatures
    }
    best = search.stage("rows: temperature", choices, ["example"])
    if quick:
        return
    choices = {
        f"{name}, l {rate:g}": _with_model(best, interactions=crosses, learning_rate=rate)
        for name, crosses in ROW_INTERACTIONS.items()
        for rate in (0.02, 0.05, 0.1)
    }
    search.stage("rows: model", choices, ["example"])
    search.stage("rows: finals", dict(_row_finals(start)), ["example"], FINAL_SEEDS)


def _with_model(settings: Settings, **changes: object) -> Settings:
    return replace(settings, model=replace(settings.model, **changes))


def _interactions(start: Settings) -> Iterator[tuple[str, Settings]]:
    for name, crosses in INTERACTIONS.items():
        yield name, _with_model(start, interactions=crosses)


def _steps(start: Settings) -> Iterator[tuple[str, Settings]]:
    for power, rates in ((0.5, (0.02, 0.05, 0.1, 0.2)), (0.0, (0.01, 0.02, 0.05))):
        for rate in rates:
            label = f"l {rate:g}, power_t {power:g}"
            yield label, _with_model(start, learning_rate=rate, power_t=power)


def _rules(start: Settings) -> Iterator[tuple[str, Settings]]:
    yield "without constant", _with_model(start, constant=False)
    yield "with constant", _with_model(start, constant=True)
    yield "weight 1/p, at most 20", _with_model(start, importance="clipped")
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
        for scale in (0.05, 0.1, 0.5):
            yield (
                f"{scale:g} of {source}",
                replace(start, exploration=Thompson(scale=scale), variances=source),
            )


def _priors(start: Settings) -> Iterator[tuple[str, Settings]]:
    for source in ("adagrad", "squares"):
        for variance in (0.0001, 0.01):
            yield (
                f"variance {variance:g}, {source}",
                replace(start, variances=source, prior_variance=variance),
            )


def _finals(start: Settings) -> Iterator[tuple[str, Settings]]:
    """Yield the defaults, and each thing that one may want to change about them."""
    yield "defaults", start
    yield "context×artwork", _with_model(start, interactions=INTERACTIONS["context×artwork"])
    yield "l 0.03", _with_model(start, learning_rate=0.03)
    thompson = replace(start, exploration=Thompson())
    yield "thompson", thompson
    yield "thompson, variance 0.01", replace(thompson, prior_variance=0.01)


def _row_finals(start: Settings) -> Iterator[tuple[str, Settings]]:
    yield "defaults", start
    for value in (0.01, 0.05):
        yield f"temperature {value:g}", replace(start, ranking=PlackettLuce(temperature=value))
    yield "+ context×id", _with_model(start, interactions=ROW_INTERACTIONS["+ context×id"])
