"""Every error the learning core raises.

::

    MarqueeError
    ├── ConfigError        the configuration is wrong; carries the key's path
    ├── CatalogError       a catalog is wrong; carries the place and the mend
    │   └── CatalogConflictError    another version became current in the meantime
    ├── PageError          a page cannot be decided; carries the field and the mend
    │   └── UnknownItemError   a title or row that is neither in the catalog nor inline
    ├── DecisionConflictError   a decision id was used before with another body
    ├── LogError           the event log cannot do what was asked
    │   ├── LogUnavailableError     not now: disk full, read-only, queue full (try again later)
    │   └── LogDamagedError         a record cannot be read (will not mend itself)
    ├── SnapshotError      a snapshot is missing, damaged or not ours
    │   └── SnapshotUnavailableError    not now: disk full, read-only, unreadable (try again later)
    ├── ModelError         a model's weights or shape cannot be used
    │   └── UnlearnableError        an example that no model can be taught
    ├── ChallengerError         there is no challenger, or it cannot be moved now
    ├── BackupError             the state cannot be backed up, or a backup not be restored
    ├── OutcomeFilesError       exported outcomes cannot be written or read
    ├── LibraryMissingError     a library that is not always installed is needed
    └── LeaseHeldError          another learner is at work on the same state
"""

from __future__ import annotations


class MarqueeError(Exception):
    """The root of all errors raised on purpose; ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(MarqueeError):
    """The configuration is wrong at ``path``, a dotted key such as ``server.port``."""

    def __init__(self, path: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message, hint=hint)
        self.path = path


class CatalogError(MarqueeError):
    """A catalog is wrong at ``place``: a file's line or a field's path."""

    def __init__(self, place: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message, hint=hint)
        self.place = place


class CatalogConflictError(CatalogError):
    """The catalog to be replaced is not the current one any more."""

    def __init__(self, expected: str | None, current: str | None) -> None:
        super().__init__(
            "",
            f"the current catalog is {current or 'none'}, not {expected or 'none'}",
            hint="read the current version, apply the change to it, and try again",
        )
        self.expected = expected
        self.current = current


class PageError(MarqueeError):
    """A page cannot be decided because of ``field``."""

    def __init__(self, field: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class UnknownItemError(PageError):
    """A page names a title or row that is neither in the catalog nor given inline."""


class DecisionConflictError(MarqueeError):
    """The decision id was used before with another body."""

    def __init__(self, decision_id: str) -> None:
        super().__init__(
            f"decision {decision_id!r} was made before from another body",
            hint="use a new decision_id for a new page; repeat a request with the same body",
        )
        self.decision_id = decision_id


class LogError(MarqueeError):
    """The event log cannot do what was asked."""


class LogUnavailableError(LogError):
    """The event log cannot take records now; the same call may succeed later."""


class LogDamagedError(LogError):
    """A stored record cannot be read."""


class SnapshotError(MarqueeError):
    """A snapshot is missing, damaged, or not signed with a key of ours."""


class SnapshotUnavailableError(SnapshotError):
    """The snapshot store cannot be read or written now; the same call may succeed later."""


class ModelError(MarqueeError):
    """A model's weights are not finite, or its shape does not fit the configuration."""


class UnlearnableError(ModelError):
    """An example's numbers cannot be learned, now or later; the model is as it was."""


class OutcomeFilesError(MarqueeError):
    """Exported outcomes cannot be written, or are not what they should be."""


class ChallengerError(MarqueeError):
    """There is no challenger, or it cannot be promoted or demoted now."""


class BackupError(MarqueeError):
    """The state cannot be backed up, or a backup is damaged or cannot be restored."""


class LibraryMissingError(MarqueeError):
    """A library that is not always installed is needed; the hint tells how to get it."""


class LeaseHeldError(MarqueeError):
    """Another learner holds the lease on the same state."""


class MachineConflictError(MarqueeError):
    """Machines of a cluster do not fit together."""
