"""The public Python client: a page in time, always, and feedback that is not lost.

::

    with Client("http://127.0.0.1:8080") as client:
        page = client.rank(RankRequest(viewer_id="v1", rows=[PageRow("noir")]), default=my_page)
        show(page.answer)
        client.report(page, "click", "detour-1945", row="noir")

It needs msgspec and urllib3 besides the wire types, and may be used from several threads.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from bandit.types import FeedbackType
from server.client_feedback import FeedbackCounts, FeedbackQueue
from server.client_http import (
    ClientError,
    EncodingName,
    NoAnswerError,
    Patience,
    RequestRefusedError,
    Transport,
    decode_answer,
)
from server.wire import (
    CatalogAnswer,
    FeedbackEvent,
    RankAnswer,
    RankBatchAnswer,
    RankRequest,
    SnapshotsAnswer,
)

__all__ = [
    "Client",
    "ClientError",
    "DefaultPage",
    "FeedbackCounts",
    "NoAnswerError",
    "RankResult",
    "RequestRefusedError",
]

_UNHURRIED: Final = Patience(deadline_s=30.0, retries=0)

DefaultPage = RankAnswer | Callable[[RankRequest], RankAnswer]
"""What to show when the server does not answer in time, or how to make it."""


class RankResult(NamedTuple):
    """A page to show, and where it came from."""

    answer: RankAnswer
    source: Literal["server", "default"]
    reason: str = ""
    """Why the default was taken."""


class Client:
    """A client of one Marquee service.

    ``deadline_s`` bounds a page over all tries; ``try_timeout_s`` one try (None: all that is left
    of the deadline), so that a try that hangs leaves time for another. ``feedback_batch`` events
    are sent together, after ``feedback_delay_s`` at the latest; up to ``feedback_queue_max`` wait.
    They wait in memory, while the server is away too, and :meth:`close` sends them: call it before
    the process ends, or use a ``with`` block. The queue that outlives its process is the browser's,
    in ``clients/typescript``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        deadline_s: float = 0.5,
        retries: int = 2,
        try_timeout_s: float | None = None,
        encoding: EncodingName = "msgpack",
        connections: int = 16,
        feedback_batch: int = 200,
        feedback_delay_s: float = 0.5,
        feedback_queue_max: int = 10_000,
    ) -> None:
        self._transport = Transport(
            base_url, api_key=api_key, encoding=encoding, connections=connections
        )
        self._patience = Patience(deadline_s, retries, try_timeout_s)
        self._feedback = FeedbackQueue(
            self._transport,
            batch=feedback_batch,
            delay_s=feedback_delay_s,
            queue_max=feedback_queue_max,
        )

    def rank(self, page: RankRequest, *, default: DefaultPage | None = None) -> RankResult:
        """Have a page decided; without an answer in time, take the default page.

        A page without a decision id is given one, so that all tries mean the same decision.

        Raises:
            NoAnswerError: no answer came in time, and there is no default page.
            RequestRefusedError: the server refused the page.
        """
        asked = _identified(page)
        try:
            answer = self._transport.call("POST", "/v1/rank", asked, patience=self._patience)
            return RankResult(decode_answer(answer, RankAnswer), "server")
        except NoAnswerError as error:
            if default is None:
                raise
            shown = default(asked) if callable(default) else default
            return RankResult(shown, "default", error.reason)

    def rank_batch(self, pages: Sequence[RankRequest]) -> RankBatchAnswer:
        """Have several pages decided; each is answered by a decision or a problem.

        Raises:
            NoAnswerError: no answer came in time.
            RequestRefusedError: the server refused the batch as a whole.
        """
        asked = {"pages": [_identified(page) for page in pages]}
        answer = self._transport.call("POST", "/v1/rank/batch", asked, patience=self._patience)
        batch: RankBatchAnswer = decode_answer(answer, RankBatchAnswer)
        return batch

    def activate(self, decision_id: str) -> None:
        """Tell that a deferred decision was shown.

        Raises:
            NoAnswerError: no answer came in time.
            RequestRefusedError: the server refused the call.
        """
        # A segment of dots alone would be taken for a step through the path, and lead elsewhere.
        segment = quote(decision_id).replace(".", "%2E")
        path = f"/v1/decisions/{segment}/activate"
        self._transport.call("POST", path, patience=self._patience)

    def report(
        self,
        page: RankResult,
        what: FeedbackType,
        title: str,
        *,
        row: str | None = None,
        seconds: float | None = None,
        fraction: float | None = None,
    ) -> None:
        """Queue feedback on a page that :meth:`rank` returned; a default page has none to give."""
        if page.source == "server":
            self.feedback(
                FeedbackEvent(
                    event_id=uuid.uuid4().hex,
                    decision_id=page.answer.decision_id,
                    token=page.answer.token,
                    type=what,
                    title=title,
                    row=row,
                    seconds=seconds,
                    fraction=fraction,
                )
            )

    def feedback(self, event: FeedbackEvent) -> None:
        """Queue an event; it is sent in the background and again until the server has it."""
        self._feedback.put(event)

    def feedback_counts(self) -> FeedbackCounts:
        """Return what became of the events so far."""
        return self._feedback.counts()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Send all queued feedback now; tell whether the server had it within ``timeout_s``."""
        return self._feedback.flush(timeout_s)

    def status(self) -> dict[str, Any]:
        """Return the service's status, whose fields ``GET /openapi.json`` describes.

        Raises:
            NoAnswerError: no answer came in time.
            RequestRefusedError: the server refused the call.
        """
        answer = self._transport.call("GET", "/v1/status", patience=_UNHURRIED)
        status: dict[str, Any] = decode_answer(answer, dict[str, Any])
        return status

    def snapshots(self) -> SnapshotsAnswer:
        """Return the kept snapshots of all surfaces, newest first.

        Raises:
            NoAnswerError: no answer came in time.
            RequestRefusedError: the server refused the call.
        """
        answer = self._transport.call("GET", "/v1/snapshots", patience=_UNHURRIED)
        snapshots: SnapshotsAnswer = decode_answer(answer, SnapshotsAnswer)
        return snapshots

    def put_catalog(self, document: object, *, if_match: str | None = None) -> CatalogAnswer:
        """Replace the catalog by a document with ``titles`` and ``rows``; needs an admin's key.

        With ``if_match`` only if that version is the current one.

        Raises:
            NoAnswerError: no answer came in time.
            RequestRefusedError: the server refused the catalog.
        """
        headers = {"If-Match": f'"{if_match}"'} if if_match is not None else None
        answer = self._transport.call(
            "PUT", "/v1/catalog", document, patience=_UNHURRIED, headers=headers
        )
        catalog: CatalogAnswer = decode_answer(answer, CatalogAnswer)
        return catalog

    def ready(self) -> bool:
        """Tell whether the service takes requests now."""
        try:
            self._transport.call("GET", "/readyz", patience=self._patience._replace(retries=0))
        except ClientError:
            return False
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Send queued feedback for up to ``timeout_s``, then let go of all connections."""
        self._feedback.close(timeout_s)
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _identified(page: RankRequest) -> RankRequest:
    if page.decision_id is not None:
        return page
    return msgspec.structs.replace(page, decision_id=uuid.uuid4().hex)
