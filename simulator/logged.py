"""Logged bandit data in columns: single choices, and rankings.

``n`` is the number of rounds throughout. Both types check themselves when they are made, so that
what reaches an estimator is lawful; a reader that may skip bad rows does so before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from bandit.catalog import CatalogDocument
from bandit.events import DecisionRecord
from bandit.types import BoolArray, FloatArray
from simulator.errors import LoggedDataError, PropensityError

CodeArray = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]

PropensitySource = Literal["logged", "estimated"]
ROWS_TOLD = 5
"""How many of the rows at fault an error names."""

_NOT_BY_ROUND: Final = frozenset({"item_features"})
"""Arrays that do not go by round."""
_FEATURE_ROWS: Final = 65_536
"""Rows of features that are looked at together, so that little memory is needed beside them."""

Logged = TypeVar("Logged", "LoggedChoices", "LoggedRankings")


class DecisionOrigin(NamedTuple):
    """Which production decisions the rounds come from, for targets that decide as production."""

    records: Sequence[DecisionRecord]
    record_of: CodeArray
    """Shape (n,): index into ``records``."""
    title_of: CodeArray
    """Shape (n,): index into the record's ``titles``; unused, -1, for rankings."""
    catalogs: Mapping[str, CatalogDocument] | None = None
    """The catalog versions that the records name, as far as the log came with them."""


class Names(NamedTuple):
    """What the codes stand for; any may be empty where nobody knows."""

    items: Sequence[str] = ()
    contexts: Sequence[str] = ()
    """Names of the context's columns."""
    features: Sequence[str] = ()
    """Names of the item features' columns."""
    segments: Sequence[str] = ()


NO_NAMES = Names()


@dataclass(frozen=True, slots=True, kw_only=True)
class _SharedColumns:
    """What both types may hold beside their choices and rewards."""

    context: Float32Array | None = None
    """Shape (n, d) float32, finite."""
    item_features: Float32Array | None = None
    """Shape (items, f) float32, by item code, finite."""
    cluster: npt.NDArray[np.int64] | None = None
    """Shape (n,) int64: rounds of one viewer have one code; intervals may be clustered by it."""
    segment: CodeArray | None = None
    """Shape (n,) int32: a group to tell results apart by."""
    names: Names = NO_NAMES
    origin: DecisionOrigin | None = None

    def take(self, rounds: slice | npt.NDArray[Any]) -> Self:
        """Return some of the rounds."""
        values: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) and field.name not in _NOT_BY_ROUND:
                value = value[rounds]
            elif isinstance(value, DecisionOrigin):
                value = value._replace(
                    record_of=value.record_of[rounds], title_of=value.title_of[rounds]
                )
            values[field.name] = value
        return type(self)(**values)


@dataclass(frozen=True, slots=True)
class LoggedChoices(_SharedColumns):
    """n rounds; in each one action was chosen out of a set, and earned a reward.

    A round's action set is ``candidates[i]``, padded with -1 at the end, or, where ``candidates``
    is None, all items 0 .. K-1 in order. ``action`` indexes into that set, so that a probability
    matrix of shape (n, K) is aligned with it.
    """

    action: CodeArray
    """Shape (n,) int32: index into the round's action set."""
    reward: FloatArray
    """Shape (n,) float64, finite."""
    propensity: FloatArray
    """Shape (n,) float64 in (0, 1]: the logging policy's probability of ``action``."""
    action_count: int
    """K: the size of the largest action set."""
    candidates: CodeArray | None = None
    """Shape (n, K) int32 of item codes, -1 where a round has fewer; None: all of them alike."""
    position: CodeArray | None = None
    """Shape (n,) int32 from 0: where on the page the choice stood."""
    propensity_source: PropensitySource = "logged"

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.reward))
        _check_numbers(self.reward, self.propensity)
        _check_features(self)
        counts = self.action_counts()
        wrong = (self.action < 0) | (self.action >= counts)
        _refuse(
            wrong,
            LoggedDataError,
            "action",
            "is not one of the round's action set",
            "index each action into its own set, from 0",
        )

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self.reward)

    def action_counts(self) -> CodeArray:
        """Return (n,) int32: how many actions each round had to choose from."""
        if self.candidates is None:
            return np.full(len(self), self.action_count, np.int32)
        return np.asarray((self.candidates >= 0).sum(axis=1), np.int32)

    def eligible(self) -> BoolArray:
        """Return (n, K): which columns hold an action."""
        if self.candidates is None:
            return np.ones((len(self), self.action_count), np.bool_)
        return self.candidates >= 0

    def items(self) -> CodeArray:
        """Return (n,) int32: the item code of each action chosen."""
        if self.candidates is None:
            return self.action
        return self.candidates[np.arange(len(self)), self.action]


