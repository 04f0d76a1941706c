"""Which estimators are asked for, and with what parameter: ``snips``, ``ips=10``, ``dr=tuned``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from simulator.errors import EstimationError
from simulator.estimators.registry import EstimatorSpec, estimator_named

TUNED_BY_DEFAULT: Final = frozenset({"switch-dr", "dros", "sgdr"})
"""What would be plain DR without a parameter."""


class Asked(NamedTuple):
    """One estimator as asked for."""

    label: str
    """As asked, and as results name it."""
    name: str
    parameter: float | Literal["tuned"] | None

    @property
    def spec(self) -> EstimatorSpec:
        """What is known of the estimator."""
        return estimator_named(self.name)


def asked_estimators(words: Sequence[str]) -> tuple[Asked, ...]:
    """Read what is asked for.

    Raises:
        EstimationError: an estimator is not known, takes no parameter, or is asked for twice.
    """
    asked = tuple(map(_asked, words))
    labels = [each.label for each in asked]
    for label in labels:
        if labels.count(label) > 1:
            raise EstimationError(f"{label} is asked for twice", hint="name each estimator once")
    return asked


def _asked(word: str) -> Asked:
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
        return Asked(word, name, float(given))
    except ValueError as error:
        raise EstimationError(
            f"{given} is no {spec.parameter} for {name}",
            hint=f"give a number, as in {name}=10, or {name}=tuned",
        ) from error
