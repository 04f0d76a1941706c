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


class Faults:
    """Counts bad rows, batch after batch."""

    def __init__(self) -> None:
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
                told.append(str(self.rows + place) if names is None else names[place])
            self._found[fault] = (number + int(mask.sum()), told)
            good &= ~mask
        self.rows += count
        self.bad += int(count - good.sum())
        return good

    def refuse(self, where: str) -> None:
        """Raise the first kind of fault found, if any.

        Raises:
            LoggedDataError: some rows are wrong; PropensityError where it is their propensity.
        """
        for fault, (number, told) in self._found.items():
            if number:
                raise fault.kind(
                    fault.column,
                    f"{fault.what} in {number:,} of {self.rows:,} rows of {where} "
                    f"(first: {', '.join(told)})",
                    hint=fault.hint,
                )

    def notes(self) -> list[str]:
        """Return a line for each kind of fault found."""
        return [
            f"{number:,} rows left out: {fault.column} {fault.what}"
            for fault, (number, _) in self._found.items()
            if number
        ]


def choice_faults(
    action: CodeArray, reward: FloatArray, propensity: FloatArray | None, counts: CodeArray | int
) -> dict[Fault, BoolArray]:
    """Tell which rows of single choices are wrong; all arrays have shape (n,)."""
    wrong = {
        OUTSIDE: np.asarray((action < 0) | (action >= counts)),
        NOT_FINITE: np.asarray(~np.isfinite(reward)),
    }
    if propensity is not None:
        with np.errstate(invalid="ignore"):
            wrong[NO_PROPENSITY] = np.asarray(~((propensity > 0) & (propensity <= 1)))
    return wrong


def whole_numbers(numbers: npt.NDArray[Any]) -> CodeArray:
    """Return whole numbers as codes, -1 for whatever is none."""
    if np.issubdtype(numbers.dtype, np.integer):
        fits = (numbers >= 0) & (numbers < 2**31)
        return np.where(fits, numbers, -1).astype(np.int32)
    if not np.issubdtype(numbers.dtype, np.floating):
        return np.full(len(numbers), -1, np.int32)
    with np.errstate(invalid="ignore"):
        whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**31)
    return np.where(whole, numbers, -1).astype(np.int32)
