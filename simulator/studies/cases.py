"""The contract of what is judged: one target policy on the rounds that judge it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from bandit.types import FloatArray
from simulator.intervals import Bounds
from simulator.logged import CodeArray
from simulator.results import Diagnostics
from simulator.studies.asked import Asked
from simulator.studies.plans import JudgePlan
from simulator.studies.splitting import Clusters
from simulator.terms import Terms


class Answer(NamedTuple):
    """One estimator's terms, and with what parameter."""

    terms: Terms
    parameters: dict[str, float | str]
    """As results tell it."""
    bounds: Bounds | None
    """The range of the terms, whatever rounds are drawn; None where nobody knows."""
    warnings: tuple[str, ...] = ()
    marked: str = ""
    """What a reader must know of this estimator's word first; may be empty."""


class Grouping(NamedTuple):
    """Rounds with their groups; arrays of shape (n,)."""

    codes: CodeArray
    names: Sequence[str]
    """What codes stand for; a code past the end stands for itself."""
    reward: FloatArray
    weight: FloatArray
    cluster: Clusters | None


class Case(Protocol):
    """One target policy on the rounds that judge it."""

    @property
    def plan(self) -> JudgePlan:
        """How it is judged."""
        ...

    @property
    def marked(self) -> str:
        """What a reader must know first; may be empty."""
        ...

    @property
    def cluster(self) -> Clusters | None:
        """Shape (n,): which rounds intervals take together; None where each stands alone."""
        ...

    @property
    def weight(self) -> FloatArray:
        """Shape (n,): what histograms are made of."""
        ...

    def answer(self, asked: Asked) -> Answer:
        """Return what an estimator says.

        Raises:
            EstimationError: it cannot be used on these rounds.
        """
        ...

    def diagnose(self, policy: str, asked: Asked) -> Diagnostics:
        """Return how far an estimator's word may be trusted."""
        ...

    def segments(self) -> Grouping | None:
        """Return rounds by segment, None where nobody knows."""
        ...

    def positions(self) -> Grouping | None:
        """Return rounds, or places of rounds, by position; None where nobody knows."""
        ...
