"""Every error the simulator raises on purpose.

::

    bandit.errors.MarqueeError
    └── SimulatorError
        ├── LoggedDataError     a log cannot be used as it stands; carries the column and rows
        │   └── PropensityError     propensities are missing, zero or above one
        ├── TargetError         a target policy's probabilities are not lawful
        ├── EstimationError     an estimate cannot be made
        │   └── NoOverlapError      no round has weight: the log says nothing of the target
        ├── NotApplicableError  an interval or estimator does not apply to this kind of term
        ├── SimulationError     an environment or policy was asked for what it cannot do
        ├── ClusterError        a cluster cannot be reached, or is of no use for this run
        ├── InterruptedEarlyError   Ctrl-C came before there was anything to keep
        └── MissingDataError    a data set is not where it was looked for
"""

from __future__ import annotations

from collections.abc import Sequence

from bandit.errors import MarqueeError


class SimulatorError(MarqueeError):
    """The root; ``hint`` says what to do next."""


class LoggedDataError(SimulatorError):
    """Logged data is wrong in ``column``; ``rows`` are the first places, counted from 0."""

    def __init__(
        self, column: str, message: str, *, rows: Sequence[int] = (), hint: str = ""
    ) -> None:
        where = f" (first at rows {', '.join(map(str, rows))})" if rows else ""
        super().__init__(f"{column}: {message}{where}", hint=hint)
        self.column = column
        self.rows = tuple(rows)


class PropensityError(LoggedDataError):
    """Propensities are missing, or outside (0, 1]."""


class TargetError(SimulatorError):
    """A target policy gave probabilities that are negative, not finite, or do not sum to 1."""


class EstimationError(SimulatorError):
    """An estimate cannot be made from these rounds."""


class NoOverlapError(EstimationError):
    """The target never chooses what was logged: the log says nothing of its value."""


class NotApplicableError(SimulatorError):
    """An interval or estimator does not apply to what it was given."""


class SimulationError(SimulatorError):
    """An environment or policy was asked for something that it cannot do."""


class ClusterError(SimulatorError):
    """A cluster cannot be reached, was lost, or runs something else than is run here."""


class InterruptedEarlyError(SimulatorError):
    """Ctrl-C came before anything was done that could be kept."""


class MissingDataError(SimulatorError):
    """A data set is not where it was looked for; the hint tells how to get it."""
