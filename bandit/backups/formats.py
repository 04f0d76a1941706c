"""The version of every durable format, as today's code writes it; docs/formats.md tells of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bandit import checkpoint, dead_letters, events, status
from bandit.backups import manifest as backups
from bandit.catalog import compiled
from bandit.eventlog import erasure_orders, journal, learned, sqlite_schema
from bandit.outcome_files import manifest as outcome_files
from bandit.snapshots import manifest as snapshots
from bandit.snapshots import store as snapshot_store

CATALOG_FORMAT_VERSION: Final = 1
"""Stands in a catalog version's name, whose first letter is ``c`` in this one."""

STATE_FORMATS: Final[Mapping[str, int]] = {
    "spool": sqlite_schema.FORMAT_VERSION,
    "journal": journal.FORMAT_VERSION,
    "record": events.FORMAT_VERSION,
    "checkpoint": checkpoint.FORMAT_VERSION,
    "dead letter": dead_letters.FORMAT_VERSION,
    "snapshot": snapshots.FORMAT_VERSION,
    "snapshot pointer": snapshot_store.POINTER_FORMAT_VERSION,
    "catalog": CATALOG_FORMAT_VERSION,
    "erasure order": erasure_orders.FORMAT_VERSION,
    "erasure record": erasure_orders.FORMAT_VERSION,
}
"""The formats in which the state lies, and so every backup of it."""

DURABLE_FORMATS: Final[Mapping[str, int]] = {
    **STATE_FORMATS,
    "backup": backups.FORMAT_VERSION,
    "outcomes": outcome_files.FORMAT_VERSION,
    "compiled catalog": compiled.REVISION,
    "learner status": status.FORMAT_VERSION,
    "learned": learned.FORMAT_VERSION,
}
"""All that is kept in files, what can be made again included."""
