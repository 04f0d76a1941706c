"""A running service as a policy among others: asked over HTTP by the public client.

Pages are asked for in order, one after the other, and feedback is sent in the order of the
displays; so a service with one worker logs a run's records in one order, whatever the machine does.
With ``wait`` a batch is over only when the service has closed all its pages, learned all that came
of them, and serves what it learned. Then a run over HTTP decides as the same configuration does in
:mod:`simulator.policies.production`, as far as neither depends on the time of day: draws change
with the stickiness window, and reward windows must be long enough for a batch to be answered.

Viewers of an environment may stay after a play and play more; a service closes a decision soon
after one (``reward.close_after_play_s``, half a second by default), and then takes what else comes
of the page for late. The rule cannot be asked for over HTTP, but what came late is counted in the
status: a run that waits refuses to go on once some did. So let the service wait for the window
(``close_after_play_s = "none"``), or viewers leave with a play (``leaves_after_play``).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from bandit.clock import MICROSECONDS
from bandit.events import FeedbackRecord
from bandit.types import Page
from server.client import Client
from server.wire import FeedbackEvent, RankAnswer, RankRequest
from simulator.errors import SimulationError
from simulator.pages import Displays, Environment, Pages, Served
from simulator.policies.answers import Answers, NamedRow, NamedTitle, Places
from simulator.policies.feedback import Reporter

_POLL_S: Final = 0.05
_SENT_TOGETHER: Final = 1000


class LiveSettings(NamedTuple):
    """How a running service is driven."""

    wait: bool = True
    """Whether a batch ends only when all of it is learned and served."""
    wait_s_max: float = 120.0
    """How long that may take."""
    threads: int = 1
    """Pages asked for at once; with several their order in the log is not the pages'."""
    load_catalog: bool = True
    """Whether the environment's catalog is loaded into the service when a run starts."""
    late_allowed: bool = False
    """Whether a run that waits goes on where feedback came too late to be learned."""
    prefix: str = "run"
    """Stands before the seed in decision ids. A service answers a decision id as it did before: a
    seed that it has seen needs another prefix."""


