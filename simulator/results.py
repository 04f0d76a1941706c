"""What the studies find: plain, versioned structs that commands print, files keep, reports draw.

Every study's result is one struct of the union :data:`Result`, stored as JSON with its kind under
``kind``. Reports are made from these files alone, so that a figure can be drawn again, or drawn
better, without running anything twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bandit.files import write_atomically
from simulator.errors import MissingDataError, SimulationError

FORMAT_VERSION = 1

NOT_TRUSTWORTHY: Final = "NOT TRUSTWORTHY"
"""Begins a note that nobody may read a result's numbers without."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An interval for a value."""

    method: str
    level: float
    """Nominal coverage, such as 0.95."""
    low: float
    high: float
    note: str = ""
    """What to know of it: bounds used, clusters, resamples."""


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True):
    """Rounds whose logged propensity of some action lies in one bin."""

    predicted: float
    """Mean logged propensity."""
    observed: float
    """Frequency with which the action was chosen."""
    low: float
    high: float
    """Interval of ``observed``."""
    count: int
    """Rounds in the bin."""


class Diagnostics(msgspec.Struct, frozen=True, kw_only=True):
    """How far an estimate may be trusted."""

    rounds: int
    effective_rounds: float
    """(Σw)² / Σw² (Kish, 1965)."""
    weight_max: float
    weight_mean: float
    """1 in expectation, if the propensities are right and the target is covered."""
    weight_mean_p: float
    """Two-sided p-value of the test that the mean weight is 1."""
    zero_overlap_share: float
    """Share of rounds whose action the target would never take."""
    viewers: int | None = None
    """None where viewers are not known; where they are, verdicts go by them."""
    effective_viewers: float | None = None
    """(ΣW)² / ΣW² of viewers' summed weights."""
    telling_rounds: float | None = None
    """Rounds, or viewers where they are known, that the intervals' width rests on
    (:mod:`simulator.diagnostics.telling`); None where nobody looked at rewards."""
    sound: bool
    """Whether the verdict is a good one."""
    verdict: str
    """In plain words, with what to do."""
    warnings: list[str] = []


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What one estimator says of one policy."""

    policy: str
    estimator: str
    value: float | None
    """None where there is none to be had; the diagnostics' verdict says why."""
    intervals: list[Interval] = []
    parameters: dict[str, float | str] = {}
    """Clipping, shrinkage and the like, and how they were chosen."""
    diagnostics: Diagnostics
    marked: str = ""
    """What a reader must know first, such as "propensities are estimated"."""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by bin: B counts, B + 1 edges."""

    edges: list[float]
    counts: list[int]


class GroupRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table by segment or position."""

    policy: str
    group: str
    rounds: int
    logged_mean: float
    estimate: float | None
    low: float | None
    high: float | None
    effective_rounds: float


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Where a result comes from."""

    command: str
    """As typed, ready to be typed again."""
    seed: int
    started_at: str
    """UTC, ISO 8601."""
    took_s: float
    versions: dict[str, str]
    """Packages that bear on the numbers."""
    machine: str


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was evaluated on."""

    name: str
    kind: str
    """``choices`` or ``rankings``."""
    rounds: int
    viewers: int | None
    actions: int
    logged_mean: float
    """Mean reward of the logging policy: its on-policy value."""
    logged_interval: Interval | None
    propensities: str
    """``logged`` or ``estimated``."""
    skipped: int = 0
    """Bad lines left out, where that was asked for."""
    notes: list[str] = []


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="evaluation"):
    """Policies judged on a log."""

    about: About
    data: DataSummary
    estimates: list[Estimate]
    weights: dict[str, Histogram]
    """By policy."""
    calibration: list[CalibrationBin]
    segments: list[GroupRow]
    positions: list[GroupRow]
    notes: list[str] = []
    """What to know of the run: what trained on which rounds, that it was interrupted."""
    v: int = FORMAT_VERSION


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One policy's standing after so many pages, over all seeds."""

    pages: int
    reward: float
    """Mean reward a page (a simulation's ``unit``) since the last point, mean over seeds."""
    reward_low: float
    reward_high: float
    regret: float | None
    """Cumulated expected reward that the oracle has more, mean over seeds; None: not known."""
    regret_low: float | None
    regret_high: float | None


