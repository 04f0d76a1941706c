"""Off-policy estimates with bootstrap intervals: ours and the Open Bandit Pipeline's, in one run.

A million rounds of 80 actions on 3 positions, a value and a 1,000-sample bootstrap interval for
each estimator, and 100,000 slates. Each case is measured in ours on one thread, in ours on all
cores, and then in obp, before the next one: what disturbs the machine disturbs all three. Both run
in processes of their own, on the same arrays; obp in a virtual environment of its own
(:mod:`benchmarks.environments`), and where that cannot be had the run says so.

Inputs are made before the clock starts: for obp its dense (rounds, actions, positions) arrays; for
ours the target's probability of what was logged, and for estimators with a reward model both
(rounds, actions) arrays, whose averaging over actions is timed. Memory is the peak beyond these
inputs; only where obp needs a dense array and ours none (IPS, SNIPS), it is the peak beyond what
was logged, with obp's dense array counted, and the target's probabilities in ours.

Two targets: ``softmax`` knows the context, so that all weights differ; ``fixed`` knows none, and
was logged by uniform choice, so that few weights are distinct.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.environments import OBP
from benchmarks.estimation_data import ACTIONS, POSITIONS, Work, write_rounds, write_slates
from benchmarks.estimation_workers import Outcome, Worker
from benchmarks.figures import Board, Target

DENSE_MEMORY_GB: Final = 12
"""What obp's dense arrays for a million rounds need, with what it makes of them."""
WHOLE: Final = Work(rounds=1_000_000, slates=100_000, resamples=1_000)
SMALLER: Final = WHOLE._replace(rounds=200_000)
QUICK: Final = Work(rounds=20_000, slates=1_000, resamples=64)
AGREE: Final = 1e-9
MEMORY: Final = Target("<", 0.1)


class Case(NamedTuple):
    """One estimator on one kind of target."""

    target: str
    """``softmax``, ``fixed`` or ``slates``."""
    estimator: str
    times: Target
    """How many times faster than obp it is to be."""
    headline: str = ""
    """The name under which that is also told."""

    @property
    def name(self) -> str:
        """As workers and figures have it."""
        return f"{self.target}_{self.estimator}"

    @property
    def model_free(self) -> bool:
        """Whether ours needs the target's probability of the logged action alone."""
        return self.estimator in ("ips", "snips")


_LARGE: Final = Target("≥", 20)
_MODEL: Final = Target("≥", 5)
CASES: Final = (
    Case("fixed", "ips", _LARGE),
    Case("fixed", "snips", _LARGE),
    Case("softmax", "ips", _LARGE, "ope_ips_ratio_obp"),
    Case("softmax", "snips", _LARGE),
    Case("softmax", "dr", _MODEL, "ope_dr_ratio_obp"),
    Case("softmax", "switch-dr", _MODEL),
    Case("softmax", "dros", _MODEL),
    Case("slates", "sips", _LARGE),
    Case("slates", "rips", _LARGE, "ope_slate_ratio_obp"),
)


def measure_estimation(board: Board, *, quick: bool) -> None:
    """Measure all cases; about four minutes with obp."""
    work = QUICK if quick else WHOLE
    if not quick and _memory_gb() < DENSE_MEMORY_GB:
        work = SMALLER
        board.say(f"less than {DENSE_MEMORY_GB} GB free: obp's dense arrays allow 200,000 rounds")
    python, why = OBP.python(board.say)
    if python is None:
        board.say(f"obp is not measured: {why}")
    measure_cases(board, work, python)


def measure_cases(board: Board, work: Work, python: Path | None) -> None:
    """Measure all cases, in obp only where an interpreter is given that has it."""
    cores = os.cpu_count() or 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-bench-")))
        write_rounds(folder, work)
        write_slates(folder, work)
        ours = stack.enter_context(Worker.ours(folder))
        peer = None if python is None else stack.enter_context(Worker.peer(python, folder))
        for case in CASES:
            one = ours.measure(case.name, work.resamples, 1)
            all_cores = ours.measure(case.name, work.resamples, cores)
            _add(board, case, work, one, all_cores, cores)
            if peer is not None:
                found = peer.measure(case.name, work.resamples, 1)
                compare(board, case, work, (one, all_cores, found))


def _add(
    board: Board, case: Case, work: Work, one: Outcome, all_cores: Outcome, cores: int
) -> None:
    rounds = (
        f"{work.slates:,} slates of 3"
        if case.target == "slates"
        else f"{work.rounds:,} rounds × 80 actions × 3 positions, {case.target} target"
    )
    name = f"estimation_{case.name}"
    board.add(
        f"{name}_s_1_thread",
        one.seconds,
        "s",
        f"value and {work.resamples:,}-sample bootstrap of {case.estimator}, {rounds}, one thread",
    )
    board.add(f"{name}_s", all_cores.seconds, "s", f"the same on {cores} threads, same bits")
    board.add(f"{name}_peak_mb", all_cores.peak_mb, "MB", "peak memory beyond the inputs")
    if (one.low, one.high) != (all_cores.low, all_cores.high):
        raise AssertionError(f"{name}: the interval depends on the number of threads")


def compare(
    board: Board, case: Case, work: Work, outcomes: tuple[Outcome, Outcome, Outcome]
) -> None:
    """Add what obp took; the outcomes are ours on one thread, ours on all, and obp's."""
    one, all_cores, peer = outcomes
    name = f"estimation_{case.name}"
    board.add(f"{name}_obp_s", peer.seconds, "s", "the same by obp (it has one thread)")
    board.add(f"{name}_obp_peak_mb", peer.peak_mb, "MB", "obp's peak memory beyond its inputs")
    times = peer.seconds / all_cores.seconds
    board.add(f"{name}_times_obp", times, "times faster", "than obp, all cores", case.times)
    if case.headline:
        work_told = f"obp's seconds by ours on all cores: {case.estimator}, {case.target} target"
        board.add(case.headline, times, "×", work_told, case.times)
    times = peer.seconds / one.seconds
    board.add(f"{name}_times_obp_1_thread", times, "times faster", "than obp, one thread")
    share = _memory_share(case, work, all_cores, peer)
    wanted = None if case.target == "slates" else MEMORY
    board.add(f"{name}_memory_of_obp", share, "share", _memory_words(case), wanted)
    width = (peer.high - peer.low) / (all_cores.high - all_cores.low)
    board.say(
        f"value {all_cores.value:.6f}, obp's {peer.value:.6f}; its interval is {width:.2f} times "
        "as wide"
    )
    if abs(peer.value - all_cores.value) > AGREE * abs(peer.value):
        raise AssertionError(f"{name}: obp's value is {peer.value!r}, ours {all_cores.value!r}")


def _memory_share(case: Case, work: Work, ours: Outcome, peer: Outcome) -> float:
    rounds_mb = work.rounds * 8 / 2**20
    if case.model_free:
        return (ours.peak_mb + rounds_mb) / (peer.peak_mb + rounds_mb * ACTIONS * POSITIONS)
    return ours.peak_mb / max(peer.peak_mb, 1e-9)


def _memory_words(case: Case) -> str:
    if case.model_free:
        return "of obp's memory beyond what was logged: its dense target array is counted"
    return "of obp's memory beyond inputs"


def _memory_gb() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / 2**20
    return 0.0