@dataclass(frozen=True, slots=True)
class LoggedRankings(_SharedColumns):
    """n rounds; in each, items were put in order on L positions, each of which earned a reward.

    A ranking may be shorter than L: beyond its end ``items`` is -1, propensities are 1, rewards 0.
    """

    items: CodeArray
    """Shape (n, L) int32: index into the round's candidates, -1 past the end."""
    propensity: FloatArray
    """Shape (n, L) float64 in (0, 1]: of each item there, given those above it."""
    reward: FloatArray
    """Shape (n, L) float64, finite."""
    item_count: int
    """R: the size of the largest candidate set."""
    candidates: CodeArray | None = None
    """Shape (n, R) int32 of item codes, -1 where a round has fewer; None: all of them alike."""
    marginal: FloatArray | None = None
    """Shape (n, L) float64 in (0, 1]: of each item there, whatever stands above; None: unknown."""
    seen: BoolArray | None = None
    """Shape (n, L): which positions the viewer saw; None: not told."""

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.reward))
        _check_numbers(self.reward, self.propensity)
        _check_features(self)
        if self.marginal is not None:
            _check_propensities(self.marginal, "marginal")
        _refuse(
            np.asarray((self.items >= self.item_count).any(axis=1)),
            LoggedDataError,
            "items",
            "is not one of the round's candidates",
            "index items into the round's candidates, from 0",
        )

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self.reward)

    def placed(self) -> BoolArray:
        """Return (n, L): which positions hold an item."""
        return self.items >= 0


def _check_lengths(logged: LoggedChoices | LoggedRankings, count: int) -> None:
    for field in fields(logged):
        value = getattr(logged, field.name)
        if (
            isinstance(value, np.ndarray)
            and field.name not in _NOT_BY_ROUND
            and len(value) != count
        ):
            raise LoggedDataError(
                field.name,
                f"has {len(value)} rows, the rewards have {count}",
                hint="give every column one entry a round",
            )


def _check_numbers(reward: FloatArray, propensity: FloatArray) -> None:
    _refuse(
        ~_by_round(np.isfinite(reward)),
        LoggedDataError,
        "reward",
        "is not a finite number",
        "drop these rounds or give them the reward they earned",
    )
    _check_propensities(propensity, "propensity")


def _check_features(logged: LoggedChoices | LoggedRankings) -> None:
    for column, features, what in (
        ("context", logged.context, "rounds"),
        ("item_features", logged.item_features, "items"),
    ):
        if features is not None:
            _refuse(
                not_finite(features),
                LoggedDataError,
                column,
                "holds NaN, an infinity or a number that float32 cannot hold",
                "fill in what is missing, or drop these " + what,
                what,
            )


def not_finite(features: npt.NDArray[Any]) -> BoolArray:
    """Return (n,): which rows of features, shape (n, d), hold something that is no number."""
    wrong = np.zeros(len(features), np.bool_)
    for first in range(0, len(features), _FEATURE_ROWS):
        finite = np.isfinite(features[first : first + _FEATURE_ROWS])
        # Whole pieces are good as a rule, and all of one is told faster than each of its rows.
        if not finite.all():
            wrong[first : first + _FEATURE_ROWS] = ~finite.reshape(len(finite), -1).all(axis=1)
    return wrong


def _check_propensities(propensity: FloatArray, column: str) -> None:
    with np.errstate(invalid="ignore"):
        lawful = (propensity > 0) & (propensity <= 1)
    _refuse(
        ~_by_round(lawful),
        PropensityError,
        column,
        "is missing, zero or above 1",
        "log the probability of each choice; without it, ask for estimated propensities, and the "
        "estimate will be marked so",
    )


def _by_round(lawful: BoolArray) -> BoolArray:
    return lawful if lawful.ndim == 1 else np.asarray(lawful.all(axis=1))


def _refuse(
    wrong: BoolArray,
    kind: type[LoggedDataError],
    column: str,
    what: str,
    hint: str,
    entries: str = "rounds",
) -> None:
    count = int(wrong.sum())
    if count:
        rows = np.flatnonzero(wrong)[:ROWS_TOLD].tolist()
        raise kind(column, f"{what} in {count} of {len(wrong)} {entries}", rows=rows, hint=hint)
