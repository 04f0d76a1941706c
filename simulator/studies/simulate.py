"""``simulate``: policies run in an environment over seeds; rewards and regrets with bands.

A seed brings the same viewers to every policy, so that policies are compared in pairs. Regret is
expected reward, not luck: what the oracle would have earned on average on the very same pages, less
what was served would have. The oracle's share is the same whatever is served, and found once a
seed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.environments.registry import make_environment
from simulator.errors import InterruptedEarlyError, SimulationError
from simulator.jobs import Finished, run_jobs
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
    reward: FloatArray
    """Sum over the batch's pages."""
    expected: FloatArray
    """Its expectation, given the pages and what was served."""
    took_s: float


class Observed:
    """A policy whose servings' expected rewards are noted while their batch is under way."""

    def __init__(self, policy: PagePolicy) -> None:
        self._policy = policy
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
        begun_s = time.perf_counter()
        if self._environment is None:
            raise SimulationError("the policy serves before a run", hint="call reset first")
        self.expected.append(float(self._environment.expected(pages, served).reward.sum()))
        self.aside_s += time.perf_counter() - begun_s
        return served

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Take up what came of the batch served last."""
        self._policy.learn(pages, served, displays)


def simulate(plan: SimulatePlan, begun: Begun, *, jobs: int, watch: Watch) -> Simulation:
    """Run every policy on every seed.

    Raises:
        SimulationError: the environment or a policy is not known.
        InterruptedEarlyError: Ctrl-C came before any seed was done.
    """
    environment = _environment(plan)
    for policy in plan.policies:
        page_policy(policy)
    # By seed first, so that an interrupt leaves whole seeds, which compare in pairs.
    runs = [Run(policy, seed) for seed in plan.seeds for policy in (None, *plan.policies)]
    finished = run_jobs(
        run_one,
        plan,
        runs,
        jobs=jobs,
        watch=watch,
        label=f"simulating {plan.environment}",
        unit="runs",
    )
    seeds, oracle, traces = whole_seeds(plan, finished)
    names = distinct(
        [label(spec, found[0].name) for spec, found in zip(plan.policies, traces, strict=True)]
    )
    return Simulation(
        about=begun.about(),
        environment=environment.name,
        description=_description(plan),
        pages=plan.pages,
        batch=plan.batch,
        seeds=seeds,
        policies=[
            simulated_policy(name, found, oracle, points=plan.points, level=plan.level)
            for name, found in zip(names, traces, strict=True)
        ],
        notes=_notes(plan, seeds, finished.interrupted),
    )


def run_one(plan: SimulatePlan, task: Run) -> Trace:
    """Run one policy on one seed."""
    environment = _environment(plan)
    policy = Observed(OraclePolicy() if task.policy is None else page_policy(task.policy))
    begun_s = time.perf_counter()
    reward, pages = [], []
    for served in run(environment, policy, task.seed):
        reward.append(float(served.displays.reward.sum()))
        pages.append(float(served.pages.size))
    took_s = time.perf_counter() - begun_s - policy.aside_s
    return Trace(policy.name, np.array(pages), np.array(reward), np.array(policy.expected), took_s)


def _environment(plan: SimulatePlan) -> Environment:
    return make_environment(
        plan.environment, pages=plan.pages, batch=plan.batch, **dict(plan.settings)
    )


class Kept(NamedTuple):
    """Seeds that every policy finished."""

    seeds: list[int]
    oracle: list[Trace]
    traces: list[list[Trace]]
    """Of each policy, one a seed."""


def whole_seeds(plan: SimulatePlan, finished: Finished[Trace]) -> Kept:
    """Return what belongs to seeds that every policy finished.

    Raises:
        InterruptedEarlyError: there is none.
    """
    width = 1 + len(plan.policies)
    seeds, oracle = [], []
    traces: list[list[Trace]] = [[] for _ in plan.policies]
    for place, seed in enumerate(plan.seeds):
        of_seed = [one for one in finished.results[place * width :][:width] if one is not None]
        if len(of_seed) < width:
            continue
        seeds.append(seed)
        oracle.append(of_seed[0])
        for found, trace in zip(traces, of_seed[1:], strict=True):
            found.append(trace)
    if not seeds:
        raise InterruptedEarlyError(
            "interrupted before any seed was done: there is nothing to keep",
            hint="simulate fewer --pages, or with more --jobs",
        )
    return Kept(seeds, oracle, traces)


def _description(plan: SimulatePlan) -> str:
    settings = ", ".join(f"{name} = {value}" for name, value in sorted(plan.settings.items()))
    return settings or "as it is by default"


def _notes(plan: SimulatePlan, seeds: list[int], interrupted: bool) -> list[str]:
    if not interrupted:
        return []
    return [f"interrupted: {len(seeds)} of {len(plan.seeds)} seeds were done, and are told of here"]
