"""Production's configuration with nothing set, as the file that policies are named by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

NAME: Final = "production"


@contextmanager
def default_config() -> Iterator[str]:
    """Yield the path of a TOML file that leaves every setting at its default."""
    with TemporaryDirectory(prefix="marquee-experiment-") as directory:
        path = Path(directory) / f"{NAME}.toml"
        path.write_text("")
        yield str(path)
