"""What comes of tasks that are done in any order, put into the tasks' own.

Results are kept, or handed on one by one: always in the order of the tasks, as early as that order
allows, so that whoever sums them up gets the same bits whoever did them and whenever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from simulator.progress import Advance

Done = TypeVar("Done")


class Finished(NamedTuple, Generic[Done]):
    """What came of the tasks, in their order."""

    results: list[Done | None]
    """None for a task that was not done, or whose result was handed on."""
    interrupted: bool
    """Whether Ctrl-C left tasks undone."""

    def done(self) -> list[Done]:
        """Return the results that there are."""
        return [result for result in self.results if result is not None]


class Collected:
    """Results on their way in."""

    def __init__(
        self,
        tasks: int,
        advance: Advance,
        *,
        sizes: Sequence[int] | None = None,
        take: Callable[[Any], None] | None = None,
    ) -> None:
        """Begin without a result.

        Args:
            tasks: how many there are.
            advance: told of each task that is done.
            sizes: what each task counts for there; None: one.
            take: given each result in the tasks' order, which is then not kept; None keeps all.
        """
        self._results: list[Any | None] = [None] * tasks
        self._missing = set(range(tasks))
        self._advance = advance
        self._sizes = sizes
        self._take = take
        self._taken = 0

    def __len__(self) -> int:
        """Return how many tasks there are."""
        return len(self._results)

    def put(self, place: int, result: Any) -> None:
        """Keep a task's result, or hand on what stands next in order."""
        self._results[place] = result
        self._missing.discard(place)
        self._advance(1 if self._sizes is None else self._sizes[place])
        while self._take is not None and self._taken not in self._missing:
            if self._taken == len(self._results):
                break
            self._hand_on(self._taken)
            self._taken += 1

    def missing(self) -> list[int]:
        """Return which tasks are not done."""
        return sorted(self._missing)

    def finished(self, *, interrupted: bool) -> Finished[Any]:
        """Return what there is; what stands after a gap is handed on as well."""
        if self._take is not None:
            for place in range(self._taken, len(self._results)):
                if place not in self._missing:
                    self._hand_on(place)
        return Finished(self._results, interrupted and bool(self._missing))

    def _hand_on(self, place: int) -> None:
        result, self._results[place] = self._results[place], None
        if self._take is not None:
            self._take(result)
