"""The disk that holds the service's state, and what its refusals are to a caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import StateUnavailableError


@contextmanager
def disk() -> Iterator[None]:
    """Tell what the operating system refuses as what it is to a caller: try again later.

    Raises:
        StateUnavailableError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StateUnavailableError(
            f"the state directory cannot be used now: {error}",
            hint="free disk space or make the directory accessible; what is served stays",
        ) from error
