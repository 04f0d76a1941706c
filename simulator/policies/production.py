"""Production's own policy: the very code that serves and learns, in this process.

Pages are decided by :class:`bandit.policy.Policy` and logged; what viewers do is logged as their
clients would report it; :class:`bandit.learner.Learner` joins, rewards, trains and publishes; and
what it published is served from the next batch on. Only the log and the snapshots lie in memory,
and the clock is moved by the pages' instants.

Why a run's decisions close by their windows alone, and in settled runs late: production closes a
decision soon after a play (``reward.close_after_play_s``), which fits viewers who leave with it and
clients that tell at once. Viewers of an environment may stay and play more, and what they do may be
told seconds later: as configured, up to half of what they do would come too late to be learned, and
more of it the better the policy, while all other policies are told everything. What a batch is
learned from does not depend on how long its window is, for a settled batch waits for its end.

Why draws are salted with the seed: they are hashed from viewer, title and window, so that under one
salt every seed's run would draw alike.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from bandit.catalog import Catalog
from bandit.clock import MICROSECONDS, ManualClock, to_us
from bandit.config.schema import Config
from bandit.events import DecisionRecord, Record
from bandit.policy import Policy, Serving
from bandit.reward import RewardRule
from bandit.status import LearnerStatus
from simulator.errors import SimulationError
from simulator.pages import Displays, Environment, Pages, Served
from simulator.policies.answers import Answers, NamedRow, NamedTitle, Places
from simulator.policies.feedback import Reporter
from simulator.policies.learners import Learners, OneLearner
from simulator.policies.partitioned import PartitionedLearners

_SNAPSHOTS_KEPT: Final = 2
SETTLED_WINDOW_S: Final = 86_400.0
"""How long feedback is waited for at least in a settled run, where waiting costs nothing."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How production's policy is run."""

    shares: Annotated[
        Literal["learned", "configured"],
        Meta(
            description="Whom pages are served to: viewers of the learned share alone, so that "
            "what was learned is judged, or holdout and explore too, as configured."
        ),
    ] = "learned"
    settle: Annotated[
        bool,
        Meta(
            description="Whether after each batch time goes on until every reward window has "
            "closed, so that all of it is learned before the next, as simpler policies learn; if "
            "not, windows run in the environment's own time."
        ),
    ] = True
    delays: Annotated[
        bool,
        Meta(
            description="Whether feedback is logged as late as it came; if not, at the page's "
            "instant."
        ),
    ] = True
    rule: Annotated[
        Literal["configured", "environment"],
        Meta(description="By whose rule feedback is rewarded when learning."),
    ] = "configured"
    close: Annotated[
        Literal["window", "configured"],
        Meta(
            description="When decisions close: by their window, which in a settled run is a day at "
            "least, so that all feedback counts, as other policies are told all of it; or as "
            "configured, and then some feedback may come too late."
        ),
    ] = "window"
    publish_batches: Annotated[
        int, Meta(ge=1, description="After how many batches models are published and served.")
    ] = 1
    partitions: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Among how many learners records are divided by decision id; their models "
            "are merged whenever they are published.",
        ),
    ] = 1


class _Timed(NamedTuple):
    """A record, in the order in which records are logged."""

    at_us: int
    number: int
    record: Record


