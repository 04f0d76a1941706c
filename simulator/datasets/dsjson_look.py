"""A first look through a file of dsjson: actions, columns, and what is wrong with which line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bandit.types import Float32Array
from simulator.datasets.dsjson_lines import (
    Event,
    WrongLineError,
    flat_features,
    item_key,
    item_name,
)
from simulator.datasets.faults import REPEATED, Faults
from simulator.datasets.seen_ids import SeenIds
from simulator.datasets.vocabulary import Tokens, Vocabulary, tokens_of
from simulator.datasets.whole_files import whole_file
from simulator.errors import LoggedDataError
from simulator.wording import counted

ITEMS_MAX: Final = 100_000
LINES_AT_ONCE: Final = 2000
_SEGMENT: Final = "segment"


class Look:
    """Gathers what the lines say, one after the other."""

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
        try:
            for action in event.actions:
                self._take_item(action)
        except WrongLineError as error:
            self.wrong(number, error)
            return
        if event.id is not None:
            self._waiting.append((number, event.id))
            if len(self._waiting) >= LINES_AT_ONCE:
                self._look_for_repeated()
        self.contexts.add(tokens_of(event.context))
        self.longest = max(self.longest, len(event.chosen))
        self.most = max(self.most, len(event.actions))
        self._drops.add(event.dropped)
        if self._segment is not None or event.extra.segment is not None:
            self.segments.add(segment_of(event, self._segment))

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
        if self._segment is not None and self.segments == {""}:
            raise LoggedDataError(
                self._segment,
                f"is a feature that no context in {path} has",
                hint="name one as the context's columns have it, such as user.country",
            )
        if self.ranking is None:
            raise LoggedDataError(
                "lines", f"{path} holds no decision", hint="give a file of dsjson, cb or ccb"
            )

    def items(
        self,
    ) -> tuple[dict[bytes, int] | None, Float32Array | None, Sequence[str], Sequence[str]]:
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
            count = counted(len(self.bad_numbers), "wrong lines")
            told.append(f"{count} left out, see {_beside(path)}")
        if self._passed_over:
            count = counted(self._passed_over, "lines")
            told.append(f"{count} passed over without a decision that was shown")
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
    with (
        whole_file(_beside(path)) as unfinished,
        path.open("rb") as lines,
        unfinished.open("wb") as copy,
    ):
        for number, line in enumerate(lines, 1):
            if number in numbers:
                copy.write(line.rstrip(b"\r\n") + b"\n")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.bad")
