"""The true value of a policy in an environment, with a stated error.

An environment knows what any served page earns on average over all that its viewers may do, so
nothing of what viewers do is drawn here. What is left to chance is who comes and what the policy
draws: the value a display is the ratio of two means over pages, and its error that of a ratio
estimator (Cochran, 1977, chapter 6):

    se² = Σ (reward - value · displays)² / (n (n - 1) · mean(displays)²).
"""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.errors import SimulationError
from simulator.pages import Environment, PagePolicy, Pages, Truth
from simulator.threads import one_thread_limit


def truth(
    environment: Environment, policy: PagePolicy, *, pages: int, seed: int, fresh: bool = True
) -> Truth:
    """Return what a policy earns, as it stands, over so many pages of a run from ``seed``.

    The policy is not taught anything. It is reset first, or, where ``fresh`` is False, taken with
    all that it has learned. A run of the environment that is under way ends. Pages are taken up
    to the environment's own end, and ``Truth.pages`` tells how many there were.

    Raises:
        SimulationError: the environment does not know its truth, or shows nothing.
    """
    rewards, displays = _expected(environment, policy, pages, seed, fresh=fresh)
    shown = float(displays.sum())
    if shown <= 0:
        raise SimulationError(
            "nothing was seen on any page, so there is no value a display",
            hint="serve pages that hold titles or rows",
        )
    value = float(rewards.sum()) / shown
    count = len(rewards)
    spread = float(np.square(rewards - value * displays).sum())
    error = float("inf") if count < 2 else np.sqrt(spread / (count * (count - 1)))
    return Truth(
        value=value,
        page_value=float(rewards.mean()),
        standard_error=float(error / displays.mean()),
        pages=count,
    )


def _expected(
    environment: Environment, policy: PagePolicy, count: int, seed: int, *, fresh: bool
) -> tuple[FloatArray, FloatArray]:
    one_thread = one_thread_limit()
    with one_thread():
        if fresh:
            policy.reset(environment, seed)
        batch: Pages | None = environment.reset(seed)
    rewards, displays, done = [], [], 0
    while batch is not None and done < count:
        with one_thread():
            served = policy.serve(batch)
            found = environment.expected(batch, served)
        left = count - done
        rewards.append(found.reward[:left])
        displays.append(found.displays[:left])
        done += min(batch.size, left)
        batch = environment.step(served).pages if done < count else None
    return np.concatenate(rewards), np.concatenate(displays)