class ProductionPolicy:
    """A production configuration as a policy among others."""

    def __init__(self, config: Config, *, name: str, settings: Settings | None = None) -> None:
        self.name = name
        self._settings = settings or Settings()
        self._given = config
        self._running: _Running | None = None

    def reset(self, environment: Environment, seed: int) -> None:
        """Start a service and a learner that know nothing."""
        config = simulated_config(self._given, self._settings, environment.rule, seed)
        self._running = _Running(config, self._settings, environment, f"run{seed}")

    def serve(self, pages: Pages) -> Served:
        """Decide each page by what is served now."""
        return self._run.serve(pages)

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Log what was decided and what came of it; learn, and serve what was learned."""
        self._run.learn(pages, served, displays)

    def status(self) -> LearnerStatus:
        """Return what the learner has to tell."""
        return self._run.status()

    @property
    def decisions(self) -> Sequence[DecisionRecord]:
        """What the log holds of the batch served last, one decision a page."""
        return self._run.decisions

    @property
    def serving(self) -> Serving:
        """What pages are decided by now."""
        return self._run.serving

    @property
    def _run(self) -> _Running:
        if self._running is None:
            raise SimulationError("the policy was not started", hint="call reset() first")
        return self._running


def simulated_config(given: Config, settings: Settings, rule: RewardRule, seed: int) -> Config:
    """Return the configuration of a run: salted with the seed; shares, rule and end as asked."""
    replace = msgspec.structs.replace
    artwork, rows = given.surfaces.artwork, given.surfaces.rows
    if settings.shares == "learned":
        artwork = replace(artwork, holdout=0.0, explore=0.0)
        rows = replace(rows, holdout=0.0, explore=0.0)
    salt = f"{given.surfaces.salt}/{seed}"
    reward = rule if settings.rule == "environment" else given.reward
    if settings.close == "window":
        window_s = max(reward.window_s, SETTLED_WINDOW_S) if settings.settle else reward.window_s
        reward = replace(reward, close_after_play_s=None, window_s=window_s)
    return replace(
        given,
        surfaces=replace(given.surfaces, salt=salt, artwork=artwork, rows=rows),
        reward=reward,
        snapshots=replace(given.snapshots, keep=_SNAPSHOTS_KEPT),
    )


class _Running:
    """One run."""

    def __init__(
        self, config: Config, settings: Settings, environment: Environment, prefix: str
    ) -> None:
        directory = tempfile.mkdtemp(prefix="marquee-simulated-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        learner = msgspec.structs.replace(config.learner, directory=str(Path(directory)))
        config = msgspec.structs.replace(config, learner=learner)
        self._settings = settings
        self._environment = environment
        self._prefix = prefix
        self._policy = Policy(config)
        self._places = Places(environment.document)
        self._reporter = Reporter(environment.document)
        catalog = Catalog.build(environment.document)
        self._clock = ManualClock()
        self._learners: Learners
        if settings.partitions == 1:
            self._learners = OneLearner(config, catalog, self._clock)
        else:
            self._learners = PartitionedLearners(config, catalog, self._clock, settings.partitions)
        self.serving = Serving(catalog)
        self._window_us = to_us(config.reward.window_s + config.reward.clock_leeway_s)
        self._settled_us = 0
        """How far the log's time has run ahead of the environment's."""
        self.decisions: list[DecisionRecord] = []
        self._waiting: list[_Timed] = []
        self._numbers = 0
        self._batches = 0

    def serve(self, pages: Pages) -> Served:
        answers = Answers(self._places, pages)
        self.decisions = []
        for index, now_us in enumerate(pages.now_us.tolist()):
            record = self._policy.decide(
                self._environment.page(pages, index),
                decision_id=f"{self._prefix}.{pages.first + index}",
                now_us=now_us,
                serving=self.serving,
            ).record
            self.decisions.append(record)
            rows = [NamedRow(row.id, row.propensity) for row in record.rows]
            titles = (NamedTitle(one.title, one.artwork, one.propensity) for one in record.titles)
            answers.add(index, rows, titles)
        return answers.served()

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        self._waiting += self._records(pages, served, displays)
        self._waiting.sort()
        last_us = int(pages.now_us[-1]) + self._settled_us if pages.size else self._clock.now_us()
        until_us = last_us
        if self._settings.settle:
            reported_us = self._waiting[-1].at_us if self._waiting else last_us
            until_us = max(last_us + self._window_us, reported_us) + MICROSECONDS
        self._log(until_us)
        self._settled_us += until_us - last_us
        self._learn()

    def _records(self, pages: Pages, served: Served, displays: Displays) -> Iterator[_Timed]:
        instants = (pages.now_us + self._settled_us).tolist()
        for decision, at_us in zip(self.decisions, instants, strict=True):
            yield self._timed(at_us, decision)
        ids = [decision.decision_id for decision in self.decisions]
        for page, after_us, event in self._reporter.report(pages, served, displays, ids):
            yield self._timed(instants[page] + (after_us if self._settings.delays else 0), event)

    def _timed(self, at_us: int, record: Record) -> _Timed:
        self._numbers += 1
        return _Timed(at_us, self._numbers, record)

    def _log(self, until_us: int) -> None:
        """Log what has come up to an instant, and go there."""
        kept = len(self._waiting)
        for index, (at_us, _, record) in enumerate(self._waiting):
            if at_us > until_us:
                kept = index
                break
            self._go_to(at_us)
            self._learners.append(record)
        del self._waiting[:kept]
        self._go_to(until_us)

    def _go_to(self, at_us: int) -> None:
        self._clock.advance_s((at_us - self._clock.now_us()) / MICROSECONDS)

    def _learn(self) -> None:
        now_us = self._clock.now_us()
        self._learners.learn(now_us)
        self._batches += 1
        if self._batches % self._settings.publish_batches == 0:
            self.serving = Serving(self.serving.catalog, self._learners.publish(now_us))

    def status(self) -> LearnerStatus:
        return self._learners.status(self._clock.now_us())
