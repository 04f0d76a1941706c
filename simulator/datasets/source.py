"""What every reader of logged data offers: batches of rounds, and what there is to say of them.

A source is looked over once when it is opened: what its columns are, which actions there are, and
whether anything in it is wrong. Then it can be read any number of times, a batch at a time, with
the same batches every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from bandit.config import Config
from simulator.datasets.table_files import Part
from simulator.jobs import Workers
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.progress import Watch

BATCH_ROUNDS: Final = 65_536
"""Rounds of one batch, where nothing else is asked for."""

Kind = Literal["choices", "rankings", "both"]


class Reading(NamedTuple):
    """How a source is to be read."""

    config: Config | None = None
    """Reward rule and exposure for our own logs; None takes what the log came with."""
    skip_bad: bool = False
    """Leave out what is wrong and count it, instead of refusing the whole."""
    segment: str | None = None
    """Which feature of the context tells groups apart; None takes the format's own."""
    keep_certain: bool = False
    """Keep rounds of our own logs that were decided without chance although there was a choice."""
    watch: Watch = Watch()
    """Told how far the first look has come."""
    name: str | None = None
    """What the source is called; None takes what it calls itself."""
    workers: Workers = 1
    """Who looks over data that comes in parts."""


class Source(Protocol):
    """Logged data, wherever it lies."""

    @property
    def name(self) -> str:
        """As commands and reports have it."""
        ...

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    @property
    def kind(self) -> Kind:
        """Which of the two types it can give."""
        ...

    @property
    def has_propensities(self) -> bool:
        """Whether the probability of each choice was logged."""
        ...

    @property
    def skipped(self) -> int:
        """How many records or lines were left out because they are wrong."""
        ...

    @property
    def rounds_max(self) -> int:
        """A number of single choices that it holds no more than."""
        ...

    @property
    def notes(self) -> list[str]:
        """What a reader of results should know of the data."""
        ...

    def choices(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rounds of single choices, about ``batch`` at a time, always the same ones.

        Raises:
            LoggedDataError: the data holds no single choices, or cannot be read to its end.
            PropensityError: it holds no propensities; see :meth:`choices_to_estimate`.
        """
        ...

    def choices_to_estimate(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rounds with placeholders for propensities, and marked ``estimated``.

        Each placeholder is one over the number of actions. They are for
        ``simulator.reward_models.estimate_propensities`` to replace, and for nothing else.

        Raises:
            LoggedDataError: the data holds no single choices, or cannot be read to its end.
        """
        ...

    def rankings(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedRankings]:
        """Yield the rankings, about ``batch`` at a time, always the same ones.

        Raises:
            LoggedDataError: the data holds no rankings; says why.
        """
        ...


@runtime_checkable
class PartedSource(Source, Protocol):
    """Logged data in parts, which several may read at a time; it can be sent to them."""

    def parts(self) -> Sequence[Part]:
        """Return the parts in their order, which together are the whole."""
        ...

    def choices_of_part(self, part: Part, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rounds of single choices of one part, as :meth:`choices` does.

        Raises:
            LoggedDataError: the part cannot be read to its end.
            PropensityError: the whole holds no propensities.
        """
        ...


def with_placeholders(logged: LoggedChoices) -> LoggedChoices:
    """Return rounds as :meth:`Source.choices_to_estimate` gives them."""
    return replace(logged, propensity=1.0 / logged.action_counts(), propensity_source="estimated")
