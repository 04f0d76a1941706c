"""The exact binomial interval (Clopper and Pearson, 1934), for terms that are 0 or 1."""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

from bandit.types import FloatArray
from simulator.errors import NoOverlapError, NotApplicableError
from simulator.results import Interval
from simulator.terms import Terms


def clopper_pearson(terms: Terms, level: float) -> Interval:
    """Return the interval of a share: on-policy clicks, or clicks among replay's matches.

    Raises:
        NotApplicableError: terms are not 0 or 1.
        NoOverlapError: nothing matched.
    """
    denominator = np.ones(len(terms)) if terms.denominator is None else terms.denominator
    lawful = (
        terms.numerator.ndim == 1
        and (terms.base is None or not terms.base.any())
        and _binary(terms.numerator)
        and _binary(denominator)
        and not ((terms.numerator > 0) & (denominator == 0)).any()
    )
    if not lawful:
        raise NotApplicableError(
            "clopper-pearson counts clicks among rounds: it applies to terms of 0 and 1 alone",
            hint="use it for on-policy clicks or replay; for weighted terms use normal, bootstrap "
            "or bernstein",
        )
    clicks, rounds = float(terms.numerator.sum()), float(denominator.sum())
    if rounds == 0:
        raise NoOverlapError("no round matched the target", hint="log with more explore traffic")
    half = (1 - level) / 2
    low = 0.0 if clicks == 0 else float(betaincinv(clicks, rounds - clicks + 1, half))
    high = 1.0 if clicks == rounds else float(betaincinv(clicks + 1, rounds - clicks, 1 - half))
    return Interval(
        method="clopper-pearson",
        level=level,
        low=low,
        high=high,
        note=f"{clicks:.0f} of {rounds:.0f}",
    )


def _binary(values: FloatArray) -> bool:
    return bool(((values == 0) | (values == 1)).all())
