"""Compares all books with each other: the clients', the log's, the learner's and the metrics'.

Each check returns what is wrong in plain words, naming ids; nothing is wrong where it returns
nothing.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from bandit.clock import Clock
from bandit.eventlog.journal import journal_spools
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import unclaimed
from bandit.events import DecisionRecord, FeedbackRecord, Record
from server.local import wait_until
from server.prometheus import BegunFiles
from tests.faults.ledger import Ledger

_NAMED = 5
"""How many ids a finding names."""


def all_records(reader: SqliteEventReader) -> list[Record]:
    """Return every record of every spool.

    Raises:
        ValueError: a record is damaged.
    """
    records: list[Record] = []
    for spool in reader.spools():
        after = 0
        while True:
            batch = reader.read(spool, after, 1000)
            if batch.damaged:
                raise ValueError(f"{spool} holds damaged records: {batch.damaged}")
            records += [logged.record for logged in batch.records]
            if batch.last_sequence == after:
                break
            after = batch.last_sequence
    return records


def settled_records(directory: Path, clock: Clock) -> list[Record]:
    """Wait until nobody, alive or dead, has anything left to commit; read every spool.

    A spool may be left without a writer: workers of a gunicorn that was killed may live on for a
    while beside their successors. What its journal holds is stored by another's writer.
    """
    with closing(SqliteEventReader(directory, clock)) as reader:
        wait_until(lambda: not left_behind(directory), 60, "what dead writers left to be stored")
        since_us = clock.now_us()
        for spool in reader.spools():
            wait_until(functools.partial(_is_settled, reader, spool, since_us), 60, "a heartbeat")
        return all_records(reader)


def _is_settled(reader: SqliteEventReader, spool: str, since_us: int) -> bool:
    """Tell whether a spool's writer, which moves its horizon only when idle, did so since then."""
    return reader.read(spool, reader.last_sequence(spool), 100_000).horizon_us >= since_us


def left_behind(directory: Path) -> list[str]:
    """Return spools without a writer whose journals hold what is perhaps not stored."""
    return idle_spools(directory, journal_spools(directory))


def idle_spools(directory: Path, spools: list[str]) -> list[str]:
    """Return which of the spools have no writer."""
    with unclaimed(directory, spools) as idle:
        return idle


class LogBook(NamedTuple):
    """The log's records, counted."""

    decisions: Counter[str]
    """Decision id → how often it is in the log."""
    events: Counter[str]
    """Event id → how often it is in the log."""

    @classmethod
    def of(cls, records: Iterable[Record]) -> LogBook:
        """Count records."""
        book = cls(Counter(), Counter())
        for record in records:
            if isinstance(record, DecisionRecord):
                book.decisions[record.decision_id] += 1
            elif isinstance(record, FeedbackRecord):
                book.events[record.event_id] += 1
        return book


def check_log(ledger: Ledger, book: LogBook, *, stopped: bool = False) -> list[str]:
    """Compare the clients' books with the log's.

    Everything acknowledged is in the log, nothing is there that nobody sent, and no event is there
    twice. A decision may be: its worker died before it answered, and while the next one took over
    what it left, the client asked another. Where processes were ``stopped`` for a while, an event
    may be as well, if the client gave up waiting and asked another worker: the learner takes it
    once.
    """
    findings = _named("decisions lost", ledger.decisions - book.decisions.keys())
    findings += _named("events lost", ledger.events - book.events.keys())
    findings += _named("decisions that nobody asked for", book.decisions.keys() - ledger.asked)
    # A try without an answer may have logged what the next one told of as unlogged.
    told = ledger.unlogged & book.decisions.keys()
    if len(told) > ledger.unanswered_pages:
        findings += _named("decisions logged that were told not to be", told)
    findings += _named("events that nobody sent", book.events.keys() - ledger.sent)
    allowed = ledger.unsure if stopped else set()
    twice = {event for event, times in book.events.items() if times > 1}
    return findings + _named("events twice in the log", twice - allowed)


def check_learner(learner: Mapping[str, Any], book: LogBook) -> list[str]:
    """Compare the learner's counts with the log's: each decision and each event taken once."""
    join = learner["join"]
    decisions, events = book.decisions.total(), book.events.total()
    taken = join["joined"] + join["late"] + join["orphan"]
    again = join["duplicate"] + join["conflict"]
    doubles = events - len(book.events)
    findings = _equal("decisions opened", join["opened"], len(book.decisions))
    closed = sum(learner["outcomes"].values())
    findings += _equal("outcomes closed", closed, len(book.decisions))
    findings += _equal("records taken", join["opened"] + taken + again, decisions + events)
    # A repeat that comes after its decision has closed is late, like any event then.
    if not len(book.events) <= taken <= len(book.events) + doubles:
        findings.append(f"{taken} events were learned or late, of {len(book.events)} in the log")
    if join["joined"] > len(book.events):
        findings.append(f"events learned twice: {join['joined']} of {len(book.events)}")
    return findings + _equal("dead letters", learner["dead_letters"], 0)


