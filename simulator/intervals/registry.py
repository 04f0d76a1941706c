"""All intervals by name, and the two calls that make them: for a value, for a paired difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.errors import EstimationError, NotApplicableError
from simulator.intervals.bernstein import bernstein, hoeffding
from simulator.intervals.betting import sequence
from simulator.intervals.bootstrap import bootstrap, bootstrap_p_value, bootstrap_values
from simulator.intervals.bounds import Bounds
from simulator.intervals.clopper_pearson import clopper_pearson
from simulator.intervals.cressie_read import cressie_read
from simulator.intervals.normal import normal, normal_p_value
from simulator.intervals.statistic import Statistic, difference, statistic_of
from simulator.results import Interval
from simulator.terms import Terms


class Request(NamedTuple):
    """What an interval was asked with."""

    level: float
    seed: int
    resamples: int
    bounds: Bounds | None
    threads: int


class IntervalSpec(NamedTuple):
    """One kind of interval."""

    name: str
    title: str
    holds: Literal["many rounds", "any number of rounds", "every moment"]
    """When its coverage holds: as rounds grow, always, or uniformly over time."""
    needs_bounds: bool
    """Whether it is refused without the true range of terms."""
    of_statistic: Callable[[Statistic, Request, str], Interval] | None
    """For ratios, clusters and differences too; the string is a note."""
    of_terms: Callable[[Terms, Request], Interval] | None
    """For independent rounds alone."""
    source: str


def _bootstrap(statistic: Statistic, request: Request, note: str) -> Interval:
    return bootstrap(
        statistic,
        request.level,
        resamples=request.resamples,
        seed=request.seed,
        threads=request.threads,
        note=note,
    )


_SPECS = (
    IntervalSpec(
        "normal",
        "Normal",
        "many rounds",
        False,
        lambda statistic, request, note: normal(statistic, request.level, note),
        None,
        "delta method; Student's quantile",
    ),
    IntervalSpec("bootstrap", "Bootstrap", "many rounds", False, _bootstrap, None, "Efron, 1979"),
    IntervalSpec(
        "bernstein",
        "Empirical Bernstein",
        "any number of rounds",
        True,
        None,
        lambda terms, request: bernstein(terms, request.level, request.bounds),
        "Maurer and Pontil, 2009",
    ),
    IntervalSpec(
        "hoeffding",
        "Hoeffding",
        "any number of rounds",
        True,
        None,
        lambda terms, request: hoeffding(terms, request.level, request.bounds),
        "Hoeffding, 1963",
    ),
    IntervalSpec(
        "clopper-pearson",
        "Clopper–Pearson",
        "any number of rounds",
        False,
        None,
        lambda terms, request: clopper_pearson(terms, request.level),
        "Clopper and Pearson, 1934",
    ),
    IntervalSpec(
        "cressie-read",
        "Cressie–Read",
        "many rounds",
        True,
        None,
        lambda terms, request: cressie_read(terms, request.level, request.bounds),
        "Karampatziakis, Langford and Mineiro, 2020",
    ),
    IntervalSpec(
        "sequence",
        "Confidence sequence",
        "every moment",
        True,
        None,
        lambda terms, request: sequence(terms, request.level, request.bounds),
        "Waudby-Smith and Ramdas, 2024",
    ),
)
INTERVALS: Mapping[str, IntervalSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


class Paired(NamedTuple):
    """Two policies on the same rounds."""

    interval: Interval
    """Of the second's value less the first's."""
    p_value: float
    """Two-sided, of no difference."""
    difference: float
    """Second less first."""


def interval(
    method: str,
    terms: Terms | Statistic,
    *,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 1000,
    cluster: npt.NDArray[np.int64] | None = None,
    bounds: Bounds | None = None,
    threads: int = 1,
) -> Interval:
    """Return an interval of an estimate, or of a paired :func:`difference`.

    ``cluster`` is (n,): rounds of one viewer share a code, and are resampled or summed together.

    Raises:
        NotApplicableError: the method does not apply to these terms, to clusters, or without the
            true range; the hint says what does.
        NoOverlapError: no round has weight.
        EstimationError: there is no such method; the level, clusters or resamples make no sense.
    """
    spec = interval_named(method)
    if not 0 < level < 1:
        raise EstimationError(
            f"an interval at the level {level} cannot be made", hint="use one such as 0.95"
        )
    if isinstance(terms, Terms):
        terms.check_overlap()
    request = Request(level, seed, resamples, bounds, threads)
    if spec.of_statistic is not None:
        statistic, note = _clustered(terms, cluster)
        return spec.of_statistic(statistic, request, note)
    if cluster is not None or isinstance(terms, Statistic) or spec.of_terms is None:
        what = "rounds grouped by viewer" if cluster is not None else "differences"
        raise NotApplicableError(
            f"{method} does not apply to {what}", hint="use normal or bootstrap"
        )
    return spec.of_terms(terms, request)


def paired(
    method: str,
    first: Terms,
    second: Terms,
    *,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 1000,
    cluster: npt.NDArray[np.int64] | None = None,
    threads: int = 1,
) -> Paired:
    """Compare two policies on the same rounds, by ``normal`` or ``bootstrap``.

    Raises:
        NotApplicableError: another method was asked for.
        EstimationError: the terms are not on the same rounds.
        NoOverlapError: a policy has no weight on any round.
    """
    for terms in (first, second):
        terms.check_overlap()
    apart = difference(first, second)
    if cluster is not None:
        apart = apart.by_cluster(cluster)
    found = interval(method, apart, level=level, seed=seed, resamples=resamples, threads=threads)
    if method == "normal":
        p_value = normal_p_value(apart)
    else:
        values = bootstrap_values(apart, resamples=resamples, seed=seed, threads=threads)
        p_value = bootstrap_p_value(values)
    return Paired(found, p_value, apart.value())


def _clustered(
    terms: Terms | Statistic, cluster: npt.NDArray[np.int64] | None
) -> tuple[Statistic, str]:
    statistic = terms if isinstance(terms, Statistic) else statistic_of(terms)
    if cluster is None:
        return statistic, ""
    grouped = statistic.by_cluster(cluster)
    return grouped, f"{grouped.units} clusters"


def interval_named(method: str) -> IntervalSpec:
    """Return a kind of interval.

    Raises:
        EstimationError: there is none of that name.
    """
    spec = INTERVALS.get(method)
    if spec is None:
        raise EstimationError(
            f"there is no interval {method!r}", hint=f"give one of {', '.join(INTERVALS)}"
        )
    return spec
