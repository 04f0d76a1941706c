"""Which estimators are asked for, and with what parameter: ``snips``, ``ips=10``, ``dr=tuned``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from bandit.types import Surface
from simulator.errors import EstimationError
from simulator.estimators.registry import estimator_named
from simulator.rankings.registry import RANKING_ESTIMATORS

TUNED_BY_DEFAULT: Final = frozenset({"switch-dr", "dros", "sgdr"})
"""What would be plain DR without a parameter."""


class Asked(NamedTuple):
    """One estimator as asked for."""

    label: str
    """As asked, and as results name it."""
    name: str
    parameter: float | Literal["tuned"] | None = None


def asked_estimators(words: Sequence[str], surface: Surface) -> tuple[Asked, ...]:
    """Read what is asked for, of single choices or, for ``rows``, of rankings.

    Raises:
        EstimationError: an estimator is not known, takes no parameter or not this one, or is asked
            for twice.
    """
    read = _of_rankings if surface == "rows" else _of_choices
    asked = tuple(map(read, words))
    labels = [each.label for each in asked]
    for label in labels:
        if labels.count(label) > 1:
            raise EstimationError(f"{label} is asked for twice", hint="name each estimator once")
    return asked


def _of_rankings(word: str) -> Asked:
    if word not in RANKING_ESTIMATORS:
        raise EstimationError(
            f"there is no estimator {word!r} of rankings",
            hint=f"give one of {', '.join(RANKING_ESTIMATORS)}",
        )
    return Asked(word, word)


def _of_choices(word: str) -> Asked:
    name, _, given = word.partition("=")
    spec = estimator_named(name)
    if not given:
        return Asked(word, name, "tuned" if name in TUNED_BY_DEFAULT else None)
    if spec.parameter is None:
        raise EstimationError(f"{name} takes no parameter", hint=f"ask for {name} alone")
    if given == "tuned":
        if not spec.tunable:
            raise EstimationError(f"{name} cannot be tuned", hint=f"give a {spec.parameter}")
        return Asked(word, name, "tuned")
    try:
        parameter = float(given)
    except ValueError as error:
        raise EstimationError(
            f"{given} is no {spec.parameter} for {name}",
            hint=f"give a number, as in {name}={min(10, spec.parameter_max):g}"
            + (f", or {name}=tuned" if spec.tunable else ""),
        ) from error
    spec.check(parameter)
    return Asked(word, name, parameter)
