"""What the learner is given, and what it tells of a step."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from bandit.catalog import Catalog
from bandit.dead_letters import Stage
from bandit.joiner import Outcome


class Catalogs(Protocol):
    """Where catalog versions are found."""

    def load(self, version: str) -> Catalog:
        """Return a version.

        Raises:
            CatalogError: it is lost.
        """
        ...


class Onlooker(Protocol):
    """Looks on while a learner learns, and keeps what it makes of it with the checkpoints."""

    def restore(self, memo: bytes) -> None:
        """Go on from what a checkpoint holds; it is empty where there is none."""
        ...

    def memo(self) -> bytes:
        """Return what :meth:`restore` goes on from."""
        ...

    def look(self, outcome: Outcome) -> None:
        """Look at an outcome that is about to be learned.

        Raises:
            OSError: something cannot be read now; the step is done again.
        """
        ...

    def settle(self, log_clock_us: int, now_us: int) -> None:
        """Take note that a checkpoint is about to be saved, with the log taken up so far.

        Raises:
            OSError: something cannot be written.
        """
        ...


class NoOnlooker:
    """Nobody looks on."""

    def restore(self, memo: bytes) -> None:
        """Need nothing."""

    def memo(self) -> bytes:
        """Keep nothing."""
        return b""

    def look(self, outcome: Outcome) -> None:
        """Look away."""

    def settle(self, log_clock_us: int, now_us: int) -> None:
        """Take no note."""


NOBODY: Final = NoOnlooker()


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
