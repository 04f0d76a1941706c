"""obp's own interpreter: it needs Python 3.9 or 3.10 and old libraries, and never enters ours.

``MARQUEE_OBP_PYTHON`` names an interpreter that has obp; without it one is made, once, under
build/peers, from a Python 3.9 or 3.10 that is on the PATH or that pyenv has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

VARIABLE: Final = "MARQUEE_OBP_PYTHON"
HOME: Final = Path(__file__).resolve().parent.parent / "build" / "peers" / "obp"
REQUIREMENTS: Final = ("obp==0.5.7", "matplotlib<3.8")
INSTALL_TIMEOUT_S: Final = 900
PROBE_TIMEOUT_S: Final = 120


def peer_python(say: Callable[[str], None]) -> tuple[Path | None, str]:
    """Return an interpreter that has obp, or None and why there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        python = Path(named)
        return (python, "") if _has_obp(python) else (None, f"{named} has no obp ({VARIABLE})")
    python = HOME / "bin" / "python"
    if python.exists() and _has_obp(python):
        return python, ""
    base = next(_old_pythons(), None)
    if base is None:
        return None, "no Python 3.9 or 3.10 on the PATH or in pyenv, which obp needs"
    say(f"installing obp into {os.path.relpath(HOME)}")
    shutil.rmtree(HOME, ignore_errors=True)
    for command in (
        [str(base), "-m", "venv", str(HOME)],
        [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS],
    ):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return None, f"{command[1:3]} took over {INSTALL_TIMEOUT_S} s"
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return None, f"it could not be installed: {last}"
    return (python, "") if _has_obp(python) else (None, "it was installed but does not import")


def _old_pythons() -> Iterator[Path]:
    found = [shutil.which(name) for name in ("python3.10", "python3.9")]
    named = [Path(path) for path in found if path]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("3.10*", "3.9*"):
        named += sorted(pyenv.glob(f"{version}/bin/python"))
    for python in named:
        code = "import sys, venv; sys.exit(sys.version_info[:2] not in ((3, 9), (3, 10)))"
        if _runs(python, code):
            yield python


def _has_obp(python: Path) -> bool:
    return _runs(python, "import obp.ope")


def _runs(python: Path, code: str) -> bool:
    try:
        done = subprocess.run(
            [str(python), "-c", code], capture_output=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
