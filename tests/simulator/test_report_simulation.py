"""Reports of simulations compare policies on the same seeds, and crown what can be served."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from simulator.report import canvas
from simulator.report.page import Cell, Figure, Note, Picture, Table
from simulator.report.write import lay_out
from simulator.results import Simulation
from simulator.studies.over_seeds import seed_interval
from tests.simulator.report_results import simulation


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the drawings, which other tests look at, for speed."""
    monkeypatch.setattr(canvas, "picture", lambda *_: Picture("", ""))


def rewarded(**by_policy: list[float]) -> Simulation:
    """Return a simulation whose policies earned these rewards, by seed."""
    made = simulation(tuple(by_policy))
    seeds = list(range(len(next(iter(by_policy.values())))))
    policies = [
        msgspec.structs.replace(
            policy,
            by_seed=by_seed,
            final_reward_mean=float(np.mean(by_seed)),
            final_reward=seed_interval(np.array(by_seed), 0.9),
            final_regret_mean=1000.0 * (3.0 - float(np.mean(by_seed))),
        )
        for policy, by_seed in zip(made.policies, by_policy.values(), strict=True)
    ]
    return msgspec.structs.replace(made, seeds=seeds, policies=policies)


FOUND = {
    "uniform": [1.0, 2.0, 0.5],
    "linucb": [1.5, 2.6, 1.1],
    "oracle": [2.0, 3.2, 1.6],
    "popularity": [1.1, 2.0, 0.7],
}


def block(result: Simulation, name: str) -> Figure | Table:
    for section in lay_out(result).sections:
        for found in section.blocks:
            if isinstance(found, Figure | Table) and found.name == name:
                return found
    raise KeyError(name)


def cells(table: Table) -> list[dict[str, Cell]]:
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def test_the_headline_crowns_what_can_be_served() -> None:
    headline = lay_out(rewarded(**FOUND)).headline
    assert headline.startswith("linucb earned most of the policies that can be served: 1.7")
    assert "0.57 (90 %:" in headline
    assert "more than uniform on the same seeds" in headline
    # Regrets are 3 less the mean, so that the lead is 1.8333 and what linucb lacks of it 1.2667.
    share = 100 * (1 - (3 - np.mean(FOUND["linucb"])) / (3 - np.mean(FOUND["uniform"])))
    assert f"{share:.1f} % of the lead that the oracle has over uniform" in headline
    assert "Next is popularity" in headline


def test_without_an_oracle_nothing_is_said_of_who_can_be_served() -> None:
    headline = lay_out(rewarded(a=[1.0, 1.2], b=[2.0, 2.4])).headline
    assert headline.startswith("b earned most: ")
    assert "more than a on the same seeds" in headline


def test_the_oracle_alone_is_not_crowned() -> None:
    assert "No policy that can be served" in lay_out(rewarded(oracle=[1.0, 1.2])).headline


def test_policies_that_seeds_do_not_tell_apart_are_told_so() -> None:
    headline = lay_out(rewarded(uniform=[0.1, 0.1], a=[1.0, 2.0], b=[1.5, 1.4])).headline
    assert "do not tell it apart from b" in headline
    headline = lay_out(rewarded(uniform=[1.0, 2.0], a=[1.5, 1.6])).headline
    assert "do not tell it apart from uniform: the difference is" in headline


@pytest.mark.parametrize(
    ("names", "reference"),
    [(("linucb", "uniform", "lints"), "uniform"), (("oracle", "linucb", "lints"), "linucb")],
)
def test_the_reference_is_uniform_or_the_first_that_can_be_served(
    names: tuple[str, ...], reference: str
) -> None:
    figure = block(rewarded(**{name: [1.0, 2.0] for name in names}), "gains")
    assert isinstance(figure, Figure)
    assert figure.title == f"More than {reference}, on the same seeds"


def test_differences_are_taken_seed_by_seed() -> None:
    result = rewarded(**FOUND)
    figure = block(result, "gains")
    assert isinstance(figure, Figure)
    rows = cells(figure.numbers)
    for name in ("linucb", "oracle", "popularity"):
        gained = np.subtract(FOUND[name], FOUND["uniform"])
        wanted = seed_interval(gained, 0.9)
        mine = [row for row in rows if row["label"] == name]
        (whole,) = (row for row in mine if row["low"] is not None)
        assert whole["value"] == gained.mean()
        assert (whole["low"], whole["high"]) == (wanted.low, wanted.high)
        assert whole["level"] == 0.9
        assert [row["value"] for row in mine if row["low"] is None] == gained.tolist()
        table = block(result, "standing")
        assert isinstance(table, Table)
        (told,) = (row for row in cells(table) if row["policy"] == name)
        assert (told["more"], told["more_low"]) == (gained.mean(), wanted.low)
    assert not [row for row in rows if row["label"] == "uniform"]


def test_one_seed_is_told_of_and_has_no_interval() -> None:
    page = lay_out(rewarded(uniform=[1.0], linucb=[1.5]))
    assert "%:" not in page.headline
    assert "on one seed" in page.headline
    notes = [b for s in page.sections for b in s.blocks if isinstance(b, Note)]
    assert [note for note in notes if note.alarm and "One seed alone" in note.text]


def test_a_run_cut_short_is_told_first() -> None:
    result = msgspec.structs.replace(rewarded(**FOUND), notes=["interrupted: 3 of 10 seeds"])
    first = lay_out(result).sections[0].blocks[0]
    assert isinstance(first, Note)
    assert first.alarm
    assert first.text == "Interrupted: 3 of 10 seeds."


def test_a_replayed_log_knows_no_regret_and_tells_what_was_accepted() -> None:
    made = rewarded(uniform=[0.1, 0.2], linucb=[0.2, 0.4])
    replace = msgspec.structs.replace
    policies = [
        replace(
            policy,
            final_regret=None,
            final_regret_mean=None,
            accepted=[40, 61],
            curve=[
                replace(point, regret=None, regret_low=None, regret_high=None)
                for point in policy.curve
            ],
        )
        for policy in made.policies
    ]
    result = replace(made, policies=policies, unit="an accepted round")
    page = lay_out(result)
    assert "an accepted round" in page.headline
    assert "oracle" not in page.headline
    table = block(result, "standing")
    assert isinstance(table, Table)
    (told, _) = cells(table)
    assert told["accepted"] == 50.5
    assert "regret" not in told
    assert "share_of_lead" not in told
    names = [b.name for s in page.sections for b in s.blocks if isinstance(b, Figure)]
    assert names == ["gains", "rewards", "reward"]


def test_a_simulation_of_nobody_is_told_so() -> None:
    result = msgspec.structs.replace(rewarded(**FOUND), policies=[])
    assert "No policy" in lay_out(result).headline
