"""Explanations of logged decisions, and the weights that matter most, by name.

It reads the log by a reader of its own: a long look must not hold the locks that the hot path
needs. One question is answered at a time, in bounded time, and one may wait; who asks besides is
told to come again. What was not found may have been answered by another worker a moment ago: the
log is asked again for as long as a commit takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from threading import BoundedSemaphore, Lock
from typing import Final, NamedTuple, Protocol

from bandit.catalog import Catalog, CatalogDocument, CatalogStore
from bandit.catalog.excerpts import Vocabularies, excerpt, vocabularies
from bandit.clock import MICROSECONDS
from bandit.config.overlay import Challenger
from bandit.config.schema import Config
from bandit.errors import CatalogError, LogError, SnapshotError
from bandit.eventlog.protocol import EventReader
from bandit.events import DecisionRecord, Record, decision_key
from bandit.explained import Rewards
from bandit.explaining import Explanation, Sources, explain
from bandit.features import CONTEXT
from bandit.joined_so_far import DecisionReader, Joined, TakenEvent, find, join, rewards
from bandit.serving import ServedModel, Serving
from bandit.snapshots import SnapshotStore
from bandit.types import Features, LineName, Surface
from bandit.vocabularies import gather
from bandit.weight_names import named_weights
from server.errors import ExplainerBusyError, NoSuchDecisionError, StateUnavailableError
from server.explain_wire import (
    ExplainAnswer,
    ExplainedEvent,
    ExplainedFeedback,
    WeightsAnswer,
)
from server.serving import shape_of
from server.state_disk import disk

FEEDBACK_S: Final = 1.0
"""Longest time for which a decision's feedback is looked for."""
FOUND_WITHIN_S: Final = 0.1
"""How long a decision that the log lacks is waited for."""
_RETRY_S: Final = 0.02
BUSY_S: Final = 2.0
"""How long a question waits for the one before it: pages that people look at ask now and then."""
AT_ONCE: Final = 2
"""Questions that one worker takes in hand at once: one is answered, one waits. Each holds a thread
of the pool all the while; further ones are refused, so that feedback finds a thread."""

WEIGHTS_MAX: Final = 50
"""How many weights are told."""
CONTEXTS_MAX: Final = 1_000
"""Of how many of the newest decisions the contexts name features."""
_LOOKED_AT_MAX: Final = 5_000
"""Most records of a spool that are read for them."""


class ExplainingReader(EventReader, DecisionReader, Protocol):
    """A log's reader that can look for one decision."""


class Line(NamedTuple):
    """By what a line decides."""

    config: Config
    snapshots: SnapshotStore


def lines_of(
    config: Config, challenger: Challenger | None, store_of: Callable[[Config], SnapshotStore]
) -> dict[LineName, Line]:
    """Return the lines that may have decided: the one place where that is chosen."""
    lines: dict[LineName, Line] = {"champion": Line(config, store_of(config))}
    if challenger is not None:
        lines["challenger"] = Line(challenger.config, store_of(challenger.config))
    return lines


