"""How many files a worker may have open: each connection is one."""

from __future__ import annotations

import resource
from typing import Final

OPEN_FILES_MAX: Final = 65_536
"""As high as the limit is raised; some containers allow a thousand million, which none needs."""

KEPT_FOR_OTHERS: Final = 256
"""Files that connections leave for the log, its readers, catalogs and snapshots."""

CONNECTIONS_MAX: Final = 1_000
"""Most connections of a worker where the limit allows for them."""


def raise_open_files() -> int:
    """Raise this process's limit of open files as far as it may; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return OPEN_FILES_MAX if soft == resource.RLIM_INFINITY else soft


def connections_allowed(open_files: int, threads: int) -> int:
    """Return how many connections a worker may have; always more than it has threads."""
    return max(min(CONNECTIONS_MAX, open_files - KEPT_FOR_OTHERS), 2 * threads)
