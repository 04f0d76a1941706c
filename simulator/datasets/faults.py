"""What is wrong with logged rows, counted over all batches before anything is refused.

An error that names the first bad row of the first batch makes a user mend the same file ten times;
here every column is looked through first. Rows are counted from 0 over the whole source.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import BoolArray, FloatArray
from simulator.errors import LoggedDataError, PropensityError
from simulator.logged import ROWS_TOLD, CodeArray
from simulator.wording import counted

NO_PROPENSITY_HINT: Final = (
    "log the probability of each choice; without it, ask for estimated propensities "
    "(--estimate-propensities), and the estimate will be marked so"
)


class Fault(NamedTuple):
    """One way in which a row is wrong."""

    column: str
    what: str
    hint: str
    kind: type[LoggedDataError] = LoggedDataError


NOT_FINITE: Final = Fault(
    "reward", "is not a finite number", "drop these rows or give them the reward they earned"
)
NO_PROPENSITY: Final = Fault(
    "propensity", "is missing, zero or above 1", NO_PROPENSITY_HINT, PropensityError
)
NOT_WHOLE: Final = Fault(
    "action",
    "is missing, or no whole number",
    "number the actions from 0, and give each row the number of the one that was chosen",
)
BEYOND: Final = Fault(
    "action",
    "is far beyond what so few rows can tell of",
    "mend these numbers, or number the actions from 0 without gaps; where there really are so "
    "many, say so in a column action_count",
)
OUTSIDE: Final = Fault(
    "action",
    "is not one of the action set",
    "index each action into its set, from 0, or give the sets that were offered",
)
REPEATED: Final = Fault(
    "decision",
    "stands there twice",
    "keep one row a decision; the first counts where bad rows are skipped",
)

ACTIONS_MAX: Final = 100_000
ACTIONS_PER_ROW_MAX: Final = 10


def actions_told_max(rows: int) -> int:
    """Return how many actions a table may tell of by the greatest number among its rows alone.

    Every estimator goes by the number of actions: one number that slipped in from elsewhere would
    make millions of them, and a run without end.
    """
    return max(ACTIONS_MAX, ACTIONS_PER_ROW_MAX * rows)


def features_fault(column: str) -> Fault:
    """Return the fault of a column of features that holds something that is no number."""
    return Fault(
        column,
        "is missing, infinite or greater than float32 can hold",
        "fill in what is missing, or leave these rows out with --skip-bad",
    )


class Faults:
    """Counts bad rows, batch after batch."""

    def __init__(self, first: int = 0) -> None:
        """Begin; ``first`` is the number of the first row."""
        self._first = first
        self._found: dict[Fault, tuple[int, list[str]]] = {}
        self.rows = 0
        """Rows looked at."""
        self.bad = 0
        """Rows with something wrong, each counted once."""

    def take(
        self, count: int, wrong: dict[Fault, BoolArray], names: list[str] | None = None
    ) -> BoolArray:
        """Take a batch of ``count`` rows, and return which of them are good, shape (count,).

        ``names`` says what to call the rows in errors, in place of their numbers.
        """
        good = np.ones(count, np.bool_)
        for fault, mask in wrong.items():
            number, told = self._found.get(fault, (0, []))
            for place in np.flatnonzero(mask)[: ROWS_TOLD - len(told)].tolist():
                told.append(str(self._first + self.rows + place) if names is None else names[place])
            self._found[fault] = (number + int(mask.sum()), told)
            good &= ~mask
        self.rows += count
        self.bad += int(count - good.sum())
        return good

    def follow(self, later: Faults) -> None:
        """Take up what was found in rows that follow."""
        for fault, (number, told) in later._found.items():
            before, first = self._found.get(fault, (0, []))
            self._found[fault] = (before + number, [*first, *told][:ROWS_TOLD])
        self.rows += later.rows
        self.bad += later.bad

    def refuse(self, where: str) -> None:
        """Raise the first kind of fault found, if any.

        Raises:
            LoggedDataError: some rows are wrong; PropensityError where it is their propensity.
        """
        for fault, (number, told) in self._found.items():
            if number:
                raise fault.kind(
                    fault.column,
                    f"{fault.what} in {number:,} of {counted(self.rows, 'rows')} of {where} "
                    f"(first: {', '.join(told)})",
                    hint=fault.hint,
                )

    def notes(self) -> list[str]:
        """Return a line for each kind of fault found."""
        return [
            f"{counted(number, 'rows')} left out: {fault.column} {fault.what}"
            for fault, (number, _) in self._found.items()
            if number
        ]


def choice_faults(
    action: npt.NDArray[Any],
    reward: FloatArray,
    propensity: FloatArray | None,
    counts: CodeArray | int,
) -> dict[Fault, BoolArray]:
    """Tell which rows of single choices are wrong; all arrays have shape (n,).

    ``action`` holds numbers as they were read; ``counts`` is of each row's actions, or of all's.
    """
    whole = is_whole(action)
    code = whole_numbers(action)
    wrong = {
        NOT_WHOLE: ~whole,
        OUTSIDE: np.asarray(whole & ((code < 0) | (code >= counts))),
        NOT_FINITE: np.asarray(~np.isfinite(reward)),
    }
    if propensity is not None:
        with np.errstate(invalid="ignore"):
            wrong[NO_PROPENSITY] = np.asarray(~((propensity > 0) & (propensity <= 1)))
    return wrong


def check_some_left(rows: int, left_out: int, where: str, notes: list[str]) -> None:
    """Check that there is at least one good row.

    Raises:
        LoggedDataError: there is none; says what was left out, as ``notes`` have it.
    """
    if rows == left_out:
        raise LoggedDataError(
            "rounds",
            f"no row of {where} is good: {'; '.join(notes)}" if rows else f"{where} holds no rows",
            hint="give a log with at least one decision and its reward",
        )


def is_whole(numbers: npt.NDArray[Any]) -> BoolArray:
    """Tell which numbers are whole."""
    if not np.issubdtype(numbers.dtype, np.floating):
        return np.ones(len(numbers), np.bool_)
    return np.asarray(np.isfinite(numbers) & (numbers == np.floor(numbers)))


def whole_numbers(numbers: npt.NDArray[Any]) -> CodeArray:
    """Return whole numbers from 0 as codes, -1 for whatever is none or past 2³¹."""
    with np.errstate(invalid="ignore"):
        fits = is_whole(numbers) & (numbers >= 0) & (numbers < 2**31)
    return np.where(fits, numbers, -1).astype(np.int32)


def check_numbers(column: npt.NDArray[Any], name: str, where: str) -> None:
    """Check that a column holds numbers, or truth values.

    Raises:
        LoggedDataError: it holds text or something else.
    """
    if not np.issubdtype(column.dtype, np.number) and column.dtype != np.bool_:
        raise LoggedDataError(
            name,
            f"holds {_held(column)}, not numbers, in {where}",
            hint="encode it as numbers first: actions, positions and items are counted from 0",
        )


def _held(column: npt.NDArray[Any]) -> str:
    if column.dtype.kind != "O":
        return "text" if column.dtype.kind in "US" else str(column.dtype)
    given = next((one for one in column.ravel().tolist() if one is not None), None)
    if isinstance(given, str):
        return "text"
    return "nothing" if given is None else f"values of the type {type(given).__name__}"
