"""The loop: a policy serves, viewers act, the policy learns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from simulator.pages import Displays, Environment, PagePolicy, Pages, Served
from simulator.threads import one_thread_limit


class Round(NamedTuple):
    """One batch, served and seen."""

    pages: Pages
    served: Served
    displays: Displays


def run(environment: Environment, policy: PagePolicy, seed: int) -> Iterator[Round]:
    """Run a policy in an environment, batch by batch, to the environment's end.

    The same seed brings the same viewers, whatever the policy; a policy's own draws are seeded
    apart from the viewers'. Linear algebra runs on one thread, so that a run does not depend on the
    machine; see :mod:`simulator.threads`.
    """
    one_thread = one_thread_limit()
    with one_thread():
        policy.reset(environment, seed)
        pages: Pages | None = environment.reset(seed)
    while pages is not None:
        with one_thread():
            served = policy.serve(pages)
            step = environment.step(served)
            policy.learn(pages, served, step.displays)
        yield Round(pages, served, step.displays)
        pages = step.pages
