"""``simulate``: policies run in an environment over seeds; rewards and regrets with bands.

A seed brings the same viewers to every policy, so that policies are compared in pairs. Regret is
expected reward, not luck: what the oracle would have earned on average on the very same pages, less
what was served would have. The oracle's share is the same whatever is served, and found once a
seed.

A log that is replayed does not know its truth: there is no oracle and no regret, and rewards are
means over the rounds that were accepted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.environments.registry import ENVIRONMENTS, make_environment, setting_infos
from simulator.errors import InterruptedEarlyError, SimulationError
from simulator.jobs import Finished, Workers, run_jobs
from simulator.loop import run
from simulator.pages import Displays, Environment, PagePolicy, Pages, Served
from simulator.policies.oracle import OraclePolicy
from simulator.progress import Watch
from simulator.results import Simulation
from simulator.studies.about import Begun
from simulator.studies.curves import simulated_policy
from simulator.studies.naming import distinct
from simulator.studies.specs import label, page_policy

Setting = float | int | str | bool
_REPLAYED: Final = (
    "regret is not known here: a log does not tell what else would have earned. Rewards are means "
    "over the rounds accepted; bands over seeds tell of the chance in accepting and choosing, not "
    "of the chance in the log itself, which `marquee-sim evaluate` tells of"
)

_ONE_SEED: Final = "one seed does not tell how far runs differ: there are no intervals"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatePlan:
    """What is to be simulated."""

    environment: str
    policies: tuple[str, ...]
    """Names of policies, or paths of TOML files."""
    pages: int
    batch: int
    seeds: tuple[int, ...]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Of the environment."""
    points: int = 50
    """Of each curve, at most."""
    level: float = 0.95


class Run(NamedTuple):
    """One policy, or the oracle where there is none, on one seed."""

    policy: str | None
    seed: int


class Trace(NamedTuple):
    """What came of a run, by batch; shapes (batches,)."""

    name: str
    pages: FloatArray
    counted: FloatArray
    """Pages that rewards are means over: all of them or, of a log, the rounds accepted."""
    reward: FloatArray
    """Sum over the batch's pages."""
    expected: FloatArray
    """Its expectation, given the pages and what was served; empty where nobody knows."""
    took_s: float


