"""Merging: what it keeps, what it adds up, and that VW goes on from what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bandit.config.schema import Config, ModelConfig
from bandit.engine import Candidate, TrainingExample
from bandit.engines import Engines
from bandit.errors import ModelError
from bandit.features import Encoded, encode, encode_id
from bandit.model import VowpalEngine
from bandit.model_merging import Merging, Move, Stand, Sums, Turn, merged_sums
from bandit.model_parts import ModelParts, put_together, take_apart
from bandit.model_state import read_state
from bandit.scoring import ModelShape
from bandit.snapshots import MemorySnapshotStore
from bandit.types import FloatArray

CROSSES = [["context", "artwork"]]
PLAIN = ModelConfig(bits=12, interactions=CROSSES)
CONFIGS = {
    "regression": PLAIN,
    "slow decay": ModelConfig(bits=12, interactions=CROSSES, power_t=0.3),
    "constant step": ModelConfig(bits=12, interactions=CROSSES, power_t=0.0, constant=True),
    "weighted": ModelConfig(bits=12, interactions=CROSSES, importance="full"),
    "l1 and l2": ModelConfig(bits=12, interactions=CROSSES, l2=1e-3, arguments=["--l1=1e-4"]),
    "late start": ModelConfig(bits=12, interactions=CROSSES, arguments=["--initial_t=3"]),
    "quantile": ModelConfig(bits=12, arguments=["--loss_function=quantile", "--quantile_tau=0.3"]),
    "mtr": ModelConfig(bits=12, interactions=CROSSES, cb_type="mtr"),
    "ips": ModelConfig(bits=12, interactions=CROSSES, cb_type="ips"),
    "dr": ModelConfig(bits=12, interactions=CROSSES, cb_type="dr", constant=True),
}
P = 4
DAY_US = 86_400_000_000


def engine_of(config: ModelConfig, state: bytes | None = None) -> VowpalEngine:
    return VowpalEngine(ModelShape.of("artwork", config), config, state)


def examples_of(seed: int, count: int, kinds: int = 5) -> list[TrainingExample]:
    """Make examples of features of many sizes, some of which are rare."""
    rng = np.random.default_rng(seed)

    def features(namespace: str) -> Encoded:
        kind, size = f"k{rng.integers(kinds)}", float(rng.normal() * 10.0 ** rng.integers(-2, 3))
        return encode(namespace, {"kind": kind, "size": size, f"f{rng.integers(99)}": 1.0})

    examples = []
    for _ in range(count):
        candidates = [
            Candidate({"artwork": features("artwork"), "id": encode_id(f"a{rng.integers(9)}")})
            for _ in range(3)
        ]
        propensity, reward = float(rng.uniform(0.05, 1)), float(rng.uniform())
        chosen = int(rng.integers(3))
        examples.append(
            TrainingExample(
                {"context": features("context")}, candidates, chosen, propensity, reward
            )
        )
    return examples


def learned(
    config: ModelConfig, examples: Sequence[TrainingExample], state: bytes | None = None
) -> bytes:
    engine = engine_of(config, state)
    engine.learn(examples)
    return engine.serialize()


def turns_of(
    config: ModelConfig, base: bytes, shares: Sequence[Sequence[TrainingExample]]
) -> list[Turn]:
    merging = Merging(config, len(shares))
    begun = merging.handed_out(base)
    return [Turn(Stand(base), Stand(learned(config, one, begun))) for one in shares]


def merged(config: ModelConfig, base: bytes, turns: Sequence[Turn], partitions: int = P) -> bytes:
    return Merging(config, partitions).merged(Stand(base), turns).state


def column(parts: ModelParts, which: int, size: int = 1 << 12) -> FloatArray:
    values = np.zeros(size)
    values[parts.indices] = parts.table[:, which]
    return values


def parts_of(state: bytes, config: ModelConfig = PLAIN) -> ModelParts:
    return take_apart(state, config)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_state_that_was_taken_apart_learns_on_as_the_model_that_was_there(name: str) -> None:
    config, examples = CONFIGS[name], examples_of(1, 300)
    there = engine_of(config)
    there.learn(examples[:200])
    set_to = engine_of(config, put_together(take_apart(there.serialize(), config), config))
    assert set_to.serialize() == there.serialize()
    for example in examples[200:]:
        assert set_to.predict(example.shared, example.candidates) == there.predict(
            example.shared, example.candidates
        )
        set_to.learn([example])
        there.learn([example])
    assert set_to.serialize() == there.serialize()


@pytest.mark.parametrize("name", CONFIGS)
def test_one_learner_alone_is_merged_to_what_it_is(name: str) -> None:
    config, examples = CONFIGS[name], examples_of(2, 400)
    base = learned(config, examples[:200])
    merging = Merging(config, 1)
    now = learned(config, examples[200:], base)
    found = merging.merged(Stand(base), [Turn(Stand(base), Stand(now))]).state
    if name == "l1 and l2":
        # what was left to apply to the weights was applied
        assert read_state(found, bandit=False).contraction == 1.0
        weights = engine_of(config, now).arrays().weights
        assert_allclose(engine_of(config, found).arrays().weights, weights, rtol=1e-6, atol=1e-12)
    else:
        assert merging.handed_out(base) == base
        assert found == now


@pytest.mark.parametrize("name", CONFIGS)
def test_a_merge_of_nothing_new_changes_nothing(name: str) -> None:
    config = CONFIGS[name]
    base = learned(config, examples_of(3, 200))
    if name == "l1 and l2":
        base = Merging(config, P).merged(Stand(base), []).state
    assert merged(config, base, turns_of(config, base, [[]] * P)) == base
    assert merged(config, base, []) == base


@pytest.mark.parametrize("name", CONFIGS)
def test_vw_goes_on_from_what_was_merged(name: str) -> None:
    config, examples = CONFIGS[name], examples_of(4, 600)
    base = learned(config, examples[:200])
    turns = turns_of(config, base, [examples[200 + k : 500 : P] for k in range(P)])
    found = merged(config, base, turns)
    engine = engine_of(config, found)
    assert engine.serialize() == found
    assert engine.examples_learned == 500
    engine.learn(examples[500:])
    assert np.isfinite(engine.arrays().weights).all()
    assert (engine.arrays().variances > 0).all()


def test_learners_who_came_to_the_same_are_merged_to_it_and_their_sums_are_added() -> None:
    examples = examples_of(5, 300)
    base = learned(PLAIN, examples[:200])
    turns = turns_of(PLAIN, base, [examples[200:]] * P)
    found, one = parts_of(merged(PLAIN, base, turns)), parts_of(turns[0].now.state)
    assert_allclose(column(found, 0), column(one, 0), rtol=1e-6)
    assert_array_equal(column(found, 2), column(one, 2))
    before = parts_of(Merging(PLAIN, P).handed_out(base))
    grown = column(one, 1) - column(before, 1)
    assert_allclose(column(found, 1), column(parts_of(base), 1) + P * grown, rtol=1e-5)


def test_learners_from_nothing_do_not_learn_the_same_thing_several_times_over() -> None:
    base = engine_of(PLAIN).serialize()
    turns = turns_of(PLAIN, base, [examples_of(6, 200)] * P)
    found, one = parts_of(merged(PLAIN, base, turns)), parts_of(turns[0].now.state)
    assert_allclose(column(found, 0), column(one, 0), rtol=1e-6)


def test_the_order_of_learners_does_not_matter() -> None:
    examples = examples_of(7, 500)
    base = learned(PLAIN, examples[:200])
    turns = turns_of(PLAIN, base, [examples[200 + k : 500 : 3] for k in range(3)])
    found = [parts_of(merged(PLAIN, base, order, 3)) for order in permutations(turns)]
    for one in found[1:]:
        assert one.counters == found[0].counters
        assert_array_equal(one.indices, found[0].indices)
        assert_allclose(one.table, found[0].table, rtol=1e-6, atol=1e-12)


def test_a_feature_that_one_learner_alone_saw_keeps_its_weight() -> None:
    examples = examples_of(8, 300, kinds=3)
    base = learned(PLAIN, examples[:200])
    known = set(parts_of(base).indices.tolist())
    turns = turns_of(PLAIN, base, [examples[200 + k : 300 : P] for k in range(P)])
    ends = [parts_of(one.now.state) for one in turns]
    found = parts_of(merged(PLAIN, base, turns))
    place = {index: row for row, index in enumerate(found.indices.tolist())}
    alone = 0
    for number, one in enumerate(ends):
        others = {
            index
            for other, end in enumerate(ends)
            if other != number
            for index in end.indices.tolist()
        }
        for index, row in zip(one.indices.tolist(), one.table, strict=True):
            if index not in known and index not in others:
                assert_array_equal(found.table[place[index]], row)
                alone += 1
    assert alone > 20


def test_what_all_know_for_long_is_moved_by_one_of_them_as_by_one_learner_of_everything() -> None:
    examples = examples_of(9, 3000, kinds=2)
    base = learned(PLAIN, examples[:-1])
    single = parts_of(learned(PLAIN, examples[-1:], base))
    turns = turns_of(PLAIN, base, [examples[-1:], [], [], []])
    found, before = parts_of(merged(PLAIN, base, turns)), parts_of(base)
    settled = column(before, 1) > 300.0
    moved = (column(single, 0) - column(before, 0))[settled]
    assert (moved != 0).sum() >= 3
    assert_allclose((column(found, 0) - column(before, 0))[settled], moved, rtol=0.15, atol=1e-6)
    # those who say nothing count as if they said that they learned nothing
    assert merged(PLAIN, base, turns[:1]) == merged(PLAIN, base, turns)


def test_weights_shrink_as_vw_shrinks_them_when_a_feature_turns_out_to_be_larger() -> None:
    config = ModelConfig(bits=12)

    def example(value: float, reward: float) -> TrainingExample:
        encoded = Encoded(encode("artwork", {"a": 1.0}).hashes, np.array([value], np.float32))
        return TrainingExample({}, [Candidate({"artwork": encoded})], 0, 1.0, reward)

    base = learned(config, [example(0.5, 0.3)] * 5)
    large = example(2.0, 0.0)
    said = engine_of(config, base).predict(large.shared, large.candidates)[0]
    by_vw = parts_of(learned(config, [large._replace(reward=said + 1e-4)], base))
    before = parts_of(base).table[0]
    larger = np.array([0.0, before[1], 2.0])
    moved = Move(Sums(*before[:, None].astype(float)), Sums(*larger[:, None].astype(float)))
    still = Sums(*before[:, None].astype(float))
    found = merged_sums(still, [Move(still, still), moved], np.zeros(1), config.power_t)
    assert by_vw.table[0, 2] == found.normalisers[0] == 2.0
    assert before[0] > 0.02
    # of the two learners one stayed at the weight, shrunk, and one came to 0
    assert found.weights[0] == pytest.approx(by_vw.table[0, 0] / 2, rel=1e-2)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0, 1e6)), min_size=1, max_size=6),
    st.floats(-10, 10),
    st.floats(0, 1e6),
    st.floats(0.05, 1),
)
def test_a_merged_weight_lies_between_those_of_the_learners(
    ends: list[tuple[float, float]], weight: float, squares: float, power_t: float
) -> None:
    one = np.ones(1)
    begun = Sums(weight * one, squares * one, one)
    moves = [Move(begun, Sums(end * one, (squares + more) * one, one)) for end, more in ends]
    found = merged_sums(begun, moves, np.zeros(1), power_t)
    reached = [end for end, more in ends if squares + more > 0] or [weight]
    assert min(reached) - 1e-9 <= found.weights[0] <= max(reached) + 1e-9
    assert found.squares[0] == pytest.approx(squares + sum(more for _, more in ends))


def test_what_was_forgotten_is_forgotten_once_and_only_of_what_there_was() -> None:
    config = ModelConfig(bits=12, interactions=CROSSES, half_life_s=86_400.0)
    examples = examples_of(10, 400)
    base = Stand(learned(config, examples[:200]), 5 * DAY_US)
    merging = Merging(config, 2)
    turns, growth = [], np.zeros(1 << 12)
    for share, days in ((examples[200:300], 1), (examples[300:], 2)):
        engine = engine_of(config, merging.handed_out(base.state))
        engine.forget(0.5**days)
        before = column(parts_of(engine.serialize(), config), 1)
        engine.learn(share)
        # whoever stands at an earlier instant forgets to the later one
        late = 0.5 ** (2 - days)
        growth += (column(parts_of(engine.serialize(), config), 1) - before) * late
        turns.append(Turn(base, Stand(engine.serialize(), (5 + days) * DAY_US)))
    found = merging.merged(base, turns)
    assert found.faded_until_us == 7 * DAY_US
    wanted = column(parts_of(base.state, config), 1) / 4 + growth
    assert_allclose(column(parts_of(found.state, config), 1), wanted, rtol=1e-4, atol=1e-6)


def test_a_learner_that_was_left_out_tells_of_all_it_did_the_next_time() -> None:
    examples = examples_of(11, 500)
    base = Stand(learned(PLAIN, examples[:100]))
    merging = Merging(PLAIN, 2)
    begun = merging.handed_out(base.state)
    prompt = Stand(learned(PLAIN, examples[100:200], begun))
    first = merging.merged(base, [Turn(base, prompt)])
    late = Stand(learned(PLAIN, examples[200:400], begun))
    again = Stand(learned(PLAIN, examples[400:], merging.handed_out(first.state)))
    second = merging.merged(first, [Turn(first, again), Turn(base, late)])
    assert engine_of(PLAIN, second.state).examples_learned == 500
    grown = [
        column(parts_of(now), 1) - column(parts_of(merging.handed_out(start)), 1)
        for start, now in (
            (base.state, prompt.state),
            (base.state, late.state),
            (first.state, again.state),
        )
    ]
    wanted = column(parts_of(base.state), 1) + sum(grown)
    assert_allclose(column(parts_of(second.state), 1), wanted, rtol=1e-4, atol=1e-6)


def test_models_that_cannot_be_merged_are_refused() -> None:
    base = engine_of(PLAIN).serialize()
    other = engine_of(ModelConfig(bits=12)).serialize()
    merging = Merging(PLAIN, 2)
    with pytest.raises(ModelError, match="different settings"):
        merging.merged(Stand(base), [Turn(Stand(base), Stand(other))])
    with pytest.raises(ModelError, match="not whole weights"):
        merging.handed_out(learned(PLAIN, examples_of(12, 5)) + b"\0")
    with pytest.raises(ModelError, match="not a model"):
        merging.merged(Stand(base[:20]), [])
    for rule in ("--ftrl", "--coin"):
        config = ModelConfig(bits=12, arguments=[rule])
        with pytest.raises(ModelError, match=rule):
            Merging(config, 2).handed_out(engine_of(config).serialize())


def test_learners_of_another_step_size_are_of_the_same_kind() -> None:
    longer = ModelConfig(bits=12, interactions=CROSSES, learning_rate=0.2)
    examples = examples_of(16, 300)
    base = learned(PLAIN, examples[:200])
    begun = Merging(PLAIN, P).handed_out(base)
    now = learned(longer, examples[200:], begun)
    found = merged(PLAIN, base, [Turn(Stand(base), Stand(now))])
    for config in (PLAIN, longer):
        assert engine_of(config, found).examples_learned == 300


def test_a_surface_takes_up_a_merged_state_or_stays_what_it_was() -> None:
    config = Config()
    engines = Engines(config, MemorySnapshotStore())
    engines.restore({})
    model = config.surfaces.artwork.model
    state = learned(model, examples_of(13, 50))
    engines.take_up("artwork", state)
    assert engines.states()["artwork"] == state
    assert engines.learn("artwork", examples_of(14, 5)).refusal is None
    kept = engines.states()
    with pytest.raises(ModelError):
        engines.take_up("artwork", state[:-1])
    assert engines.states() == kept


def test_forgetting_goes_on_from_where_the_merged_model_stands() -> None:
    model = ModelConfig(half_life_s=86_400.0)
    surfaces = Config().surfaces
    artwork = type(surfaces.artwork)(model=model)
    config = Config(surfaces=type(surfaces)(artwork=artwork))
    engines = Engines(config, MemorySnapshotStore())
    engines.restore({})
    state = learned(model, examples_of(15, 50))
    engines.take_up("artwork", state, 5 * DAY_US)
    engines.forget(5 * DAY_US)
    assert engines.states()["artwork"] == state
    engines.forget(6 * DAY_US)
    faded = column(parts_of(engines.states()["artwork"], model), 1, 1 << 18)
    assert_allclose(faded, column(parts_of(state, model), 1, 1 << 18) / 2, rtol=1e-5)
