"""The processes that are measured, from the side that asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent


class Outcome(NamedTuple):
    """One case, measured."""

    seconds: float
    peak_mb: float
    value: float
    low: float
    high: float


class Worker:
    """A process that answers cases; a context manager."""

    def __init__(self, command: list[str]) -> None:
        # single-threaded BLAS on both sides: threads are what a case says
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @classmethod
    def ours(cls, folder: Path) -> Worker:
        """Start ours."""
        return cls([sys.executable, "-m", "benchmarks.estimation_ours", str(folder)])

    @classmethod
    def peer(cls, python: Path, folder: Path) -> Worker:
        """Start obp's."""
        return cls([str(python), "-W", "ignore", "-m", "benchmarks.estimation_peer", str(folder)])

    def measure(self, case: str, resamples: int, threads: int) -> Outcome:
        """Run one case."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{case} {resamples} {threads}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that measured {case} ended; see its message above")
        return Outcome(**msgspec.json.decode(answer, type=dict[str, float]))

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if error is not None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
