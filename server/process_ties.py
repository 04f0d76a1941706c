"""Ties between parent and child processes, by Linux's ``prctl``.

A supervisor that is killed outright cannot stop its children. The kernel can: a child may ask for
a signal at its parent's death, which holds across ``exec`` and needs no thread, pipe or polling.
Likewise a parent may ask to adopt the orphans below it, and so learns when they end. Elsewhere
than on Linux these calls do nothing: gunicorn's workers notice a lost parent by themselves within
a second, and a learner outlives a killed supervisor until it is told to stop.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Collection
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_parent(parent: int) -> None:
    """Ask for SIGTERM when the parent dies; end at once if it is dead already.

    ``parent`` is the parent's process id, taken before this process came to be. The call is made
    between fork and exec, where the caller must have one thread alone.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every process below this one that loses its own."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(children: Collection[int]) -> list[int]:
    """Take leave of ended processes that were adopted, leaving our own ``children`` alone.

    Returns:
        The process ids of those that had ended.
    """
    reaped: list[int] = []
    if _libc is None:
        return reaped
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        while (ended := os.waitid(os.P_ALL, 0, flags)) is not None:
            if ended.si_pid in children:
                # It ended a moment ago; its own SIGCHLD brings us back here.
                return reaped
            os.waitpid(ended.si_pid, 0)
            reaped.append(ended.si_pid)
    except ChildProcessError:
        pass
    return reaped


def group_lives(group: int) -> bool:
    """Tell whether a process group has any member left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
