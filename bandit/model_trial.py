"""Loading a model that comes from elsewhere in a process that may be lost.

VW's loader was not made for bytes that mean harm: it takes most damage without a complaint, and
some may crash it or make it ask for memory without end. A child process loads the model once,
within bounds on time, memory and files that it sets itself before it looks at anything, with
nothing of our environment and no descriptor of ours. What it hands back are arrays of numbers,
which are checked here; whatever becomes of the child, nobody else is touched.

The child is told by ``trial.json`` and ``model.bin`` in a directory of its own, and answers there.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandit.config.schema import ModelConfig
from bandit.engine import ModelArrays
from bandit.errors import MarqueeError, ModelError, SnapshotError
from bandit.snapshots.manifest import check_arrays
from bandit.types import Float32Array, Surface

TRIAL_S: Final = 60
"""Longest time that loading may take; 2^24 weights take 2 s."""
_MEMORY_BYTES: Final = 3 << 30
"""Address space of the child, beside what its model takes: libraries alone map 1 GB."""
_BYTES_A_WEIGHT: Final = 256

_TRIAL: Final = "trial.json"
_MODEL: Final = "model.bin"
_VERDICT: Final = "verdict.json"
_SAID_MAX: Final = 400


class TriedModel(NamedTuple):
    """What a model turned out to hold."""

    arrays: ModelArrays
    examples_learned: int
    engine_version: str


class _Trial(msgspec.Struct, frozen=True):
    surface: Surface
    model: ModelConfig
    bytes_max: int


class _Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    refusal: str | None = None
    examples_learned: int = 0
    engine_version: str = ""


def try_model(
    surface: Surface, config: ModelConfig, model: bytes, *, timeout_s: float = TRIAL_S
) -> TriedModel:
    """Load a model's bytes in a child process and return what they hold, verified.

    Args:
        surface: whose model it is to be.
        config: how that surface's model is configured here; ``model`` must agree with it.
        model: VW's own form.
        timeout_s: how long it may take.

    Raises:
        SnapshotError: the bytes are no model of that shape and VW version, its numbers are not
            lawful, or the child crashed, took too long or asked for too much memory.
    """
    with tempfile.TemporaryDirectory(prefix="marquee-trial-") as name:
        directory = Path(name)
        bytes_max = _MEMORY_BYTES + (_BYTES_A_WEIGHT << config.bits)
        (directory / _TRIAL).write_bytes(msgspec.json.encode(_Trial(surface, config, bytes_max)))
        (directory / _MODEL).write_bytes(model)
        verdict = _verdict_of_child(directory, timeout_s)
        if verdict.refusal is not None:
            raise _refused(verdict.refusal)
        arrays = ModelArrays(
            *(_read_array(directory, name, config.bits) for name in ModelArrays._fields)
        )
    check_arrays(arrays, config.bits)
    return TriedModel(arrays, verdict.examples_learned, verdict.engine_version)


def _verdict_of_child(directory: Path, timeout_s: float) -> _Verdict:
    root = str(Path(__file__).resolve().parents[1])
    environment = {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "LANG": "C.UTF-8"}
    said = directory / "said"
    try:
        with said.open("wb") as errors:
            done = subprocess.run(  # noqa: S603 (our own command line)
                [sys.executable, "-P", "-m", "bandit.model_trial", str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=directory,
                env=environment,
                timeout=timeout_s,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise _refused(f"loading it took longer than {timeout_s:g} s") from error
    if done.returncode != 0:
        raise _refused(_how_it_ended(done.returncode, said))
    try:
        return msgspec.json.decode((directory / _VERDICT).read_bytes(), type=_Verdict)
    except (OSError, msgspec.MsgspecError) as error:
        raise _refused(f"the process that loaded it said nothing of use: {error}") from error


def _how_it_ended(code: int, said: Path) -> str:
    with said.open("rb") as file:
        file.seek(max(0, said.stat().st_size - _SAID_MAX))
        lines = file.read().decode(errors="replace").strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    if code < 0:
        return f"loading it crashed a process by {signal.Signals(-code).name}{last}"
    return f"the process that loaded it ended with status {code}{last}"


def _read_array(directory: Path, name: str, bits: int) -> Float32Array:
    path = directory / name
    if not path.is_file() or path.stat().st_size != np.dtype(np.float32).itemsize << bits:
        raise _refused(f"its {name} are not as many as they should be")
    return np.fromfile(path, np.float32)


def _refused(why: str) -> SnapshotError:
    return SnapshotError(
        f"the model's bytes are refused: {why}",
        hint="nothing was imported; export it anew, from a Marquee that is configured alike",
    )


def _limit(bytes_max: int) -> None:
    """Bound what this process may use from now on."""
    for what, most in (
        (resource.RLIMIT_AS, bytes_max),
        (resource.RLIMIT_CPU, TRIAL_S),
        (resource.RLIMIT_FSIZE, bytes_max),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    signal.alarm(TRIAL_S)
    os.nice(10)


def _load(directory: Path, trial: _Trial) -> _Verdict:
    """Load the model, and leave its arrays in the directory."""
    # Imported within the bounds, and by the child alone: the parent never has VW in its memory.
    from bandit.model import VowpalEngine, engine_version
    from bandit.scoring import ModelShape

    shape = ModelShape.of(trial.surface, trial.model)
    try:
        engine = VowpalEngine(shape, trial.model, (directory / _MODEL).read_bytes())
        arrays = engine.arrays()
    except ModelError as error:
        return _Verdict(refusal=error.message)
    for name, array in arrays._asdict().items():
        array.tofile(directory / name)
    return _Verdict(examples_learned=engine.examples_learned, engine_version=engine_version())


def main(directory: Path) -> int:
    """Be the child; return the exit code."""
    trial = msgspec.json.decode((directory / _TRIAL).read_bytes(), type=_Trial)
    _limit(trial.bytes_max)
    try:
        verdict = _load(directory, trial)
    except MarqueeError as error:
        verdict = _Verdict(refusal=str(error))
    (directory / _VERDICT).write_bytes(msgspec.json.encode(verdict))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
