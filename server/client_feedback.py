"""The client's feedback: queued, sent in batches by one thread, and sent again until it is stored.

An event keeps its id over all tries, and the server stores each id once: sending again is
harmless. The queue is bounded; when it is full the oldest event makes room and is counted.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final, NamedTuple

from server.client_http import (
    NoAnswerError,
    Patience,
    RequestRefusedError,
    Transport,
    decode_answer,
)
from server.wire import FeedbackAnswer, FeedbackEvent

log = logging.getLogger("marquee.client")

_PATIENCE: Final = Patience(deadline_s=5.0, retries=3)
_PAUSE_S: Final = 0.1
_PAUSE_S_MAX: Final = 5.0


class FeedbackCounts(NamedTuple):
    """What became of the events given to a client."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    """Refused by the server, alone or with their batch; each is logged with the reason."""
    dropped: int = 0
    """Lost on this side: pushed out of the full queue, or left over at the end."""
    queued: int = 0


class FeedbackQueue:
    """The bounded queue and the thread that empties it, started by the first event."""

    def __init__(self, transport: Transport, *, batch: int, delay_s: float, queue_max: int) -> None:
        self._transport = transport
        self._batch = batch
        self._delay_s = delay_s
        self._queue_max = queue_max
        self._changed = threading.Condition()
        self._waiting: deque[FeedbackEvent] = deque()
        self._in_flight = 0
        self._flushing = 0
        self._stopping = False
        self._counts = FeedbackCounts()
        self._thread: threading.Thread | None = None

    def put(self, event: FeedbackEvent) -> None:
        """Queue an event. After :meth:`close` it is dropped and counted."""
        with self._changed:
            if self._stopping:
                self._count(dropped=1)
                return
            if len(self._waiting) >= self._queue_max:
                self._waiting.popleft()
                self._count(dropped=1)
            self._waiting.append(event)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="marquee-feedback", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Send all that waits, now; tell whether it was all sent within ``timeout_s``."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(self._is_empty, timeout_s)
            finally:
                self._flushing -= 1

    def close(self, timeout_s: float) -> None:
        """Flush for up to ``timeout_s``, then stop; what is left is dropped and counted.

        A request that is under way then may take some seconds more to end.
        """
        self.flush(timeout_s)
        with self._changed:
            self._stopping = True
            self._count(dropped=len(self._waiting))
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_PATIENCE.deadline_s + 1.0)

    def counts(self) -> FeedbackCounts:
        """Return what became of the events so far."""
        with self._changed:
            return self._counts._replace(queued=len(self._waiting) + self._in_flight)

    def _is_empty(self) -> bool:
        return not self._waiting and not self._in_flight

    def _count(
        self, *, accepted: int = 0, duplicates: int = 0, rejected: int = 0, dropped: int = 0
    ) -> None:
        old = self._counts
        self._counts = FeedbackCounts(
            old.accepted + accepted,
            old.duplicates + duplicates,
            old.rejected + rejected,
            old.dropped + dropped,
        )

    def _run(self) -> None:
        pause_s = _PAUSE_S
        while True:
            events = self._take()
            if not events:
                return
            if self._send(events):
                pause_s = _PAUSE_S
                continue
            self._give_back(events)
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, pause_s)
            pause_s = min(_PAUSE_S_MAX, pause_s * 2)

    def _take(self) -> list[FeedbackEvent]:
        """Wait for a batch: full, or old enough, or asked for; empty when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            self._changed.wait_for(
                lambda: len(self._waiting) >= self._batch or self._flushing or self._stopping,
                self._delay_s,
            )
            count = min(self._batch, len(self._waiting))
            events = [self._waiting.popleft() for _ in range(count)]
            self._in_flight = len(events)
            return events

    def _give_back(self, events: list[FeedbackEvent]) -> None:
        """Put events that could not be sent back in front, as far as there is room."""
        with self._changed:
            self._in_flight = 0
            room = 0 if self._stopping else max(0, self._queue_max - len(self._waiting))
            kept = events[len(events) - min(room, len(events)) :]
            self._count(dropped=len(events) - len(kept))
            self._waiting.extendleft(reversed(kept))
            self._changed.notify_all()

    def _send(self, events: list[FeedbackEvent]) -> bool:
        """Send a batch; return whether it is done with, for better or worse."""
        try:
            answer = self._transport.call(
                "POST", "/v1/feedback", {"events": events}, patience=_PATIENCE
            )
            result: FeedbackAnswer = decode_answer(answer, FeedbackAnswer)
        except RequestRefusedError as error:
            log.warning("%d feedback events refused: %s", len(events), error)
            self._done(rejected=len(events))
        except NoAnswerError as error:
            log.info("feedback will be sent again: %s", error)
            return False
        else:
            for refused in result.rejected:
                log.warning(
                    "feedback event refused: %s: %s (%s)",
                    refused.code,
                    refused.detail,
                    refused.hint,
                )
            self._done(
                accepted=result.accepted,
                duplicates=result.duplicates,
                rejected=len(result.rejected),
            )
        return True

    def _done(self, *, accepted: int = 0, duplicates: int = 0, rejected: int = 0) -> None:
        with self._changed:
            self._in_flight = 0
            self._count(accepted=accepted, duplicates=duplicates, rejected=rejected)
            self._changed.notify_all()