class Regret(NamedTuple):
    """Cumulated expected reward that the oracle has more at the end of a run, mean over seeds."""

    mean: float
    interval: Interval


class SimulatedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How one policy fared."""

    policy: str
    curve: list[CurvePoint]
    final_reward: Interval
    """Mean reward a page over the whole run, Student-t interval over seeds; ``note`` names it."""
    final_reward_mean: float
    final_regret_mean: float | None
    """None where an environment does not know its truth, as a log does not."""
    final_regret: Interval | None
    pages_per_second: float
    by_seed: list[float]
    """Mean reward a page of each seed, in the order of ``Simulation.seeds``."""
    accepted: list[int] | None = None
    """Of each seed, how many of a log's rounds were accepted; None where nothing is rejected."""

    def regret(self) -> Regret:
        """Return the regret of the whole run.

        Raises:
            SimulationError: it is not known.
        """
        if self.final_regret_mean is None or self.final_regret is None:
            raise SimulationError(
                f"the regret of {self.policy} is not known",
                hint="simulate in an environment that knows its truth",
            )
        return Regret(self.final_regret_mean, self.final_regret)


class Simulation(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="simulation"):
    """Policies run in an environment."""

    about: About
    environment: str
    description: str
    pages: int
    batch: int
    seeds: list[int]
    policies: list[SimulatedPolicy]
    notes: list[str] = []
    """What to know of the run: that it was interrupted, that regret is not known."""
    unit: str = "a page"
    """What mean rewards are of: ``a page`` or, of a replayed log, ``an accepted round``."""
    v: int = FORMAT_VERSION


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration tried by a search."""

    settings: dict[str, float | int | str | bool | None]
    """Dotted config key → value."""
    tuning_value: float | None
    """Estimate on the rounds that chose among candidates."""
    tuning_low: float | None
    tuning_high: float | None
    sound: bool = True
    """Whether that estimate may be trusted; those that may not stand last."""


class Search(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="search"):
    """A search over configurations, with honest sample splitting."""

    about: About
    data: DataSummary
    estimator: str
    candidates: list[Candidate]
    """Best first."""
    chosen: Estimate
    """The best candidate on rounds that had no say in choosing it."""
    baseline: Estimate
    """The base configuration on the same rounds."""
    written: str
    """Path of the TOML."""
    notes: list[str] = []
    """What to know of the run: what trained on which rounds, that it was interrupted."""
    v: int = FORMAT_VERSION


class Comparison(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="comparison"):
    """Two policies on the same rounds, paired."""

    about: About
    data: DataSummary
    first: Estimate
    second: Estimate
    estimator: str
    difference: float
    """Second minus first."""
    intervals: list[Interval]
    p_value: float
    verdict: str
    notes: list[str] = []
    """What to know of the run: what trained on which rounds, that it was interrupted."""
    v: int = FORMAT_VERSION


Result = Evaluation | Simulation | Search | Comparison


def write_result(path: Path, result: Result) -> None:
    """Keep a result as JSON, whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    write_atomically(path, text + b"\n")


def read_result(path: Path) -> Result:
    """Read a result.

    Raises:
        MissingDataError: the file is missing, or holds no result.
    """
    try:
        found: Result = msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise MissingDataError(
            f"{path} cannot be read: {error.strerror}",
            hint="write one with `marquee-sim evaluate … --json FILE` or `simulate`",
        ) from error
    except msgspec.DecodeError as error:
        raise MissingDataError(
            f"{path} holds no result of the simulator: {error}",
            hint="give a file that a `marquee-sim` command wrote with --json",
        ) from error
    return found