class Counted(NamedTuple):
    """What metrics say of pages and feedback."""

    pages: float = 0
    unlogged: float = 0
    accepted: float = 0
    duplicates: float = 0
    taken: float = 0
    """Events that the learner joined or found late."""
    outcomes: float = 0

    def plus(self, other: Counted, sign: int = 1) -> Counted:
        """Add another's counts, or take them away."""
        return Counted(*(one + sign * two for one, two in zip(self, other, strict=True)))


_METRICS = {
    ("marquee_decisions_total", ""): "pages",
    ("marquee_decisions_unlogged_total", ""): "unlogged",
    ("marquee_feedback_total", "accepted"): "accepted",
    ("marquee_feedback_total", "duplicate"): "duplicates",
    ("marquee_join_events_total", "joined"): "taken",
    ("marquee_join_events_total", "late"): "taken",
    ("marquee_outcomes_total", ""): "outcomes",
}


def counted_in(directory: Path) -> Counted:
    """Read what the processes of a run counted, dead ones included."""
    return _counted(BegunFiles(directory).collect())


def counted_by(exposition: str) -> Counted:
    """Read what ``/metrics`` answered."""
    return _counted(text_string_to_metric_families(exposition))


def _counted(families: Iterable[Any]) -> Counted:
    found: Counter[str] = Counter()
    for family in families:
        for sample in family.samples:
            label = next(
                (
                    sample.labels[name]
                    for name in ("result", "disposition")
                    if name in sample.labels
                ),
                "",
            )
            name = _METRICS.get((sample.name, label))
            if name is not None:
                found[name] += sample.value
    return Counted(**found)


def check_metrics(ledger: Ledger, metrics: Counted, book: LogBook) -> list[str]:
    """Compare metrics that outlived kills with the books, and account for every difference.

    A worker counts after the commit and before it answers. Whoever died in between left tries
    without an answer: only those may account for what is counted or logged and not acknowledged.
    """
    stored = book.events.total()
    findings = []
    if not ledger.accepted <= metrics.accepted <= stored:
        findings.append(
            f"accepted: {ledger.accepted} by answers, {metrics.accepted:g} by metrics, "
            f"{stored} in the log"
        )
    beyond = stored - ledger.accepted + max(0.0, metrics.duplicates - ledger.duplicates)
    if beyond > ledger.unanswered:
        findings.append(
            f"{beyond:g} events stored or found known beyond what was answered, with "
            f"{ledger.unanswered} in tries without an answer"
        )
    if metrics.duplicates < ledger.duplicates:
        findings.append(
            f"duplicates: {ledger.duplicates} by answers, {metrics.duplicates:g} by metrics"
        )
    # A page asked again is answered from the log, and counted where it was decided.
    if abs(metrics.pages - ledger.pages) > ledger.unanswered_pages:
        findings.append(
            f"pages: {ledger.pages} by answers, {metrics.pages:g} by metrics, "
            f"{ledger.unanswered_pages} tries without an answer"
        )
    beyond = metrics.unlogged - len(ledger.unlogged)
    if not 0 <= beyond <= ledger.unanswered_pages:
        findings.append(
            f"unlogged: {len(ledger.unlogged)} by answers, {metrics.unlogged:g} by metrics, "
            f"{ledger.unanswered_pages} tries without an answer"
        )
    return findings


def check_calm(ledger: Ledger, metrics: Counted, before: LogBook, after: LogBook) -> list[str]:
    """Compare all books of a time without faults: they agree to the last event."""
    events = after.events.total() - before.events.total()
    decisions = after.decisions.total() - before.decisions.total()
    return [
        *_equal("calm: tries without an answer", ledger.unanswered + ledger.unanswered_pages, 0),
        *_equal("calm: events by answers and log", ledger.accepted, events),
        *_equal("calm: accepted by metrics and log", metrics.accepted, events),
        *_equal("calm: duplicates by metrics and answers", metrics.duplicates, ledger.duplicates),
        *_equal("calm: pages by metrics and log", metrics.pages, decisions),
        *_equal("calm: pages by answers and log", ledger.pages, decisions),
        *_equal("calm: unlogged by answers and metrics", len(ledger.unlogged), metrics.unlogged),
        *_equal("calm: taken by the learner and log", metrics.taken, events),
        *_equal("calm: outcomes by metrics and log", metrics.outcomes, decisions),
    ]


def _equal(what: str, one: float, other: float) -> list[str]:
    return [] if one == other else [f"{what}: {one:g} is not {other:g}"]


def _named(what: str, ids: Iterable[str]) -> list[str]:
    found = sorted(ids)
    more = ", …" if len(found) > _NAMED else ""
    return [f"{len(found)} {what}: {', '.join(found[:_NAMED])}{more}"] if found else []
