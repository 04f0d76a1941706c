"""A child that fails as its argument says."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from bandit.catalog.apart import answer
from bandit.errors import CatalogConflictError, CatalogError


def work(how: str) -> Any:
    """Fail, or tell whether this process yields to others."""
    if how == "catalog":
        raise CatalogError("titles[1].id", "is taken", hint="choose another")
    if how == "conflict":
        raise CatalogConflictError("c1", None)
    if how == "disk":
        raise OSError(28, "No space left on device", "/some/file")
    if how == "wait":
        signal.pause()
    if how == "print":
        print("not the answer")
        return {"niceness": os.nice(0) > 0}
    raise KeyError(how)


if __name__ == "__main__":
    answer(lambda: work(sys.argv[1]), (CatalogError, CatalogConflictError))
