"""What the learner tells of its figures: one file, whole or not there, in MessagePack.

It holds the exact state as it lies in the checkpoint, and beside it *gauges*, the learner's lag and
the models' age at the intervals' ends. Those depend on when the learner ran; they are kept in
memory alone, and have a gap where it did not run. Ranges are made by whoever reads the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bandit.drift_words import AlarmReport
from bandit.files import write_atomically
from bandit.insights.means import ShareMeans
from bandit.insights.series import Series
from bandit.insights.singly import RowCounts, Singly, TitleCounts
from bandit.insights.state import InsightsState
from bandit.types import Share, Surface

FILE_NAME: Final = "insights"
RESET_NAME: Final = "alarms.reset"
"""A file of this name beside it orders the learner to begin its alarms anew."""
FORMAT_VERSION: Final = 2


class Gauges(msgspec.Struct, frozen=True, array_like=True):
    """How the learner stood at an interval's end."""

    number: int
    lag_s: float
    model_age_s: dict[Surface, float]
    """Age of the last snapshot published, where the learner knows of one."""


class TitleTotals(msgspec.Struct, frozen=True, array_like=True):
    """A title that is counted singly."""

    id: str
    displays: int
    plays: int


class InsightsFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is told."""

    at_us: int
    log_clock_us: int
    state: msgspec.Raw
    """An :class:`InsightsState`, encoded."""
    titles: list[TitleTotals]
    """By displays, most first."""
    gauges: list[Gauges]
    alarms: list[AlarmReport]
    v: int = FORMAT_VERSION


class _Titles(msgspec.Struct, frozen=True):
    """Titles, each still encoded."""

    known: dict[str, msgspec.Raw]


class ToldState(msgspec.Struct, frozen=True):
    """What of a state is read: titles only once they are asked for, as they are by far the most."""

    interval_us: int
    series: Series
    shares: dict[Surface, dict[Share, ShareMeans]]
    titles: _Titles
    rows: Singly[RowCounts]
    since_us: int | None = None


class Told(msgspec.Struct, frozen=True):
    """What was read."""

    file: InsightsFile
    state: ToldState

    def title(self, name: str) -> TitleCounts | None:
        """Return a title's counts, None if it is not counted singly."""
        found = self.state.titles.known.get(name)
        return None if found is None else _title.decode(found)


_file = msgspec.msgpack.Decoder(InsightsFile)
_state = msgspec.msgpack.Decoder(ToldState)
_title = msgspec.msgpack.Decoder(TitleCounts)


def title_totals(state: InsightsState) -> list[TitleTotals]:
    """Return the totals of the titles that are counted singly, by displays, most first."""
    found = []
    for name, title in state.titles.known.items():
        displays = plays = 0
        for artwork in title.artworks.values():
            displays += artwork.displays
            plays += artwork.plays
        if displays:
            found.append(TitleTotals(name, displays, plays))
    return sorted(found, key=lambda one: (-one.displays, one.id))


def write_insights(directory: Path, told: InsightsFile) -> None:
    """Put it in place of what was told last.

    Raises:
        OSError: the disk is full or the directory not writable.
    """
    write_atomically(directory / FILE_NAME, msgspec.msgpack.encode(told))


def read_insights(directory: Path) -> Told | None:
    """Return what was told last, None if that is nothing or cannot be understood."""
    try:
        file = _file.decode((directory / FILE_NAME).read_bytes())
        if file.v != FORMAT_VERSION:
            return None
        return decode_told(file)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def decode_told(file: InsightsFile) -> Told:
    """Decode what a file tells.

    Raises:
        msgspec.DecodeError: it is damaged.
    """
    return Told(file, _state.decode(file.state))


def order_reset(directory: Path) -> None:
    """Order the learner to begin its alarms anew; it does so within a second of its time.

    Raises:
        OSError: the disk is full or the directory not writable.
    """
    write_atomically(directory / RESET_NAME, b"")
