"""How far along: a bar with rate and time left on a terminal, a line now and then elsewhere.

What takes less than a second shows nothing. Studies are given a :class:`Watch` and tell it what
they do; without one they are silent.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

SHOWN_AFTER_S: Final = 1.0
LINE_EVERY_S: Final = 5.0
"""Between two lines where there is no terminal."""


class Advance(Protocol):
    """Told whenever some of a task is done."""

    def __call__(self, count: int = 1) -> None:
        """Take note that ``count`` more are done."""
        ...


class Watch:
    """Tells nobody: the watch of code that is called as a library."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        """Follow work of ``total`` pieces, called ``unit``, for a block; None: nobody knows."""
        del label, total, unit
        yield _unheard

    def say(self, sentence: str) -> None:
        """Tell something at once."""


class ShownWatch(Watch):
    """Shows progress on a stream, standard error if none is given."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        """Follow work of ``total`` pieces for the length of a block."""
        if self._stream.isatty():
            with _bar(self._stream, label, total, unit) as advance:
                yield advance
        else:
            yield _Lines(self._stream, label, total, unit).advance

    def say(self, sentence: str) -> None:
        """Tell something at once, on a line of its own."""
        print(sentence, file=self._stream, flush=True)


def _unheard(count: int = 1) -> None:
    del count


@contextmanager
def _bar(stream: TextIO, label: str, total: int | None, unit: str) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    shown = Progress(*columns, console=Console(file=stream), transient=True)
    task = shown.add_task(label, total=total)
    # The first piece may take longer than a second: the bar must not wait for it.
    timer = threading.Timer(SHOWN_AFTER_S, shown.start)
    timer.daemon = True
    timer.start()

    def advance(count: int = 1) -> None:
        shown.advance(task, count)

    try:
        yield advance
    finally:
        timer.cancel()
        timer.join()
        shown.stop()


class _RateColumn(ProgressColumn):
    """Pieces a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g}/s")


class _Lines:
    """Writes a line after the first second, then every few."""

    def __init__(self, stream: TextIO, label: str, total: int | None, unit: str) -> None:
        self._stream, self._label, self._total, self._unit = stream, label, total, unit
        self._begun_s = time.monotonic()
        self._next_s = self._begun_s + SHOWN_AFTER_S
        self._done = 0

    def advance(self, count: int = 1) -> None:
        self._done += count
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + LINE_EVERY_S
        rate = self._done / (now_s - self._begun_s)
        of_total, left = "", ""
        if self._total is not None:
            of_total = f" of {self._total:,}"
            left = f", {max(self._total - self._done, 0) / rate:.0f} s left"
        line = f"{self._label}: {self._done:,}{of_total} {self._unit}, {rate:.3g}/s{left}"
        print(line, file=self._stream, flush=True)
