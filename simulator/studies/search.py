"""``search``: configurations tried on a log, the best of them judged honestly, and written down.

Rounds have one office each. The first part trains every candidate; the second tells which candidate
is best, by its estimate or by that estimate's lower bound; the third, which had no say in anything,
judges the chosen one and the base configuration. The best of many looks better than it is on the
rounds that made it the best; it does not on the third part.

Estimates that are not sound come last, however high: with hardly any overlap a self-normalised
value rests on so few rounds that it looks certain. Where the best is not to be trusted, the notes
and the file that is written say so.
"""

from __future__ import annotations

import math
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from bandit.config import parse_config
from bandit.config.reference import toml_literal
from bandit.errors import ConfigError
from bandit.files import write_atomically
from simulator.datasets.registry import Source
from simulator.errors import EstimationError, SimulatorError
from simulator.jobs import Workers, one_thread, run_jobs
from simulator.progress import Watch
from simulator.results import NOT_TRUSTWORTHY, Candidate, Estimate, Search
from simulator.studies.about import Begun
from simulator.studies.asked import Asked
from simulator.studies.bench import Bench, Entrant, Logged, case_of, make_bench, nothing_done
from simulator.studies.compare import Side, contrast
from simulator.studies.config_space import Axis, Method, candidates
from simulator.studies.config_tables import Data, Value, changed
from simulator.studies.judging import estimated
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.rounds import read_rounds, summary
from simulator.studies.splitting import decisions_of, split, split_notes
from simulator.studies.toml_text import rewritten, whole

ChooseBy = Literal["low", "value"]
SEARCHED: Final = ("surfaces.", "context.")
"""What a policy serves depends on these sections; rewards are the log's."""
CHOSEN = "chosen"
BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """What is searched, and how the best is told."""

    base_text: str
    """The base configuration's TOML."""
    axes: tuple[Axis, ...]
    estimator: Asked
    out: Path
    method: Method = "grid"
    steps: int = 5
    """Of a range, in a grid."""
    trials: int = 20
    """Of a random search."""
    choose_by: ChooseBy = "low"
    """The lower bound of the plan's first interval, or the estimate itself."""
    shares: tuple[float, float, float] = (0.5, 0.25, 0.25)
    """Of rounds that train, that choose and that judge."""


class Tried(NamedTuple):
    """A candidate, on the rounds that choose."""

    value: float | None
    low: float | None
    high: float | None
    sound: bool


class Searched(NamedTuple):
    """What was found, and whether Ctrl-C ended the trying."""

    result: Search
    interrupted: bool


def search(
    source: Source,
    search_plan: SearchPlan,
    log_plan: LogPlan,
    plan: JudgePlan,
    begun: Begun,
    *,
    jobs: Workers,
    watch: Watch,
) -> Searched:
    """Try configurations, judge the best, and write it.

    Ctrl-C ends the trying: the best of what was tried is judged and written.

    Raises:
        ConfigError: the base, a key or a candidate is wrong.
        LoggedDataError: the log is wrong, or holds nothing of what is asked for.
        EstimationError: there are too few rounds, or no candidate could be judged.
    """
    base = tomllib.loads(search_plan.base_text)
    tried = lawful_candidates(base, search_plan, plan.seed)
    plan = replace(plan, estimators=(search_plan.estimator,))
    rounds = _divide(read_rounds(source, log_plan, watch), search_plan, log_plan)
    notes = list(rounds.notes)
    with tempfile.TemporaryDirectory(prefix="marquee-search-") as directory:
        entrants = _entrants(base, tried, Path(directory))
        finished = run_jobs(
            try_one,
            make_bench(rounds.training, rounds.choosing, plan, watch),
            entrants[1:],
            jobs=jobs,
            watch=watch,
            label="trying candidates",
            unit="candidates",
        )
        order = best_first(finished.results, search_plan.choose_by)
        if finished.interrupted:
            notes.append(f"interrupted: {len(order)} of {len(tried)} candidates tried")
            watch.say(f"interrupted: judging the best of {len(order)} candidates")
        bench = make_bench(rounds.training, rounds.judging, plan, watch)
        with one_thread():
            under_base = _judged(bench, entrants[0])
            best = _judged(bench, entrants[1 + order[0]]._replace(name=CHOSEN))
    doubts = _doubts(finished.results[order[0]], best.estimate)
    _write(search_plan, changed(base, tried[order[0]]), doubts)
    result = Search(
        about=begun.about(),
        data=summary(source, rounds.judging, plan),
        estimator=search_plan.estimator.label,
        candidates=[_candidate(tried[place], finished.results[place]) for place in order],
        chosen=best.estimate,
        baseline=under_base.estimate,
        written=str(search_plan.out),
        notes=[*doubts, *notes, _verdict(under_base, best, plan, len(rounds.judging))],
    )
    return Searched(result, finished.interrupted)


class _Rounds(NamedTuple):
    training: Logged
    choosing: Logged
    judging: Logged
    notes: list[str]


def _divide(logged: Logged, search_plan: SearchPlan, plan: LogPlan) -> _Rounds:
    parts = split(
        len(logged),
        search_plan.shares,
        by=plan.split_by,
        clusters=logged.cluster,
        decisions=decisions_of(logged),
        seed=plan.seed,
    )
    offices = zip(("trained", "chosen", "judged"), parts, strict=True)
    notes = [f"{office} on {part.told}" for office, part in offices]
    notes += split_notes(plan.split_by, logged.cluster)
    training, choosing, judging = (logged.take(part.rounds) for part in parts)
    return _Rounds(training, choosing, judging, notes)


