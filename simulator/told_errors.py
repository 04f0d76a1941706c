"""Errors of a job on their way from a worker to whoever asked for it.

Pickle makes exceptions anew from ``args`` alone, which those with keywords do not bear: a worker
hands back what an error holds, as the job's outcome, and it is raised at the other end.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from bandit.errors import MarqueeError


class Raised(NamedTuple):
    """What a job raised."""

    kind: type[Exception]
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]


def outcome(function: Callable[[Any, Any], Any], shared: Any, task: Any) -> Any:
    """Return what a job gives, or what it raised."""
    try:
        return function(shared, task)
    except MarqueeError as error:
        return Raised(type(error), error.args, vars(error))
    except Exception as error:  # noqa: BLE001 - raised at the other end, with where it came from
        error.add_note(traceback.format_exc())
        return Raised(type(error), error.args, vars(error))


def opened(result: Any, note: str = "") -> Any:
    """Return a job's result.

    Raises:
        Exception: what the job raised, with ``note`` added where there is one.
    """
    if isinstance(result, Raised):
        error = result.kind.__new__(result.kind, *result.arguments)
        error.args = result.arguments
        vars(error).update(result.attributes)
        if note:
            error.add_note(note)
        raise error
    return result
