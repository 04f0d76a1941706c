"""Arrow, where it is installed: it comes with the ``simulator`` extra."""

from __future__ import annotations

import importlib
from typing import Any

from bandit.errors import LibraryMissingError


def arrow(module: str = "") -> Any:
    """Return pyarrow, or a module of it such as ``parquet``.

    Raises:
        LibraryMissingError: it is not installed.
    """
    try:
        return importlib.import_module(f"pyarrow.{module}" if module else "pyarrow")
    except ModuleNotFoundError as error:
        raise LibraryMissingError(
            "pyarrow, which reads and writes Parquet, is not installed",
            hint="pip install 'marquee[simulator]'",
        ) from error