def lawful_candidates(base: Data, plan: SearchPlan, seed: int) -> list[dict[str, Value]]:
    """Return the settings to try, each of which the configuration accepts.

    Raises:
        ConfigError: the base, a key or a candidate is wrong.
    """
    parse_config(base, name="the base configuration")
    for axis in plan.axes:
        if not axis.key.startswith(SEARCHED):
            raise ConfigError(
                axis.key,
                "makes no difference to what is served to logged viewers",
                hint=f"search keys that begin with {' or '.join(SEARCHED)}",
            )
    tried = candidates(
        base, plan.axes, method=plan.method, steps=plan.steps, trials=plan.trials, seed=seed
    )
    for settings in tried:
        parse_config(changed(base, settings), name=f"the candidate {told(settings)}")
    return tried


def try_one(bench: Bench, entrant: Entrant) -> Tried:
    """Train a candidate and estimate it on the rounds that choose."""
    (asked,) = bench.plan.estimators
    estimate = estimated(entrant.name, asked, case_of(bench, entrant)).estimate
    sound = estimate.diagnostics.sound
    if not estimate.intervals:
        return Tried(estimate.value, None, None, sound)
    first = estimate.intervals[0]
    return Tried(estimate.value, first.low, first.high, sound)


def best_first(tried: Sequence[Tried | None], choose_by: ChooseBy) -> list[int]:
    """Return the places of candidates that were tried, the best first, then as they came.

    Those whose estimates are not sound follow those whose are.

    Raises:
        EstimationError: none was tried, or none can be told.
    """
    done = [place for place, one in enumerate(tried) if one is not None]
    if not done:
        raise nothing_done("candidate")

    def height(place: int) -> float:
        found = tried[place]
        value = None if found is None else getattr(found, choose_by)
        return -math.inf if value is None else float(value)

    def doubtful(place: int) -> bool:
        found = tried[place]
        return found is None or not found.sound

    def rank(place: int) -> tuple[bool, bool, float, int]:
        return height(place) == -math.inf, doubtful(place), -height(place), place

    order = sorted(done, key=rank)
    if height(order[0]) == -math.inf:
        raise EstimationError(
            "no candidate can be judged on the rounds that choose",
            hint="log with more exploration, or judge by another estimator or interval",
        )
    return order


def told(settings: Mapping[str, Value]) -> str:
    """Return settings in words."""
    return ", ".join(f"{key} = {toml_literal(value)}" for key, value in settings.items())


class _Found(NamedTuple):
    estimate: Estimate
    side: Side | None


def _entrants(base: Data, tried: Sequence[Mapping[str, Value]], directory: Path) -> list[Entrant]:
    """Write the base and every candidate as files that policies are made of."""
    found = []
    for number, settings in enumerate([{}, *tried]):
        path = directory / f"{number}.toml"
        path.write_text(whole(changed(base, settings)))
        found.append(Entrant(str(path), told(settings) or BASE))
    return found


def _judged(bench: Bench, entrant: Entrant) -> _Found:
    (asked,) = bench.plan.estimators
    case = case_of(bench, entrant)
    estimate, answer = estimated(entrant.name, asked, case)
    return _Found(estimate, None if answer is None else Side(estimate, answer, case.cluster))


def _verdict(base: _Found, found: _Found, plan: JudgePlan, rounds: int) -> str:
    if base.side is None or found.side is None:
        without = base.estimate if base.side is None else found.estimate
        return f"no comparison with the base: {without.diagnostics.verdict}"
    return contrast(base.side, found.side, plan, rounds=rounds).verdict


def _candidate(settings: Mapping[str, Value], tried: Tried | None) -> Candidate:
    value, low, high, sound = tried or (None, None, None, False)
    return Candidate(
        settings=dict(settings),
        tuning_value=value,
        tuning_low=low,
        tuning_high=high,
        sound=sound,
    )


def _doubts(choosing: Tried | None, judged: Estimate) -> list[str]:
    """Return why the chosen configuration is not to be trusted; nothing where it is."""
    found = []
    if not judged.diagnostics.sound:
        found.append(
            f"{NOT_TRUSTWORTHY}: what {CHOSEN} was judged by is not sound: "
            f"{judged.diagnostics.verdict}"
        )
    if choosing is not None and not choosing.sound:
        found.append(
            f"{NOT_TRUSTWORTHY}: no candidate has a sound estimate on the rounds that chose"
        )
    return found


def _write(plan: SearchPlan, chosen: Data, doubts: Sequence[str]) -> None:
    """Write the chosen configuration, checked as the service will read it; doubts come first.

    Raises:
        SimulatorError: the file cannot be written.
    """
    warning = "".join(f"# {' '.join(doubt.split())}\n" for doubt in doubts)
    text = warning + rewritten(plan.base_text, chosen)
    parse_config(tomllib.loads(text), name=str(plan.out))
    try:
        write_atomically(plan.out, text.encode())
    except OSError as error:
        raise SimulatorError(
            f"{plan.out} cannot be written: {error.strerror}", hint="name another file by --out"
        ) from error
