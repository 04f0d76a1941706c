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
from typing import Any, Final

import numpy as np

from simulator.datasets.dsjson_lines import (
    Event,
    WrongLineError,
    flat_features,
    item_key,
    item_name,
    read_event,
)
from simulator.datasets.faults import REPEATED, Faults
from simulator.datasets.seen_ids import SeenIds
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading, with_placeholders
from simulator.datasets.vocabulary import Tokens, Vocabulary, tokens_of
from simulator.errors import LoggedDataError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings, Names

ITEMS_MAX: Final = 100_000
_LINES_AT_ONCE: Final = 2000
_SEGMENT: Final = "segment"


class DsjsonSource:
    """One file of decisions."""

    has_propensities = True

    def __init__(self, path: Path, reading: Reading) -> None:
        """Look the file over.

        Raises:
            LoggedDataError: a line is wrong, or a decision stands there twice.
        """
        self.path = path
        self.name = path.stem
        self._segment_name = reading.segment
        look = _Look(reading.segment)
        for number, event in self._lines(look):
            look.take(number, event)
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

    def _lines(self, look: _Look | None) -> Iterator[tuple[int, Event | None]]:
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


class _Look:
    """What a first look through the lines found."""

    def __init__(self, segment: str | None) -> None:
        self._segment = segment
        self._ids = SeenIds()
        self._waiting: list[tuple[int, str]] = []
        self._repeated = Faults()
        self._wrong: tuple[int, WrongLineError] | None = None
        """The first wrong line."""
        self._wrong_count = 0
        self.bad_numbers: set[int] = set()
        """Numbers of the lines to leave out."""
        self._items: dict[bytes, tuple[str, Tokens]] | None = {}
        self._passed_over = 0
        self._drops: set[float] = set()
        self.contexts = Vocabulary()
        self.segments: set[str] = set()
        self.ranking: bool | None = None
        self.longest = 1
        self.most = 1

    def wrong(self, number: int, error: WrongLineError) -> None:
        """Take a line that is wrong."""
        if self._wrong is None:
            self._wrong = (number, error)
        self._wrong_count += 1
        self.bad_numbers.add(number)

    def take(self, number: int, event: Event | None) -> None:
        """Take a line and what it says."""
        if event is None:
            self._passed_over += 1
            return
        if self.ranking is None:
            self.ranking = event.ranking
        if event.ranking != self.ranking:
            kinds = ("cb", "ccb") if self.ranking else ("ccb", "cb")
            mend = "keep cb and ccb lines in files of their own"
            text = f"is a line of {kinds[0]} in a file of {kinds[1]}"
            self.wrong(number, WrongLineError(text, mend))
            return
        if event.id is not None:
            self._waiting.append((number, event.id))
            if len(self._waiting) >= _LINES_AT_ONCE:
                self._look_for_repeated()
        self.contexts.add(tokens_of(event.context))
        self.longest = max(self.longest, len(event.chosen))
        self.most = max(self.most, len(event.actions))
        self._drops.add(event.dropped)
        if self._segment is not None or event.extra.segment is not None:
            self.segments.add(segment_of(event, self._segment))
        for action in event.actions:
            self._take_item(action)

    def _take_item(self, action: dict[str, Any]) -> None:
        if self._items is None:
            return
        key = item_key(action)
        if key not in self._items:
            self._items[key] = (item_name(action, key), tokens_of(flat_features(action)))
            if len(self._items) > ITEMS_MAX:
                self._items = None

    def _look_for_repeated(self) -> None:
        names = [name for _, name in self._waiting]
        good = self._repeated.take(len(names), {REPEATED: self._ids.take(names)}, names)
        self.bad_numbers.update(self._waiting[place][0] for place in np.flatnonzero(~good))
        self._waiting = []

    def refuse(self, path: Path, *, skip_bad: bool) -> None:
        """Refuse what is wrong, or write it into the file beside.

        Raises:
            LoggedDataError: something is wrong and not to be skipped, or there is no decision.
        """
        self._look_for_repeated()
        if self._wrong is not None and not skip_bad:
            number, error = self._wrong
            more = f"; {self._wrong_count:,} lines are wrong" if self._wrong_count > 1 else ""
            raise LoggedDataError(
                "line",
                f"{path}:{number}: {error}{more}",
                hint=f"{error.mend}; or leave wrong lines out with --skip-bad",
            )
        if not skip_bad:
            self._repeated.refuse(str(path))
        if self.bad_numbers:
            _copy_lines(path, self.bad_numbers)
        if self.ranking is None:
            raise LoggedDataError(
                "lines", f"{path} holds no decision", hint="give a file of dsjson, cb or ccb"
            )

    def items(
        self,
    ) -> tuple[dict[bytes, int] | None, np.ndarray | None, Sequence[str], Sequence[str]]:
        """Return codes by key, features, and the names of items and features."""
        if self._items is None:
            return None, None, (), ()
        vocabulary = Vocabulary()
        for _, tokens in self._items.values():
            vocabulary.add(tokens)
        columns = vocabulary.columns()
        found = columns.encode([tokens for _, tokens in self._items.values()])
        codes = {key: code for code, key in enumerate(self._items)}
        return codes, found, [name for name, _ in self._items.values()], columns.names

    def notes(self, path: Path) -> list[str]:
        """Return what to tell of the file."""
        told = []
        if self.bad_numbers:
            told.append(f"{len(self.bad_numbers):,} wrong lines left out, see {_beside(path)}")
        if self._passed_over:
            told.append(f"{self._passed_over:,} lines passed over that are no decision shown")
        if len(self._drops) > 1:
            told.append("events were sampled at different rates (pdrop), which is not made up for")
        if self._items is None:
            told.append(f"more than {ITEMS_MAX:,} different actions: items are places in the set")
        return told


def segment_of(event: Event, segment: str | None) -> str:
    """Return an event's segment: as we wrote it, or the value of a context feature."""
    if segment is None or segment == _SEGMENT:
        return event.extra.segment or ""
    value = event.context.get(segment, "")
    return value if isinstance(value, str) else f"{value:g}" if value is not None else ""


def _copy_lines(path: Path, numbers: set[int]) -> None:
    """Copy lines into the file beside, in their order."""
    unfinished = path.with_name(f".{path.name}.bad.unfinished")
    try:
        with path.open("rb") as lines, unfinished.open("wb") as copy:
            for number, line in enumerate(lines, 1):
                if number in numbers:
                    copy.write(line.rstrip(b"\r\n") + b"\n")
        unfinished.replace(_beside(path))
    finally:
        unfinished.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.bad")


def _whole(values: Sequence[int | None]) -> CodeArray | None:
    return None if None in values else np.array(values, np.int32)
