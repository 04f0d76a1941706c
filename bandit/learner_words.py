"""What the learner is given, and what it tells of a step."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from bandit.catalog import Catalog
from bandit.dead_letters import Stage


class Catalogs(Protocol):
    """Where catalog versions are found."""

    def load(self, version: str) -> Catalog:
        """Return a version.

        Raises:
            CatalogError: it is lost.
        """
        ...


class StepReport(NamedTuple):
    """What one step did."""

    taken: int = 0
    """Records."""
    outcomes: int = 0
    examples: int = 0
    failed: str | None = None
    """Why the learner went back to its checkpoint instead."""

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.taken or self.outcomes or self.failed)


class PoisonError(Exception):
    """A record or outcome that made a step fail; its cause says how."""

    def __init__(self, stage: Stage, decision_id: str) -> None:
        super().__init__(decision_id)
        self.stage = stage
        self.decision_id = decision_id
