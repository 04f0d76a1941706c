"""Which configurations a search tries, such as ``surfaces.artwork.exploration.epsilon=0.01,0.02``.

A space names keys and what each may be: values between commas, or a range ``low..high``. Ranges of
positive numbers are spaced by factors, others by steps. A grid takes every combination, a random
search draws some. A key that belongs to one kind of table alone (SquareCB's ``gamma``) is left out
of candidates that choose another kind, and what is then alike counts once.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from bandit.config.keys import UNSET_WORD
from bandit.errors import ConfigError
from simulator.studies.config_tables import ABSENT, Data, Value, changed, get, settable

Method = Literal["grid", "random"]
CANDIDATES_MAX: Final = 10_000
_RANGE: Final = ".."


class Axis(NamedTuple):
    """One key and what it may be."""

    key: str
    values: tuple[Value, ...]
    """Empty for a range."""
    low: float = 0.0
    high: float = 0.0
    whole: bool = False

    def spread(self, steps: int) -> tuple[Value, ...]:
        """Return the values, of a range ``steps`` evenly spaced ones."""
        if self.values:
            return self.values
        points = np.linspace(0.0, 1.0, steps)
        return tuple(dict.fromkeys(self._at(point) for point in points.tolist()))

    def draw(self, generator: np.random.Generator) -> Value:
        """Return one value at random."""
        if self.values:
            return self.values[int(generator.integers(len(self.values)))]
        return self._at(float(generator.random()))

    def _at(self, point: float) -> Value:
        if self.low > 0:
            value = self.low * (self.high / self.low) ** point
        else:
            value = self.low + (self.high - self.low) * point
        return round(value) if self.whole else float(f"{value:.6g}")


def read_axis(text: str) -> Axis:
    """Read one key with its values.

    Raises:
        ConfigError: the text is not ``key=…``, or a range is not one.
    """
    key, equals, given = text.partition("=")
    key = key.strip()
    if not equals or not key or not given.strip():
        raise ConfigError(
            "", f"{text!r} names no key and values", hint="write key=value,value or key=low..high"
        )
    if _RANGE in given and "," not in given:
        return _range(key, given)
    return Axis(key, tuple(map(read_value, given.split(","))))


def read_value(text: str) -> Value:
    """Read one value: a number, true, false or none; anything else is text."""
    word = text.strip()
    if word == UNSET_WORD:
        return None
    try:
        value = tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word
    return value if isinstance(value, bool | int | float | str) else word


def candidates(
    base: Data,
    axes: Sequence[Axis],
    *,
    method: Method = "grid",
    steps: int = 5,
    trials: int = 20,
    seed: int = 0,
) -> list[dict[str, Value]]:
    """Return the settings to try, each once, in a fixed order.

    Raises:
        ConfigError: a key is not known, or there are too many candidates.
    """
    for axis in axes:
        settable(axis.key)
    drawn = _grid(axes, steps) if method == "grid" else _random(axes, trials, seed)
    found: dict[str, dict[str, Value]] = {}
    for settings in drawn:
        merged = changed(base, settings)
        kept = {key: value for key, value in settings.items() if get(merged, key) is not ABSENT}
        found.setdefault(repr(merged), kept)
    return list(found.values())


def _range(key: str, given: str) -> Axis:
    ends = given.split(_RANGE)
    low, high = (read_value(end) for end in ends) if len(ends) == 2 else (None, None)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or float(low or 0) >= float(high or 0):
        raise ConfigError(key, f"{given!r} is no range", hint="write low..high, as in 0.01..0.2")
    whole = isinstance(low, int) and isinstance(high, int)
    return Axis(key, (), float(low or 0), float(high or 0), whole)


def _grid(axes: Sequence[Axis], steps: int) -> Iterator[dict[str, Value]]:
    values = [axis.spread(steps) for axis in axes]
    count = int(np.prod([len(each) for each in values], dtype=np.float64))
    if count > CANDIDATES_MAX:
        raise ConfigError(
            "",
            f"the grid has {count:,} candidates",
            hint=f"name fewer values or steps, or try some by --random: {CANDIDATES_MAX:,} at most",
        )
    for combination in itertools.product(*values):
        yield dict(zip((axis.key for axis in axes), combination, strict=True))


def _random(axes: Sequence[Axis], trials: int, seed: int) -> Iterator[dict[str, Value]]:
    for trial in range(trials):
        # A seed for each candidate: more trials only add to fewer.
        generator = np.random.default_rng([seed, trial])
        yield {axis.key: axis.draw(generator) for axis in axes}
