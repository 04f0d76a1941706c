"""Work on a large catalog in a process of its own, so that whoever serves is not held up by it.

Decoding, checking and encoding a catalog of a million artworks takes a good ten seconds of Python
and of C code that holds the interpreter's lock for seconds at a stretch: no thread of the same
process would answer meanwhile. It also takes some 2 GB, which a worker would hardly give back.

The child is told what to do by its arguments, gets a body (if there is one) as its standard input,
and answers on its standard output with one MessagePack map: an outcome, or an error by its class
and fields, which is raised again here. What else it writes to standard error is quoted when it ends
without an answer, as it does when it is killed.

Why no pool of children kept ready: catalogs change rarely, and a start takes 0.15 s.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import IO, Any, Final

import msgspec

APART_FROM_BYTES: Final = 500_000
"""Documents of this size and more are worked on apart, in bytes of MessagePack or JSON.

Measured: decoding so many takes 11 ms in one piece, encoding the arrays 15 ms in small ones.
"""

TIMEOUT_S: Final = 900
"""Longest time a child may take; the largest catalogs take a fiftieth of it."""

_NICENESS: Final = 10
_SAID_MAX: Final = 400


class Failure(msgspec.Struct, frozen=True):
    """An error on its way from the child."""

    kind: str
    args: list[Any]
    fields: dict[str, Any]


class Outcome(msgspec.Struct, frozen=True):
    """What a child answers: an error or a result."""

    failure: Failure | None = None
    result: Any = None


class ChildDiedError(Exception):
    """The child ended without an answer; says how."""


Kinds = tuple[type[Exception], ...]
"""Errors that a child may answer with, besides OSErrors. What they carry are plain attributes."""


def run_apart(
    module: str,
    arguments: Sequence[str],
    *,
    body: IO[bytes] | None = None,
    inherited: Sequence[int] = (),
    kinds: Kinds,
) -> Any:
    """Run a module in a child process and return its result.

    Args:
        module: ends in a call of :func:`answer`.
        arguments: its command line.
        body: an open file that becomes its standard input.
        inherited: descriptors that it keeps, such as a lock's.
        kinds: which errors it may answer with, as given to :func:`answer`.

    Raises:
        ChildDiedError: it was killed, took too long or ended otherwise without an answer.
        OSError: it could not be started, or says so of its own work.
        Exception: what it answered with, one of ``kinds``.
    """
    try:
        done = subprocess.run(  # noqa: S603 (the command line is ours)
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL if body is None else body,
            capture_output=True,
            pass_fds=inherited,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildDiedError(f"took longer than {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise ChildDiedError(_how_it_ended(done.returncode, done.stderr))
    outcome = msgspec.msgpack.decode(done.stdout, type=Outcome)
    if outcome.failure is not None:
        raise _error_of(outcome.failure, kinds)
    return outcome.result


def answer(work: Callable[[], Any], kinds: Kinds) -> None:
    """Do a child's work, and tell its result or one of the errors ``kinds``, or an OSError.

    The work yields to whoever serves, and ends by itself if nobody waits for it any more.
    """
    signal.alarm(TIMEOUT_S)
    os.nice(_NICENESS)
    # Millions of objects are made and none of them is part of a cycle: looking for cycles among
    # them takes a third of the time.
    gc.disable()
    try:
        # Standard output is for the answer alone; what is logged goes the way of what is quoted.
        with redirect_stdout(sys.stderr):
            outcome = Outcome(result=work())
    except Exception as error:
        if not isinstance(error, (OSError, *kinds)):
            raise
        outcome = Outcome(failure=_failure_of(error))
    sys.stdout.buffer.write(msgspec.msgpack.encode(outcome))


def _failure_of(error: Exception) -> Failure:
    if isinstance(error, OSError):
        return Failure(OSError.__name__, [error.errno, error.strerror, error.filename], {})
    return Failure(type(error).__name__, [str(error)], vars(error))


def _error_of(failure: Failure, kinds: Kinds) -> Exception:
    known: Kinds = (OSError, *kinds)
    kind = next(each for each in known if each.__name__ == failure.kind)
    # As unpickling does it: the constructors of errors take other things than what they keep.
    error: Exception = kind.__new__(kind, *failure.args)
    vars(error).update(failure.fields)
    return error


def _how_it_ended(code: int, said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    last = f": {lines[-1][:_SAID_MAX]}" if lines else ""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}{last}"
    return f"ended with status {code}{last}"