class Observed:
    """A policy whose servings' expected rewards, where they are known, are noted at once."""

    def __init__(self, policy: PagePolicy, *, known: bool) -> None:
        self._policy = policy
        self._known = known
        self._environment: Environment | None = None
        self.expected: list[float] = []
        self.aside_s = 0.0
        """Seconds that the noting took."""

    @property
    def name(self) -> str:
        """The policy's name."""
        return self._policy.name

    def reset(self, environment: Environment, seed: int) -> None:
        """Start anew."""
        self._environment = environment
        self._policy.reset(environment, seed)

    def serve(self, pages: Pages) -> Served:
        """Serve a batch."""
        served = self._policy.serve(pages)
        if not self._known:
            return served
        begun_s = time.perf_counter()
        if self._environment is None:
            raise SimulationError("the policy serves before a run", hint="call reset first")
        self.expected.append(float(self._environment.expected(pages, served).reward.sum()))
        self.aside_s += time.perf_counter() - begun_s
        return served

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Take up what came of the batch served last."""
        self._policy.learn(pages, served, displays)


def simulate(plan: SimulatePlan, begun: Begun, *, jobs: Workers, watch: Watch) -> Simulation:
    """Run every policy on every seed.

    Raises:
        SimulationError: the environment or a policy is not known.
        InterruptedEarlyError: Ctrl-C came before any seed was done.
    """
    try:
        environment = _environment(plan)
        for policy in plan.policies:
            page_policy(policy)
        # By seed first, so that an interrupt leaves whole seeds, which compare in pairs.
        runs = [Run(policy, seed) for seed in plan.seeds for policy in _players(plan)]
        finished = run_jobs(
            run_one,
            plan,
            runs,
            jobs=jobs,
            watch=watch,
            label=f"simulating {plan.environment}",
            unit="runs",
        )
    finally:
        _made.cache_clear()
    seeds, oracle, traces = whole_seeds(plan, finished)
    names = distinct(
        [label(spec, found[0].name) for spec, found in zip(plan.policies, traces, strict=True)]
    )
    return Simulation(
        about=begun.about(),
        environment=environment.name,
        description=_description(plan),
        pages=int(traces[0][0].pages.sum()),
        batch=plan.batch,
        seeds=seeds,
        policies=[
            simulated_policy(name, found, oracle, points=plan.points, level=plan.level)
            for name, found in zip(names, traces, strict=True)
        ],
        notes=_notes(plan, seeds, finished.interrupted),
        unit="a page" if _knows_truth(plan) else "an accepted round",
    )


def run_one(plan: SimulatePlan, task: Run) -> Trace:
    """Run one policy on one seed."""
    environment = _environment(plan)
    known = _knows_truth(plan)
    player = OraclePolicy() if task.policy is None else page_policy(task.policy)
    policy = Observed(player, known=known)
    begun_s = time.perf_counter()
    reward, pages, counted = [], [], []
    for served in run(environment, policy, task.seed):
        reward.append(float(served.displays.reward.sum()))
        pages.append(float(served.pages.size))
        # Each display of a replayed log is a round that was accepted.
        counted.append(float(served.pages.size if known else len(served.displays.page)))
    took_s = time.perf_counter() - begun_s - policy.aside_s
    return Trace(
        policy.name,
        np.array(pages),
        np.array(counted),
        np.array(reward),
        np.array(policy.expected),
        took_s,
    )


def _knows_truth(plan: SimulatePlan) -> bool:
    return ENVIRONMENTS[plan.environment].knows_truth


def _players(plan: SimulatePlan) -> tuple[str | None, ...]:
    """Return who runs on each seed: the oracle, as None, where there is one, and the policies."""
    return (None, *plan.policies) if _knows_truth(plan) else plan.policies


def _environment(plan: SimulatePlan) -> Environment:
    return _made(plan.environment, plan.pages, plan.batch, tuple(sorted(plan.settings.items())))


@lru_cache(maxsize=1)
def _made(
    name: str, pages: int, batch: int, settings: tuple[tuple[str, Setting], ...]
) -> Environment:
    """Make an environment once for all the runs of a process: a log takes a while to read."""
    return make_environment(name, pages=pages, batch=batch, **dict(settings))


class Kept(NamedTuple):
    """Seeds that every policy finished."""

    seeds: list[int]
    oracle: list[Trace] | None
    """None where nobody knows what is best."""
    traces: list[list[Trace]]
    """Of each policy, one a seed."""


def whole_seeds(plan: SimulatePlan, finished: Finished[Trace]) -> Kept:
    """Return what belongs to seeds that every policy finished.

    Raises:
        InterruptedEarlyError: there is none.
    """
    width = len(_players(plan))
    seeds, oracle = [], []
    traces: list[list[Trace]] = [[] for _ in plan.policies]
    for place, seed in enumerate(plan.seeds):
        of_seed = [one for one in finished.results[place * width :][:width] if one is not None]
        if len(of_seed) < width:
            continue
        seeds.append(seed)
        oracle.append(of_seed[0])
        for found, trace in zip(traces, of_seed[-len(traces) :], strict=True):
            found.append(trace)
    if not seeds:
        raise InterruptedEarlyError(
            "interrupted before any seed was done: there is nothing to keep",
            hint="simulate fewer --pages, or with more --jobs",
        )
    return Kept(seeds, oracle if _knows_truth(plan) else None, traces)


def _description(plan: SimulatePlan) -> str:
    told: dict[str, object] = dict(plan.settings)
    if not _knows_truth(plan):
        # Which log it is matters more than any setting, and is told where it is the default too.
        told = {one.name: one.default for one in setting_infos(plan.environment)[:1]} | told
    settings = ", ".join(f"{name} = {value}" for name, value in sorted(told.items()))
    return settings or "as it is by default"


def _notes(plan: SimulatePlan, seeds: list[int], interrupted: bool) -> list[str]:
    told = [] if _knows_truth(plan) else [_REPLAYED]
    if len(seeds) == 1:
        told.append(_ONE_SEED)
    if interrupted:
        done = f"{len(seeds)} of {len(plan.seeds)} seeds were done, and are told of here"
        told.append(f"interrupted: {done}")
    return told
