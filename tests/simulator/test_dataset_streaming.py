"""Streamed estimates equal those in memory, however the stream is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import stdtrit

from bandit.types import FloatArray
from simulator.datasets import concatenate, open_source
from simulator.datasets.streaming import stream
from simulator.diagnostics.weights import WeightSums
from simulator.errors import LoggedDataError, NoOverlapError, TargetError
from simulator.estimators.inputs import Inputs
from simulator.estimators.ips import ips
from simulator.estimators.snips import snips
from simulator.intervals import interval
from simulator.logged import LoggedChoices
from simulator.moments import Moments
from simulator.terms import Terms

RNG = np.random.default_rng(11)
ROUNDS = 10_000


class Fixed:
    """A target that gives each action a probability of its own."""

    def __init__(self, name: str, pmf: list[float]) -> None:
        self.name = name
        self._pmf = np.array(pmf)

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        return np.asarray(self._pmf[logged.action])

    def pmf(self, logged: LoggedChoices) -> FloatArray:
        return np.tile(self._pmf, (len(logged), 1))


TARGETS = [Fixed("even", [0.25] * 4), Fixed("last", [0, 0, 0, 1.0])]


@pytest.fixture(scope="module")
def rounds() -> LoggedChoices:
    action = RNG.choice(4, ROUNDS, p=[0.4, 0.3, 0.2, 0.1])
    return LoggedChoices(
        action=action.astype(np.int32),
        reward=(RNG.random(ROUNDS) < 0.05 * (1 + action)).astype(float),
        propensity=np.array([0.4, 0.3, 0.2, 0.1])[action],
        action_count=4,
    )


def cut(rounds: LoggedChoices, size: int) -> list[LoggedChoices]:
    return [rounds.take(slice(first, first + size)) for first in range(0, len(rounds), size)]


def in_memory(terms: Terms) -> tuple[float, float]:
    """Return value and standard error by the definitions."""
    influence = terms.influence()
    return terms.value(), float(influence.std(ddof=1) / np.sqrt(len(influence)))


@pytest.mark.parametrize("size", [1, 999, 10_000])
def test_streams_and_memory_agree_to_1e_9(rounds: LoggedChoices, size: int) -> None:
    found = stream(cut(rounds.take(slice(0, 3000)), size), TARGETS)
    for target in TARGETS:
        few = rounds.take(slice(0, 3000))
        inputs = Inputs(few.reward, target.chosen_probability(few) / few.propensity)
        for name, estimator in (("ips", ips), ("snips", snips)):
            value, error = in_memory(estimator(inputs))
            moments = found[target.name].moments[name]
            assert moments.value() == pytest.approx(value, abs=1e-12)
            assert moments.standard_error() == pytest.approx(error, rel=1e-9)


def test_the_normal_interval_is_that_of_the_terms_to_1e_9(rounds: LoggedChoices) -> None:
    inputs = Inputs(rounds.reward, TARGETS[0].chosen_probability(rounds) / rounds.propensity)
    moments = stream(cut(rounds, 999), TARGETS)["even"].moments
    for name, estimator in (("ips", ips), ("snips", snips)):
        expected = interval("normal", estimator(inputs), level=0.95)
        reach = stdtrit(ROUNDS - 1, 0.975) * moments[name].standard_error()
        assert moments[name].value() - reach == pytest.approx(expected.low, abs=1e-9)
        assert moments[name].value() + reach == pytest.approx(expected.high, abs=1e-9)


def test_the_same_batches_give_the_same_bits(rounds: LoggedChoices) -> None:
    once, again = (stream(cut(rounds, 777), TARGETS) for _ in range(2))
    for target in TARGETS:
        for name in ("ips", "snips"):
            first, second = (each[target.name].moments[name] for each in (once, again))
            assert first.value() == second.value()
            assert first.standard_error() == second.standard_error()


def test_bases_and_large_offsets_do_not_cancel() -> None:
    base, numerator = RNG.random(5000) + 1e6, RNG.normal(size=5000)
    denominator = RNG.random(5000)
    for terms in (Terms(numerator, denominator, base), Terms(numerator, base=base)):
        parts = [
            Terms(
                terms.numerator[first : first + 64],
                None if terms.denominator is None else terms.denominator[first : first + 64],
                base[first : first + 64],
            )
            for first in range(0, 5000, 64)
        ]
        moments = Moments.total(map(Moments.of, parts))
        value, error = in_memory(terms)
        assert moments.value() == pytest.approx(value, rel=1e-12)
        assert moments.standard_error() == pytest.approx(error, rel=1e-9)


def test_empty_blocks_change_nothing() -> None:
    terms = Terms(RNG.random(10), RNG.random(10))
    nothing = Terms(np.zeros(0), np.zeros(0))
    alone = Moments.of(terms)
    for order in ((nothing, terms), (terms, nothing)):
        merged = Moments.total(map(Moments.of, order))
        assert (merged.value(), merged.standard_error()) == (alone.value(), alone.standard_error())


def test_no_overlap_is_said_so(rounds: LoggedChoices) -> None:
    never = rounds.take(rounds.action != 3)
    found = stream(cut(never, 1000), [TARGETS[1]])["last"]
    assert found.moments["ips"].value() == 0
    with pytest.raises(NoOverlapError, match=f"none of the {len(never)} rounds"):
        found.moments["snips"].value()
    assert found.weights.zeros == len(never)
    assert found.weights.effective_rounds == 0


def test_weights_are_summed_up(rounds: LoggedChoices) -> None:
    weight = TARGETS[0].chosen_probability(rounds) / rounds.propensity
    found = stream(cut(rounds, 1234), TARGETS[:1])["even"].weights
    assert (found.rounds, found.zeros) == (ROUNDS, 0)
    assert found.largest == weight.max()
    expected = weight.sum() ** 2 / (weight**2).sum()
    assert found.effective_rounds == pytest.approx(expected, rel=1e-12)
    assert WeightSums.none().effective_rounds == 0


def test_a_streams_interval_covers_the_known_value(rounds: LoggedChoices) -> None:
    moments = stream(cut(rounds, 4096), TARGETS[:1])["even"].moments["snips"]
    half = NormalDist().inv_cdf(0.999) * moments.standard_error()
    assert abs(moments.value() - 0.05 * 2.5) < half


def test_no_rounds_and_unlawful_targets_are_refused(rounds: LoggedChoices) -> None:
    with pytest.raises(LoggedDataError, match="there are none"):
        stream([], TARGETS)
    with pytest.raises(TargetError):
        stream([rounds], [Fixed("wrong", [2.0] * 4)])


def test_progress_is_told_batch_by_batch(rounds: LoggedChoices) -> None:
    told: list[int] = []
    stream(cut(rounds, 4000), TARGETS, progress=told.append)
    assert told == [4000, 4000, 2000]


def test_files_are_streamed_as_they_lie(rounds: LoggedChoices, tmp_path: Path) -> None:
    for number, part in enumerate(cut(rounds, 3000)):
        made = {"action": part.action, "reward": part.reward, "propensity": part.propensity}
        pq.write_table(pa.table(made), tmp_path / f"{number}.parquet", row_group_size=700)
    source = open_source(tmp_path)
    found = stream(source.choices(512), TARGETS)["even"].moments["ips"]
    whole = concatenate(source.choices())
    np.testing.assert_array_equal(whole.reward, rounds.reward)
    value, error = in_memory(ips(Inputs(whole.reward, 0.25 / whole.propensity)))
    assert found.value() == pytest.approx(value, abs=1e-12)
    assert found.standard_error() == pytest.approx(error, rel=1e-9)


def test_one_round_has_no_finite_error(rounds: LoggedChoices) -> None:
    one = replace(rounds.take(slice(0, 1)))
    assert stream([one], TARGETS)["even"].moments["ips"].standard_error() == float("inf")
