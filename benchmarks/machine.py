"""What a figure was measured on, and where results go."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).resolve().parent / "results"
MISSING: Final = "not installed"

_PACKAGES: Final = ("numpy", "vowpal-wabbit-next", "flask", "gunicorn", "granian", "msgspec")


def machine() -> dict[str, str | int]:
    """Return the machine, the interpreter and the libraries that matter for speed."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "wrk": _wrk(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING


def _wrk() -> str:
    if shutil.which("wrk") is None:
        return MISSING
    # it tells its version, and ends as if it had been called wrongly
    told = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return told.split(" [")[0].removeprefix("wrk ").strip() or "of an unknown version"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
