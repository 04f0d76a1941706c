"""All that is counted: the part of a checkpoint that makes the figures exact over crashes."""

from __future__ import annotations

from typing import Final

import msgspec

from bandit.insights.alarms import Alarm
from bandit.insights.means import ShareMeans
from bandit.insights.series import Series
from bandit.insights.singly import RowCounts, Singly, TitleCounts
from bandit.insights.sums import Slot
from bandit.types import SHARES, SURFACES, Share, Surface

FORMAT_VERSION: Final = 2


class InsightsState(msgspec.Struct, kw_only=True):
    """What was counted, and by which settings it was cut."""

    interval_us: int
    segments: list[str]
    """The context features by whose values artworks are counted."""
    segment_values: dict[str, list[str]] = {}
    """The values of each that are counted by name."""
    since_us: int | None = None
    """When the first outcome that is counted closed."""
    series: Series = msgspec.field(default_factory=Series)
    slot_us: int = 0
    """The width of slots."""
    slots: dict[int, Slot] = {}
    """Pages some of which may still be open, by the number of their slot."""
    slot_next: int = 0
    """Slots before this one are done with."""
    slots_from_us: int | None = 0
    """Pages whose windows began before are in no slot; None until the next outcome closes."""
    reward_rule: str = ""
    """By which rewards were made."""
    shares: dict[Surface, dict[Share, ShareMeans]] = msgspec.field(
        default_factory=lambda: {
            surface: {share: ShareMeans() for share in SHARES} for surface in SURFACES
        }
    )
    titles: Singly[TitleCounts] = msgspec.field(default_factory=Singly[TitleCounts])
    rows: Singly[RowCounts] = msgspec.field(default_factory=Singly[RowCounts])
    reviewed: int = 0
    """The number of the interval of the last review."""
    alarms: list[Alarm] = []
    v: int = FORMAT_VERSION


class _Format(msgspec.Struct):
    """What is read first."""

    v: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(InsightsState)
_format = msgspec.msgpack.Decoder(_Format)


def encode_state(state: InsightsState) -> bytes:
    """Encode for a checkpoint, or for whoever reads the figures."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> InsightsState | None:
    """Decode; None for nothing, and for what another release counted otherwise."""
    try:
        if not data or _format.decode(data).v != FORMAT_VERSION:
            return None
        return _decoder.decode(data)
    except msgspec.MsgspecError:
        return None
