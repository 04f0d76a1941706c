"""The policy that wrote another log, by its frequencies; and a stream that Ctrl-C cuts short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandit.clock import ManualClock
from simulator.datasets.registry import Source, concatenate, open_source
from simulator.errors import MissingDataError, TargetError
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.progress import Watch
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.log_target import LogTarget
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.specs import target
from simulator.studies.streaming import evaluate_streamed
from simulator.targets import check_pmf
from tests.simulator.choice_world import ACTIONS, draw, write


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("written") / "log.npz", draw(3000))


def rounds_of(log: Path) -> LoggedChoices:
    return concatenate(open_source(log).choices())


def test_it_is_how_often_each_position_had_each_item(log: Path) -> None:
    rounds = rounds_of(log)
    found = target(f"log:{log}")
    assert (found.name, found.learns) == ("log:log", False)
    pmf = found.pmf(rounds)
    check_pmf(pmf, rounds.eligible())
    assert rounds.position is not None
    for position in (0, 1):
        there = rounds.position == position
        counts = np.bincount(rounds.action[there], minlength=ACTIONS) + 0.5
        np.testing.assert_allclose(pmf[np.flatnonzero(there)[0]], counts / counts.sum())
    chosen = pmf[np.arange(len(rounds)), rounds.action]
    np.testing.assert_array_equal(found.chosen_probability(rounds), chosen)


def test_what_was_never_chosen_is_not_impossible(log: Path) -> None:
    rounds = rounds_of(log)
    seldom = LogTarget("seldom", rounds.take(np.flatnonzero(rounds.action > 0)))
    assert seldom.pmf(rounds)[:, 0].min() > 0


def test_sets_of_rounds_own_other_items_and_rankings_are_refused(log: Path) -> None:
    rounds = rounds_of(log)
    own = replace(rounds, candidates=np.tile(np.arange(ACTIONS, dtype=np.int32), (3000, 1)))
    with pytest.raises(TargetError, match="a set of its own"):
        LogTarget("own", own)
    written = LogTarget("written", rounds)
    with pytest.raises(TargetError, match="other items"):
        written.pmf(replace(rounds, action_count=ACTIONS + 1))
    ranking = LoggedRankings(np.zeros((1, 1), np.int32), np.ones((1, 1)), np.ones((1, 1)), 1)
    for ask in (written.conditional_probability, written.conditional_pmf):
        with pytest.raises(TargetError, match="not by orders"):
            ask(ranking)
    with pytest.raises(MissingDataError):
        target("log:nowhere")


class CutShort:
    """A source at whose third batch somebody presses Ctrl-C."""

    def __init__(self, source: Source) -> None:
        self._source = source
        for name in ("name", "path", "kind", "has_propensities", "skipped", "notes"):
            setattr(self, name, getattr(source, name))

    def choices(self, batch: int = 500) -> Iterator[LoggedChoices]:
        for number, one in enumerate(self._source.choices(500)):
            if number == 2:
                raise KeyboardInterrupt
            yield one


def test_a_stream_that_is_cut_short_tells_of_what_it_read(log: Path) -> None:
    plan = JudgePlan(estimators=asked_estimators(["ips"], "artwork"))
    begun = begin("the command", 0, ManualClock(10))
    source: Source = CutShort(open_source(log))  # type: ignore[assignment]
    result, interrupted = evaluate_streamed(
        source, ["uniform"], LogPlan(), plan, begun, watch=Watch()
    )
    assert interrupted
    assert result.data.rounds == 1000
    assert "interrupted: estimates are of 1,000 rounds" in result.notes
    part = rounds_of(log).take(slice(0, 1000))
    expected = (part.reward / ACTIONS / part.propensity).mean()
    assert result.estimates[0].value == pytest.approx(expected)