class Explainer:
    """Explains by the state's files, and by what is served where that is the same."""

    def __init__(
        self,
        lines: Mapping[LineName, Line],
        *,
        reader: ExplainingReader,
        catalogs: CatalogStore,
        serving: Callable[[], Serving],
    ) -> None:
        self._lines = lines
        # Feedback is waited for alike whoever decided; what it is worth is the champion's word.
        self._config = lines["champion"].config
        self._reader = reader
        self._catalogs = catalogs
        self._serving = serving
        self._one = Lock()
        self._places = BoundedSemaphore(AT_ONCE)

    def explain(
        self, decision_id: str, uncommitted: Callable[[str], Record | None] = lambda _key: None
    ) -> ExplainAnswer:
        """Explain a decision; ``uncommitted`` finds what was answered and is not logged yet.

        Raises:
            NoSuchDecisionError: the log does not hold it.
            ExplainerBusyError: another question is being answered.
            StateUnavailableError: the state cannot be read now.
        """
        with self._alone(), disk():
            record = self._record(decision_id, uncommitted)
            sources = Sources(self._catalog, self._excerpt, partial(self._model, record.line))
            line = self._lines.get(record.line, self._lines["champion"])
            explanation = explain(record, line.config, sources)
            until_s = time.monotonic() + FEEDBACK_S
            rule = self._config.reward
            found = find(self._reader, record, rule, lambda: time.monotonic() > until_s)
            joined = join(record, found, rule, self._config.learner.events_per_decision_max)
            earned = rewards(self._config, joined.outcome) if joined.outcome else Rewards()
            return _answer(record, explanation, joined, earned, complete=found.complete)

    def weights(self, surface: Surface) -> WeightsAnswer:
        """Return the weights that matter most in the model that is served.

        Raises:
            ExplainerBusyError: another question is being answered.
            StateUnavailableError: what names features cannot be read.
        """
        with self._alone(), disk():
            serving = self._serving()
            model = serving.models.get(surface)
            if model is None:
                return WeightsAnswer(surface=surface, snapshot=None, weights=[], named=0, unnamed=0)
            known = self._vocabularies(serving.catalog.version)
            words = known.artwork if surface == "artwork" else known.rows
            words = {CONTEXT: gather(self._contexts()), **words}
            found = named_weights(model.arrays, model.shape, words, WEIGHTS_MAX)
            return WeightsAnswer(
                surface=surface,
                snapshot=model.version,
                weights=found.weights,
                named=found.named,
                unnamed=found.unnamed,
            )

    def close(self) -> None:
        """Let go of the log's files."""
        self._reader.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        busy = ExplainerBusyError("other explanations are being made", hint="ask again in a second")
        if not self._places.acquire(blocking=False):
            raise busy
        try:
            if not self._one.acquire(timeout=BUSY_S):
                raise busy
            try:
                yield
            finally:
                self._one.release()
        finally:
            self._places.release()

    def _record(
        self, decision_id: str, uncommitted: Callable[[str], Record | None]
    ) -> DecisionRecord:
        until_s = time.monotonic() + FOUND_WITHIN_S
        while True:
            # Before the look into the log: what is committed in between is in one of the two.
            handed_over = uncommitted(decision_key(decision_id))
            if isinstance(handed_over, DecisionRecord):
                return handed_over
            record = self._reader.find_decision(decision_id)
            if record is not None:
                return record
            if time.monotonic() > until_s:
                raise NoSuchDecisionError(
                    f"the log holds no decision {decision_id!r}",
                    hint="check the id; decisions that were erased, are older than log.retention_s "
                    "or were answered with logged = false are not there",
                    field="decision_id",
                )
            time.sleep(_RETRY_S)

    def _catalog(self, version: str) -> Catalog:
        served = self._serving().catalog
        return served if served.version == version else self._catalogs.load(version)

    def _excerpt(self, version: str, titles: Sequence[str], rows: Sequence[str]) -> CatalogDocument:
        return excerpt(self._catalogs.directory, version, titles, rows)

    def _model(self, name: LineName, surface: Surface, version: str) -> ServedModel:
        serving = self._serving()
        served = serving.models.get(surface) if serving.line == name else None
        if served is not None and served.version == version:
            return served
        line = self._lines.get(name)
        if line is None:
            raise SnapshotError(
                f"the {name} decided, and none is configured now",
                hint="configure it again to have its decisions explained",
            )
        manifest, arrays = line.snapshots.load_arrays(surface, version)
        return ServedModel(version, shape_of(manifest), arrays, manifest.created_at_us)

    def _vocabularies(self, version: str) -> Vocabularies:
        try:
            return vocabularies(self._catalogs.directory, version)
        except CatalogError as error:
            raise StateUnavailableError(
                f"the catalog that names features cannot be read: {error.message}", hint=error.hint
            ) from error

    def _contexts(self) -> list[Features]:
        """Return the contexts of the newest decisions."""
        found: list[tuple[int, Features]] = []
        for spool in self._reader.spools():
            with suppress(LogError):
                after = max(0, self._reader.last_sequence(spool) - _LOOKED_AT_MAX)
                found += [
                    (logged.at_us, logged.record.context)
                    for logged in self._reader.read(spool, after, _LOOKED_AT_MAX).records
                    if isinstance(logged.record, DecisionRecord)
                ]
        found.sort(key=lambda one: -one[0])
        return [context for _, context in found[:CONTEXTS_MAX]]


def _answer(
    record: DecisionRecord,
    explanation: Explanation,
    joined: Joined,
    earned: Rewards,
    *,
    complete: bool,
) -> ExplainAnswer:
    return ExplainAnswer(
        decision_id=record.decision_id,
        decided_at=record.decided_at_us / MICROSECONDS,
        viewer_id=record.viewer_id,
        share=record.shares,
        policy=record.policy,
        catalog=record.catalog,
        snapshots=record.snapshots,
        context=record.context,
        exact=explanation.exact,
        notes=explanation.notes,
        titles=explanation.titles,
        rows=explanation.rows,
        feedback=ExplainedFeedback(
            complete=complete,
            events=[_event(taken) for taken in joined.events],
            state=joined.state,
            closes_at=None if joined.closes_at_us is None else joined.closes_at_us / MICROSECONDS,
        ),
        rewards=earned,
    )


def _event(taken: TakenEvent) -> ExplainedEvent:
    event = taken.event
    return ExplainedEvent(
        event_id=event.event_id,
        type=event.type,
        title=event.title,
        at=taken.at_us / MICROSECONDS,
        taken_as=taken.taken_as.value,
        row=event.row,
        seconds=event.seconds,
        fraction=event.fraction,
    )
