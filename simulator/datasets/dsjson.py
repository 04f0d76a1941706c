"""Reads Vowpal Wabbit's decision service JSON (dsjson): cb lines as choices, ccb lines as rankings.

Actions come with their features in every line and without a name that would hold across lines:
actions of equal content are one item. Where there are more than 100,000 of them, because features
of the viewer stand in them, say, items are an action's place in its set, without features.

Lines that are no decision (rewards that came alone, decisions never shown) are passed over. Lines
that are wrong are refused with file, line and mend; where they are to be skipped, they are counted
and copied into a file beside, whose name ends in ``.bad``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulator.datasets.dsjson_lines import Event, WrongLineError, item_key, read_event
from simulator.datasets.dsjson_look import LINES_AT_ONCE, Look, segment_of
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading, with_placeholders
from simulator.datasets.vocabulary import tokens_of
from simulator.errors import LoggedDataError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings, Names


class DsjsonSource:
    """One file of decisions."""

    has_propensities = True

    def __init__(self, path: Path, reading: Reading) -> None:
        """Look the file over.

        Raises:
            LoggedDataError: a line is wrong, or a decision stands there twice.
        """
        self.path = path
        self.name = reading.name or path.stem
        self._segment_name = reading.segment
        look = Look(reading.segment)
        with reading.watch.task(f"looking over {self.name}", None, "lines") as advance:
            number = 0
            for number, event in self._lines(look):
                look.take(number, event)
                if number % LINES_AT_ONCE == 0:
                    advance(LINES_AT_ONCE)
        self.rounds_max = number
        look.refuse(path, skip_bad=reading.skip_bad)
        self._bad = look.bad_numbers
        self.skipped = len(self._bad)
        self.kind: Kind = "rankings" if look.ranking else "choices"
        self._longest, self._most = look.longest, look.most
        self._columns = look.contexts.columns()
        self._codes, self._features, items, features = look.items()
        self._segments = sorted(look.segments)
        self._names = Names(
            items=items,
            contexts=self._columns.names,
            features=features,
            segments=self._segments,
        )
        self.notes = look.notes(path) + self._columns.notes("context")

    def choices(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield a round a cb line; see :class:`~simulator.datasets.source.Source`."""
        if self.kind != "choices":
            raise LoggedDataError(
                "choices", "a ccb file holds rankings", hint="evaluate rankings on it"
            )
        for events in self._batches(batch):
            yield LoggedChoices(
                action=np.array([event.chosen[0] for event in events], np.int32),
                reward=np.array([event.rewards[0] for event in events]),
                propensity=np.array([min(1.0, event.propensities[0]) for event in events]),
                action_count=self._most,
                candidates=self._candidates(events),
                position=_whole([event.extra.position for event in events]),
                item_features=self._features,
                names=self._names,
                **self._shared(events),
            )

    def choices_to_estimate(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rounds with placeholders in place of what was logged."""
        yield from map(with_placeholders, self.choices(batch))

    def rankings(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedRankings]:
        """Yield a round a ccb line; see :class:`~simulator.datasets.source.Source`."""
        if self.kind != "rankings":
            raise LoggedDataError(
                "rankings", "a cb file holds single choices", hint="evaluate choices on it"
            )
        for events in self._batches(batch):
            shape = (len(events), self._longest)
            items = np.full(shape, -1, np.int32)
            propensity, reward = np.ones(shape), np.zeros(shape)
            seen = np.zeros(shape, np.bool_)
            for number, event in enumerate(events):
                slots = len(event.chosen)
                items[number, :slots] = event.chosen
                propensity[number, :slots] = np.minimum(1.0, event.propensities)
                reward[number, :slots] = event.rewards
                seen[number, :slots] = event.extra.seen or False
            told = all(event.extra.seen is not None for event in events)
            yield LoggedRankings(
                items=items,
                propensity=propensity,
                reward=reward,
                item_count=self._most,
                candidates=self._candidates(events),
                seen=seen if told else None,
                item_features=self._features,
                names=self._names,
                **self._shared(events),
            )

    def _shared(self, events: Sequence[Event]) -> dict[str, Any]:
        viewers = [event.extra.viewer for event in events]
        segment = None
        if self._segments:
            found = [segment_of(event, self._segment_name) for event in events]
            segment = np.searchsorted(self._segments, found).astype(np.int32)
        return {
            "context": self._columns.encode([tokens_of(event.context) for event in events]),
            "cluster": None if None in viewers else np.array(viewers, np.int64),
            "segment": segment,
        }

    def _candidates(self, events: Sequence[Event]) -> CodeArray:
        candidates = np.full((len(events), self._most), -1, np.int32)
        for number, event in enumerate(events):
            count = len(event.actions)
            if self._codes is None:
                candidates[number, :count] = np.arange(count)
            else:
                codes = [self._codes[item_key(action)] for action in event.actions]
                candidates[number, :count] = codes
        return candidates

    def _batches(self, batch: int) -> Iterator[list[Event]]:
        events: list[Event] = []
        for _, event in self._lines(None):
            if event is not None:
                events.append(event)
                if len(events) >= batch:
                    yield events
                    events = []
        if events:
            yield events

    def _lines(self, look: Look | None) -> Iterator[tuple[int, Event | None]]:
        """Yield number and event of each line; in a first look, wrong ones go to ``look``."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip() or (look is None and number in self._bad):
                    continue
                try:
                    yield number, read_event(line)
                except WrongLineError as error:
                    if look is None:
                        raise LoggedDataError(
                            "line",
                            f"{self.path}:{number}: {error}; the file was changed meanwhile",
                            hint="read it again",
                        ) from error
                    look.wrong(number, error)


def _whole(values: Sequence[int | None]) -> CodeArray | None:
    return None if None in values else np.array(values, np.int32)
