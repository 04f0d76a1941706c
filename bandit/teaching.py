"""One outcome at a time: what it has to teach is made of it, learned, and counted."""

from __future__ import annotations

from collections.abc import Callable

from bandit.config.schema import Config
from bandit.dead_letters import DeadLetters
from bandit.engines import Engines
from bandit.insights.desk import InsightsDesk
from bandit.joiner import Sealed
from bandit.learner_words import Catalogs, Onlooker, PoisonError
from bandit.statistics import LearningCounts
from bandit.training import Trainer
from bandit.types import Surface


class Teacher:
    """Teaches the models what outcomes tell, and counts it."""

    def __init__(
        self,
        config: Config,
        catalogs: Catalogs,
        engines: Engines,
        dead: DeadLetters,
        counts: LearningCounts,
        insights: InsightsDesk,
        onlooker: Onlooker,
        reject: Callable[[str, str], None],
    ) -> None:
        """``reject`` is told what could not be learned, and why."""
        self._onlooker = onlooker
        self._trainer = Trainer(config, catalogs.load)
        self._engines = engines
        self._dead = dead
        self._counts = counts
        self._insights = insights
        self._reject = reject

    def teach(self, sealed: Sealed) -> int:
        """Learn an outcome and count it; return how many examples were learned.

        Raises:
            PoisonError: the outcome made this fail.
            OSError: a catalog cannot be read now.
        """
        decision_id = sealed.decision_id
        if not self._dead.begins("learn", decision_id):
            return 0
        try:
            outcome = sealed.open()
            self._onlooker.look(outcome)
            self._engines.forget(outcome.closed_at_us)
            found = self._trainer.train(outcome)
            learned = {
                surface: self._engines.learn(surface, examples)
                for surface, examples in found.examples.items()
            }
        except OSError:
            raise
        except Exception as error:
            raise PoisonError("learn", decision_id) from error
        self._dead.passed(decision_id)
        for surface, (examples, refusal) in learned.items():
            if refusal is not None:
                left_out = len(found.examples[surface]) - len(examples)
                self._leave_out(surface, left_out, decision_id, refusal)
        taught = found._replace(examples={name: one.examples for name, one in learned.items()})
        self._trainer.count(outcome, taught, self._counts)
        number = sum(map(len, taught.examples.values()))
        self._insights.count(outcome, taught.titles, taught.rows, number)
        return number

    def _leave_out(self, surface: Surface, count: int, decision_id: str, why: str) -> None:
        """Count examples that cannot be learned, and tell of the first."""
        before = self._counts.unlearnable.get(surface, 0)
        self._counts.unlearnable[surface] = before + count
        if not before:
            self._reject(f"an example for {surface} of {decision_id}", why)