class LivePolicy:
    """The policy of a running service."""

    def __init__(
        self, client: Client, *, name: str = "live", settings: LiveSettings | None = None
    ) -> None:
        self.name = name
        self._client = client
        self._settings = settings or LiveSettings()

    def reset(self, environment: Environment, seed: int) -> None:
        """Load the environment's catalog. What the service has learned before stays learned."""
        self._environment = environment
        self._prefix = f"{self._settings.prefix}{seed}"
        self._places = Places(environment.document)
        self._reporter = Reporter(environment.document)
        self._answers: list[RankAnswer] = []
        if self._settings.load_catalog:
            self._client.put_catalog(environment.document)
        status = self._client.status()
        self._closed, self._late = closed_decisions(status), late_feedback(status)

    def serve(self, pages: Pages) -> Served:
        """Ask for each page.

        Raises:
            ClientError: the service did not answer a page, or refused it.
            SimulationError: an answer names what is not on the page.
        """

        def asked(index: int) -> RankAnswer:
            page = self._environment.page(pages, index)
            return self._client.rank(
                rank_request(page, f"{self._prefix}.{pages.first + index}")
            ).answer

        if self._settings.threads > 1:
            with ThreadPoolExecutor(self._settings.threads) as pool:
                self._answers = list(pool.map(asked, range(pages.size)))
        else:
            self._answers = [asked(index) for index in range(pages.size)]
        return named_answers(self._places, pages, self._answers)

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Send what viewers did; wait until it is learned and served, if so set.

        Raises:
            SimulationError: the service did not take the feedback, did not learn it in time, or
                found some of it too late.
        """
        ids = [answer.decision_id for answer in self._answers]
        events = [
            feedback_event(reported.event, self._answers[reported.page].token)
            for reported in self._reporter.report(pages, served, displays, ids)
        ]
        send(self._client, events, self._settings.wait_s_max)
        self._closed += sum(answer.logged for answer in self._answers)
        if self._settings.wait:
            wait_until_served(self._client, self._closed, self._settings.wait_s_max)
            if not self._settings.late_allowed:
                refuse_late(late_feedback(self._client.status()) - self._late)


def rank_request(page: Page, decision_id: str) -> RankRequest:
    """Return a page as a request with a decision id."""
    return RankRequest(
        viewer_id=page.viewer_id,
        context=page.context,
        rows=page.rows,
        titles=page.titles,
        max_rows=page.max_rows,
        decision_id=decision_id,
    )


def named_answers(places: Places, pages: Pages, answers: Sequence[RankAnswer]) -> Served:
    """Return the answers to a batch as arrays.

    Raises:
        SimulationError: an answer names what is not on its page.
    """
    collected = Answers(places, pages)
    for index, answer in enumerate(answers):
        collected.add(
            index,
            [NamedRow(row.id, row.propensity) for row in answer.rows],
            (
                NamedTitle(title.id, title.artwork, title.propensity)
                for row in answer.rows
                for title in row.titles
            ),
        )
    return collected.served()


def feedback_event(record: FeedbackRecord, token: str | None) -> FeedbackEvent:
    """Return feedback as it is sent."""
    happened_at_us = record.happened_at_us
    return FeedbackEvent(
        event_id=record.event_id,
        decision_id=record.decision_id,
        token=token,
        type=record.type,
        title=record.title,
        row=record.row,
        seconds=record.seconds,
        fraction=record.fraction,
        at=None if happened_at_us is None else happened_at_us / MICROSECONDS,
    )


def send(client: Client, events: Sequence[FeedbackEvent], wait_s_max: float) -> None:
    """Send feedback, in order, and wait until the service has it.

    Raises:
        SimulationError: it did not take all of it.
    """
    before = client.feedback_counts()
    for start in range(0, len(events), _SENT_TOGETHER):
        for event in events[start : start + _SENT_TOGETHER]:
            client.feedback(event)
        if not client.flush(wait_s_max):
            raise SimulationError(
                f"the service did not take feedback within {wait_s_max:g} s",
                hint="see whether it still runs: `marquee status`",
            )
    counts = client.feedback_counts()
    lost = counts.rejected + counts.dropped - before.rejected - before.dropped
    if lost:
        raise SimulationError(
            f"the service did not take {lost} of {len(events)} feedback events",
            hint="the client's log, `marquee.client`, tells why each was refused",
        )


def wait_until_served(client: Client, closed: int, wait_s_max: float) -> None:
    """Wait until a service has closed so many decisions, and serves all it learned of them.

    The status is one worker's; that of a service with several may be ahead of the others.

    Raises:
        SimulationError: it takes longer than ``wait_s_max``.
    """
    tries = max(1, round(wait_s_max / _POLL_S))
    pause = threading.Event()
    for _ in range(tries):
        status = client.status()
        if closed_decisions(status) >= closed and _serves_all(client, status):
            return
        pause.wait(_POLL_S)
    raise SimulationError(
        f"the service had not learned {closed} decisions within {wait_s_max:g} s: "
        f"{status['verdict']}",
        hint="its reward window must end within that time; shorten reward.window_s",
    )


def closed_decisions(status: Mapping[str, Any]) -> int:
    """Return how many decisions a service's learner has closed."""
    learner = status.get("learner")
    return 0 if learner is None else int(sum(learner["outcomes"].values()))


def late_feedback(status: Mapping[str, Any]) -> int:
    """Return how many records a service's learner found too late for their decisions, or stray."""
    learner = status.get("learner")
    joined = {} if learner is None else learner["join"]
    return int(joined.get("late", 0) + joined.get("orphan", 0))


def refuse_late(count: int) -> None:
    """Refuse a run in which so much feedback came too late.

    Raises:
        SimulationError: there is some.
    """
    if count > 0:
        raise SimulationError(
            f"{count:,} feedback events came after their decisions were closed: rewards are cut",
            hint='set reward.close_after_play_s = "none" and a longer reward.window_s in the '
            "service, or let viewers leave with a play",
        )


def _serves_all(client: Client, status: Mapping[str, Any]) -> bool:
    known = {
        (snapshot.surface, snapshot.version): snapshot.examples_learned
        for snapshot in client.snapshots().snapshots
    }
    for surface, examples in status["learner"]["examples"].items():
        served = status["models"].get(surface, {}).get("version")
        if examples and known.get((surface, served)) != examples:
            return False
    return True
