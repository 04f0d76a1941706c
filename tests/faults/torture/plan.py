"""The fault plan: what is done to a service, drawn from a seed, written down, and read back.

A plan is a list of *lives*, one for each start of the supervisor. A life has a clock offset and
faults in order; its last one kills the supervisor, alone or with everything below it, and the next
life begins; before it does, what it will read may be damaged: see
:mod:`tests.faults.torture.damage`. The last life ends without faults, in calm.

Where disks can be mounted the whole state lies on one of its own, which is filled up or found
read-only, with a second one in it for catalogs and snapshots, which becomes read-only under the
running service. A log that is being written cannot be mounted so: the kernel refuses that.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from tests.faults.torture.damage import Damage

Kind = Literal[
    "worker",
    "all workers",
    "learner",
    "worker and learner",
    "gunicorn",
    "stopped worker",
    "stopped learner",
    "half-sent bodies",
    "full disk",
    "kills on a full disk",
    "read-only disk",
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
    "half-sent bodies": 0,
    "full disk": 0,
    "kills on a full disk": 2,
    "read-only disk": 0,
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
    "half-sent bodies",
    "full disk",
    "kills on a full disk",
    "read-only disk",
]
_CHANCES = [0.38, 0.14, 0.13, 0.14, 0.02, 0.07, 0.04, 0.03, 0.02, 0.015, 0.015]
_ON_DISKS: list[Kind] = ["full disk", "kills on a full disk", "read-only disk"]
_FAULTS_A_LIFE = 14
_EVERYTHING = 0.5
_DAMAGES: list[Damage] = [
    "none",
    "flipped checkpoint",
    "flipped snapshot",
    "torn checkpoint",
    "torn snapshot",
    "torn log",
    "torn journal",
    "read-only state",
]
_GUARD_BYTES = 8_000_000
_LASTING_S = (0.2, 2.5)
_BRIEF_S = (0.0, 0.05)


class Fault(msgspec.Struct, frozen=True):
    """One thing to do, after so many more pages were acknowledged."""

    kind: Kind
    after_pages: int
    which: int
    """Picks the victim among the workers."""
    pause_s: float
    """For how long a process is stopped, half a body waits or a disk is full or read-only; the wait
    before other faults."""


class Life(msgspec.Struct, frozen=True):
    """What happens between two starts of the supervisor."""

    clock_offset_s: float
    faults: list[Fault]
    damage: Damage = "none"
    """What is damaged when it is over."""
    damage_seed: int = 0


class Plan(msgspec.Struct, frozen=True):
    """Everything that is done to one service."""

    seed: int
    stops: bool
    """Whether processes are stopped for a while as well."""
    steps_back: bool
    """Whether the clock steps back between lives; else only forward."""
    disks: bool
    """Whether the state lies on disks of its own; without them, no fault is one of a disk."""
    guard_bytes: int
    """``log.disk_free_bytes_min``; where it is 0 the full disk itself refuses."""
    lives: list[Life]

    @property
    def kills(self) -> int:
        """How many processes it is meant to kill."""
        return sum(KILLS[fault.kind] for life in self.lives for fault in life.faults)


def described(life: Life) -> str:
    """Return a life's faults in a line."""
    faults = ", ".join(fault.kind for fault in life.faults) or "calm"
    damage = "" if life.damage == "none" else f", then a {life.damage}"
    return f"clock {life.clock_offset_s:+g} s; {faults}{damage}"


def draw_plan(
    seed: int,
    kills: int,
    *,
    stops: bool = True,
    steps_back: bool = False,
    disks: bool = False,
    guarded: bool = False,
) -> Plan:
    """Draw a plan of at least so many kills; ``guarded`` stops before a disk is full."""
    random = np.random.default_rng(seed)
    lives: list[Life] = []
    offset_s, done = 0.0, 0
    while done < kills:
        faults: list[Fault] = []
        while len(faults) < _FAULTS_A_LIFE and done < kills:
            faults.append(_fault(random, stops, disks))
            done += KILLS[faults[-1].kind]
        ending: Kind = "everything" if random.random() < _EVERYTHING else "supervisor"
        faults.append(Fault(ending, int(random.integers(1, 4)), 0, 0.0))
        done += KILLS[ending]
        damage = _DAMAGES[int(random.integers(len(_DAMAGES)))]
        if damage == "read-only state" and not disks:
            damage = "none"
        lives.append(Life(offset_s, faults, damage, int(random.integers(2**31))))
        offset_s = _next_offset(random, offset_s, steps_back)
    # The last start is at the latest time of all, so that the end waits for no clock to catch up.
    lives.append(Life(max(life.clock_offset_s for life in lives), []))
    return Plan(seed, stops, steps_back, disks, _GUARD_BYTES if guarded else 0, lives)


def _fault(random: np.random.Generator, stops: bool, disks: bool) -> Fault:
    kind = _KINDS[int(random.choice(len(_KINDS), p=_CHANCES))]
    if (kind.startswith("stopped") and not stops) or (kind in _ON_DISKS and not disks):
        kind = "worker"
    lasts = KILLS[kind] == 0 or kind in _ON_DISKS
    pause_s = round(float(random.uniform(*(_LASTING_S if lasts else _BRIEF_S))), 3)
    return Fault(kind, int(random.integers(0, 4)), int(random.integers(3)), pause_s)


def _next_offset(random: np.random.Generator, offset_s: float, steps_back: bool) -> float:
    if steps_back:
        return round(float(random.uniform(-5, 5)), 1)
    return offset_s + float(random.choice([0.0, 0.0, 0.5, 5.0]))
