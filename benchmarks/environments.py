"""Interpreters of peers: each in a virtual environment of its own under build/peers, never in ours.

An environment is made once, with the first interpreter that can install what the peer needs. A
variable may name an interpreter that has the peer already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

PEERS: Final = Path(__file__).resolve().parent.parent / "build" / "peers"
INSTALL_TIMEOUT_S: Final = 900
PROBE_TIMEOUT_S: Final = 120

Say = Callable[[str], None]


class Environment(NamedTuple):
    """What a peer needs."""

    name: str
    requirements: tuple[str, ...]
    module: str
    """What must import."""
    versions: tuple[str, ...]
    """Minor versions of Python that it may run under, the best first."""

    @property
    def variable(self) -> str:
        """Names the environment variable that may name an interpreter."""
        return f"MARQUEE_{self.name.upper()}_PYTHON"

    @property
    def home(self) -> Path:
        """Where it lies."""
        return PEERS / self.name

    def python(self, say: Say) -> tuple[Path | None, str]:
        """Return an interpreter that has the peer, or None and why there is none."""
        named = os.environ.get(self.variable)
        if named:
            if self._imports(Path(named)):
                return Path(named), ""
            return None, f"{named} has no {self.name} ({self.variable})"
        python = self.home / "bin" / "python"
        if python.exists() and self._imports(python):
            return python, ""
        why = f"no Python {' or '.join(self.versions)} on the PATH or in pyenv, which it needs"
        for base in pythons(self.versions):
            say(f"installing {self.name} into {os.path.relpath(self.home)}")
            why = self._install(base)
            if not why:
                return python, ""
        return None, why

    def _install(self, base: Path) -> str:
        """Make the environment; return why it could not be made, or nothing."""
        python = self.home / "bin" / "python"
        shutil.rmtree(self.home, ignore_errors=True)
        for command in (
            [str(base), "-m", "venv", str(self.home)],
            [str(python), "-m", "pip", "install", "--quiet", *self.requirements],
        ):
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
                )
            except subprocess.TimeoutExpired:
                return f"{command[1:3]} took over {INSTALL_TIMEOUT_S} s"
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                return f"it could not be installed: {last}"
        return "" if self._imports(python) else "it was installed but does not import"

    def _imports(self, python: Path) -> bool:
        return _runs(python, f"import {self.module}")


def pythons(versions: tuple[str, ...]) -> Iterator[Path]:
    """Yield interpreters of these versions that have venv: ours, the PATH's, pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        named = [Path(sys.executable)] if version == "{}.{}".format(*sys.version_info) else []
        found = shutil.which(f"python{version}")
        named += [Path(found)] if found else []
        named += sorted(pyenv.glob(f"{version}.*/bin/python"))
        code = f"import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
        yield from (python for python in named if _runs(python, code))


def _runs(python: Path, code: str) -> bool:
    try:
        done = subprocess.run(
            [str(python), "-c", code], capture_output=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


OBP: Final = Environment("obp", ("obp==0.5.7", "matplotlib<3.8"), "obp.ope", ("3.10", "3.9"))
VOWPALWABBIT: Final = Environment(
    "vowpalwabbit",
    ("vowpalwabbit==9.11.9", "--only-binary=vowpalwabbit"),
    "vowpalwabbit",
    ("3.11", "3.12", "3.10", "3.9"),
)
MABWISER: Final = Environment(
    "mabwiser", ("mabwiser==2.7.4",), "mabwiser.mab", ("3.11", "3.12", "3.10")
)
CONTEXTUALBANDITS: Final = Environment(
    "contextualbandits",
    ("contextualbandits==0.3.30",),
    "contextualbandits.online",
    ("3.11", "3.12", "3.10"),
)
