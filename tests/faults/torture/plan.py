"""The fault plan: what is done to a service, drawn from a seed, written down, and read back.

A plan is a list of *lives*, one for each start of the supervisor. A life has a clock offset and
faults in order; its last one kills the supervisor, alone or with everything below it, and the next
life begins. The last life ends without faults, in calm.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

Kind = Literal[
    "worker",
    "all workers",
    "learner",
    "worker and learner",
    "gunicorn",
    "stopped worker",
    "stopped learner",
    "supervisor",
    "everything",
]

KILLS: dict[Kind, int] = {
    "worker": 1,
    "all workers": 3,
    "learner": 1,
    "worker and learner": 2,
    "gunicorn": 1,
    "stopped worker": 0,
    "stopped learner": 0,
    "supervisor": 1,
    "everything": 6,
}
"""How many processes a fault is meant to kill, with three workers."""

_KINDS: list[Kind] = [
    "worker",
    "all workers",
    "learner",
    "worker and learner",
    "gunicorn",
    "stopped worker",
    "stopped learner",
]
_CHANCES = [0.44, 0.14, 0.14, 0.14, 0.02, 0.08, 0.04]
_FAULTS_A_LIFE = 14
_EVERYTHING = 0.5
_STOPPED_S = (0.2, 2.5)


class Fault(msgspec.Struct, frozen=True):
    """One thing to do, after so many more pages were acknowledged."""

    kind: Kind
    after_pages: int
    which: int
    """Picks the victim among the workers."""
    pause_s: float
    """For how long a stopped process stands still; the wait before other faults strike."""


class Life(msgspec.Struct, frozen=True):
    """What happens between two starts of the supervisor."""

    clock_offset_s: float
    faults: list[Fault]


class Plan(msgspec.Struct, frozen=True):
    """Everything that is done to one service."""

    seed: int
    stops: bool
    """Whether processes are stopped for a while as well."""
    steps_back: bool
    """Whether the clock steps back between lives; else only forward."""
    lives: list[Life]

    @property
    def kills(self) -> int:
        """How many processes it is meant to kill."""
        return sum(KILLS[fault.kind] for life in self.lives for fault in life.faults)


def draw_plan(seed: int, kills: int, *, stops: bool = True, steps_back: bool = False) -> Plan:
    """Draw a plan of at least so many kills."""
    random = np.random.default_rng(seed)
    lives: list[Life] = []
    offset_s, done = 0.0, 0
    while done < kills:
        faults: list[Fault] = []
        while len(faults) < _FAULTS_A_LIFE and done < kills:
            faults.append(_fault(random, stops))
            done += KILLS[faults[-1].kind]
        ending: Kind = "everything" if random.random() < _EVERYTHING else "supervisor"
        faults.append(Fault(ending, int(random.integers(1, 4)), 0, 0.0))
        done += KILLS[ending]
        lives.append(Life(offset_s, faults))
        offset_s = _next_offset(random, offset_s, steps_back)
    # The last start is at the latest time of all, so that the end waits for no clock to catch up.
    lives.append(Life(max(life.clock_offset_s for life in lives), []))
    return Plan(seed, stops, steps_back, lives)


def _fault(random: np.random.Generator, stops: bool) -> Fault:
    kind = _KINDS[int(random.choice(len(_KINDS), p=_CHANCES))]
    if kind.startswith("stopped") and not stops:
        kind = "worker"
    longest_s = _STOPPED_S if kind.startswith("stopped") else (0.0, 0.05)
    pause_s = round(float(random.uniform(*longest_s)), 3)
    return Fault(kind, int(random.integers(0, 4)), int(random.integers(3)), pause_s)


def _next_offset(random: np.random.Generator, offset_s: float, steps_back: bool) -> float:
    if steps_back:
        return round(float(random.uniform(-5, 5)), 1)
    return offset_s + float(random.choice([0.0, 0.0, 0.5, 5.0]))
