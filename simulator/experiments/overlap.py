"""A homepage, an exploring policy that logs it, and other policies to be judged on its log.

One world is kept over all runs, so that there is one truth to be estimated; what a seed draws is
who comes and what they do. Every policy puts rows in any order alike, so that those judged show
the same displays as the log and differ in artworks alone, which is what single choices tell of.
Models are taught on a log of uniform choices from another seed, and stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from simulator.environments.recording import logged_choices
from simulator.environments.registry import make_environment
from simulator.environments.truth import truth
from simulator.experiments.telling import whole
from simulator.jobs import Workers, run_jobs
from simulator.loop import run
from simulator.pages import Environment, Truth
from simulator.policies.array_policy import ArrayPolicy, Mixing
from simulator.policies.fixed import AsListed, Even
from simulator.policies.frozen import Frozen
from simulator.policies.model_target import ModelTarget
from simulator.policies.models import Model, Observed
from simulator.policies.observing import asked_by, problems_of
from simulator.policies.registry import MODELS
from simulator.progress import Watch

TAUGHT_SEED: Final = 1_000_003
TRUTH_SEED: Final = 2_000_003
"""Far from the seeds of what is judged."""
TRUTH_PART: Final = 10_000
BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class World:
    """A homepage that stays."""

    settings: Mapping[str, int]
    taught_pages: int = 2000

    def environment(self, pages: int, batch: int = BATCH) -> Environment:
        """Return the homepage for runs of so many pages."""
        return make_environment("homepage", pages=pages, batch=batch, **dict(self.settings))


WORLD: Final = World({"world_seed": 7, "viewers": 5000})
"""What experiments judge on."""


class Candidate(NamedTuple):
    """A policy that learns no more, as it serves and as it is judged."""

    name: str
    model: Frozen
    epsilon: float

    def policy(self) -> ArrayPolicy:
        """Return the policy that serves."""
        return ArrayPolicy(self.name, self.model, Even(), Mixing(self.epsilon))

    def target(self) -> ModelTarget:
        """Return the same policy as a target."""
        return ModelTarget(self.name, lambda: self.model, learns=False, epsilon=self.epsilon)


class Cast(NamedTuple):
    """Who logs, and who is judged."""

    logs: Candidate
    judged: list[Candidate]


class Stage(NamedTuple):
    """What jobs share."""

    world: World
    cast: Cast


def staged(world: World) -> Stage:
    """Teach the models, and return who plays."""
    environment = world.environment(world.taught_pages)
    popular, soft, linear = (
        MODELS["popularity"].make(),
        MODELS["popularity"].make(temperature=0.01),
        MODELS["linucb"].make(alpha=0.1, crosses_max=512),
    )
    models: list[Model] = [popular, soft, linear]
    for model in models:
        model.start(problems_of(environment)[0])
    teacher = ArrayPolicy("uniform", Even(), Even())
    for pages, served, displays in run(environment, teacher, TAUGHT_SEED):
        logged = logged_choices(environment, pages, served, displays)
        asked = asked_by(pages).take(displays.page)
        for model in models:
            model.learn(Observed(asked, logged.items(), logged.reward))
    make = partial(Candidate, model=Frozen(popular))
    judged = [
        make("popularity, ε 0.1", epsilon=0.1),
        Candidate("softmax of popularity", Frozen(soft), 0.0),
        Candidate("linucb, ε 0.2", Frozen(linear), 0.2),
        Candidate("editorial, ε 0.3", Frozen(AsListed()), 0.3),
    ]
    return Stage(world, Cast(make("popularity, ε 0.5", epsilon=0.5), judged))


class TruthTask(NamedTuple):
    """A part of the pages that a truth is averaged over."""

    candidate: int
    pages: int
    seed: int


def truths(stage: Stage, pages: int, *, jobs: Workers, watch: Watch) -> list[Truth]:
    """Return the true value of each policy that is judged, over so many pages at least."""
    size = min(pages, TRUTH_PART)
    parts = -(-pages // size)
    count = len(stage.cast.judged)
    tasks = [
        TruthTask(candidate, size, TRUTH_SEED + part)
        for candidate in range(count)
        for part in range(parts)
    ]
    found = run_jobs(
        truth_part, stage, tasks, jobs=jobs, watch=watch, label="the truth", unit="parts"
    )
    values = whole(found)
    return [merged(values[start : start + parts]) for start in range(0, len(values), parts)]


def truth_part(stage: Stage, task: TruthTask) -> Truth:
    """Return a judged policy's true value over some pages."""
    policy = stage.cast.judged[task.candidate].policy()
    environment = stage.world.environment(task.pages)
    return truth(environment, policy, pages=task.pages, seed=task.seed)


def merged(parts: Sequence[Truth]) -> Truth:
    """Return the truth over parts of equally many pages."""
    errors = np.array([part.standard_error for part in parts])
    return Truth(
        value=float(np.mean([part.value for part in parts])),
        page_value=float(np.mean([part.page_value for part in parts])),
        standard_error=float(np.sqrt(np.square(errors).sum()) / len(parts)),
        pages=sum(part.pages for part in parts),
    )
