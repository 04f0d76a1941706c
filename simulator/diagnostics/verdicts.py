"""How far an estimate may be trusted: what weights tell, and a verdict in plain words.

The first of these that holds is the verdict: no overlap at all; weights that do not average 1
(wrong propensities, or actions that the log never tried); too few effective rounds, or viewers
where they are known, since a viewer's rounds hang together; one round or viewer that decides; too
few whose rewards tell anything; else a good one, in words that go by the share that counts. What
does not spoil an estimate but should be known is a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray
from simulator.diagnostics.propensities import calibration
from simulator.diagnostics.weights import Weights, check_weight_max
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices
from simulator.results import CalibrationBin, Diagnostics

EFFECTIVE_ROUNDS_MIN: Final = 100
"""With fewer, or fewer viewers where they are known, normal and bootstrap intervals are too narrow
too often."""
TOP_SHARE_MAX: Final = 0.05
"""One round or viewer with more of all the weight decides the estimate."""
MEAN_WEIGHT_P_MIN: Final = 1e-3
TELLING_ROUNDS_MIN: Final = 10
"""With 5 clicks expected, a nominal 95 % normal interval holds the truth in 91 % of logs, with 10
in 92.6 %, with 15 in 93.4 %, with 30 in 94.3 %; nearly all misses are upper ends too low. Uneven
weights are like fewer clicks: 5.6 telling rounds out of 25 clicks gave 90 %, 18 out of 200 93.5 %.
"""
TELLING_ROUNDS_WARNED: Final = 30
GOOD_SHARE: Final = 0.2
USABLE_SHARE: Final = 0.01
"""Of rounds or viewers that count; with fewer, overlap is called thin."""
CALIBRATION_SPREADS: Final = 2.0
"""A bin is told of when it is so many half-widths of its 95 % interval off: about 4 σ."""


class Verdict(NamedTuple):
    """What to think of an estimate."""

    sound: bool
    text: str


def diagnose(
    weight: FloatArray,
    *,
    target_name: str,
    logged: LoggedChoices | None = None,
    cluster: npt.NDArray[np.int64] | None = None,
    reward: FloatArray | None = None,
    weight_max_known: float | None = None,
) -> Diagnostics:
    """Return how far estimates from these weights, shape (n,), may be trusted.

    ``logged`` adds what propensities tell, and viewers; ``cluster``, shape (n,), tells viewers
    apart where there is no such log; ``reward``, shape (n,), tells whether what was earned tells
    enough; ``weight_max_known`` is the largest weight possible.

    Raises:
        EstimationError: there are no rounds, a weight is negative, not finite or above the largest
            possible, or there is not one reward a round.
    """
    if not len(weight):
        raise EstimationError("there are no rounds to judge by", hint="give a log with rounds")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise EstimationError(
            "weights are negative or not finite",
            hint="check the target's probabilities and the logged propensities",
        )
    if reward is not None and reward.shape != weight.shape:
        raise EstimationError(
            f"there are {len(weight)} weights, and rewards of shape {reward.shape}",
            hint="give one reward a round: of rankings, the sum over positions",
        )
    if cluster is None and logged is not None:
        cluster = logged.cluster
    found = Weights.of(weight, cluster, reward)
    warnings = _calibration_warnings(logged)
    return diagnosed(found, target_name, weight_max_known=weight_max_known, warnings=warnings)


def diagnosed(
    found: Weights,
    target_name: str,
    *,
    weight_max_known: float | None = None,
    warnings: Sequence[str] = (),
) -> Diagnostics:
    """Return how far estimates may be trusted whose weights were summed up; add warnings.

    Raises:
        EstimationError: a weight is above the largest possible.
    """
    check_weight_max(found.largest, weight_max_known)
    verdict = judge(found, target_name)
    return Diagnostics(
        rounds=found.rounds,
        effective_rounds=found.effective,
        viewers=found.viewers,
        effective_viewers=found.effective_viewers,
        weight_max=found.largest,
        weight_mean=found.mean,
        weight_mean_p=found.p_value,
        zero_overlap_share=found.zero_share,
        telling_rounds=found.telling,
        sound=verdict.sound,
        verdict=verdict.text,
        warnings=[*_warnings(found, verdict, weight_max_known), *warnings],
    )


def judge(found: Weights, target_name: str) -> Verdict:
    """Return the verdict."""
    if found.largest == 0:
        return Verdict(
            False,
            f"no overlap: {target_name} never chooses what was logged in any of the "
            f"{found.rounds:,} rounds; log with a policy that tries what it chooses",
        )
    if found.p_value < MEAN_WEIGHT_P_MIN:
        return Verdict(False, _off_balance(found, target_name))
    if found.effective_units < EFFECTIVE_ROUNDS_MIN:
        return Verdict(False, _too_few(found))
    if found.top_share > TOP_SHARE_MAX:
        return Verdict(
            False,
            f"one {found.unit} decides: it carries {found.top_share:.0%} of all the weight; clip "
            "or shrink weights, or gather more explore traffic",
        )
    if found.telling is not None and found.telling < TELLING_ROUNDS_MIN:
        return Verdict(False, _untold(found))
    return Verdict(True, f"{_overlap(found)}: {_counted(found)}")


def _counted(found: Weights) -> str:
    return f"{found.effective_units:,.0f} effective {found.unit}s of {found.units:,}"


def _share(found: Weights) -> float:
    return found.effective_units / found.units


def _overlap(found: Weights) -> str:
    share = _share(found)
    if share >= GOOD_SHARE:
        return "good overlap"
    return "usable overlap" if share >= USABLE_SHARE else "thin overlap"


def _too_few(found: Weights) -> str:
    """Say that too few count, and why: few were logged, or few overlap."""
    if found.units < EFFECTIVE_ROUNDS_MIN and _share(found) >= GOOD_SHARE:
        return f"too few {found.unit}s: {_counted(found)}; gather more of them"
    return (
        f"not enough overlap: {_counted(found)}; gather more explore traffic, or judge a target "
        "nearer to the logging policy"
    )


def _untold(found: Weights) -> str:
    """Say that rewards tell too little, and what to do."""
    advice = (
        f"gather more {found.unit}s, and go by sequence or bernstein intervals (clopper-pearson "
        "for replay and for what was served): normal and bootstrap ones are too narrow"
    )
    if not found.telling:
        return f"nothing to tell by: all {_counted(found)} earned the same; {advice}"
    return (
        f"too few rewards tell: the spread rests on about {found.telling:,.2g} of "
        f"{_counted(found)}; {advice}"
    )


def _off_balance(found: Weights, target_name: str) -> str:
    told = f"weights average {found.mean:.3g} where 1 is expected (p = {found.p_value:.1g}): "
    if found.mean < 1:
        return told + (
            f"{target_name} chooses what the log never tried, or logged propensities are too high; "
            "look at the calibration, and log with a floor of exploration"
        )
    return told + "logged propensities are too low; look at the calibration"


def _few_rewards(found: Weights, verdict: Verdict) -> list[str]:
    """Return a warning where few rewards tell, unless the verdict says so already."""
    few = found.telling is not None and found.telling < TELLING_ROUNDS_WARNED
    if not few or found.largest == 0 or verdict.text == _untold(found):
        return []
    return [
        f"only about {found.telling:,.2g} {found.unit}s tell, those whose rewards differ from what "
        "is common: normal and bootstrap intervals are somewhat too narrow"
    ]


def _warnings(found: Weights, verdict: Verdict, weight_max_known: float | None) -> list[str]:
    warnings = _few_rewards(found, verdict)
    if found.largest > 0 and _share(found) < USABLE_SHARE:
        warnings.append(
            f"only {_share(found):.2%} of the {found.unit}s count: intervals rest on few"
        )
    if weight_max_known is not None and 0 < found.largest < weight_max_known / 2:
        warnings.append(
            f"weights up to {weight_max_known:.3g} are possible, and none above "
            f"{found.largest:.3g} was seen: the rarest rounds are missing"
        )
    return warnings


def _calibration_warnings(logged: LoggedChoices | None) -> list[str]:
    if logged is None or logged.propensity_source != "logged":
        return []
    return [
        f"actions logged at a propensity of about {bin_.predicted:.3g} were chosen "
        f"{bin_.observed:.3g} of the time: the logged propensities do not match frequencies"
        for bin_ in calibration(logged)
        if _is_off(bin_)
    ]


def _is_off(bin_: CalibrationBin) -> bool:
    half_width = (bin_.high - bin_.low) / 2
    return abs(bin_.observed - bin_.predicted) > CALIBRATION_SPREADS * half_width
