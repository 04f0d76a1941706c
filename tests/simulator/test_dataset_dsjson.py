"""Vowpal Wabbit's dsjson: read, written so that VW reads it, and what is wrong told by line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vowpal_wabbit_next as vw

from simulator.datasets import concatenate, concatenate_rankings, dsjson_look, open_source
from simulator.datasets.dsjson_writing import write_dsjson
from simulator.errors import LoggedDataError
from simulator.logged import LoggedChoices, LoggedRankings, Names

CB: dict[str, Any] = {
    "_label_cost": -1.0,
    "_label_probability": 0.8,
    "_label_Action": 2,
    "_labelIndex": 1,
    "EventId": "e0",
    "a": [2, 1],
    "c": {
        "user": {"taste": "faces", "age": 0.5, "tags": ["x", "y"], "new": True, "gone": None},
        "_multi": [{"art": {"dark": 1.0}}, {"art": {"dark": 0.25}}],
    },
    "p": [0.8, 0.2],
    "VWState": {"m": "model"},
}
CCB: dict[str, Any] = {
    "EventId": "e0",
    "c": {
        "user": {"age": 0.5},
        "_multi": [{"art": {"d": 1.0}}, {"art": {"d": 2.0}}, {"art": {"d": 3.0}}],
        "_slots": [{"s": {"p": 0}}, {"s": {"p": 1}}],
    },
    "_outcomes": [
        {"_label_cost": 0, "_id": "a", "_a": [2, 0, 1], "_p": [0.5, 0.25, 0.25], "_o": []},
        {"_label_cost": -0.5, "_id": "b", "_a": [0, 1], "_p": [0.75, 0.25], "_o": []},
    ],
}


def file_of(directory: Path, *lines: dict[str, Any] | str) -> Path:
    path = directory / "log.dsjson"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(text + "\n" for text in texts))
    return path


def test_a_cb_line_is_a_choice(tmp_path: Path) -> None:
    second = CB | {"EventId": "e1", "_label_Action": 1, "_label_cost": 0}
    source = open_source(file_of(tmp_path, CB, second))
    assert source.kind == "choices"
    rounds = concatenate(source.choices())
    assert rounds.action.tolist() == [1, 0]
    assert rounds.reward.tolist() == [1.0, 0.0]
    assert rounds.propensity.tolist() == [0.8, 0.8]
    assert rounds.names.contexts == (
        "user.age",
        "user.new",
        "user.tags=x",
        "user.tags=y",
        "user.taste=faces",
    )
    assert rounds.context is not None
    assert rounds.context[0].tolist() == [0.5, 1, 1, 1, 1]
    assert rounds.item_features is not None
    assert rounds.item_features[rounds.items(), 0].tolist() == [0.25, 1.0]


def test_a_ccb_line_is_a_ranking(tmp_path: Path) -> None:
    one_slot = CCB | {"EventId": "e1", "_outcomes": CCB["_outcomes"][:1]}
    source = open_source(file_of(tmp_path, CCB, one_slot))
    assert source.kind == "rankings"
    rankings = concatenate_rankings(source.rankings())
    assert rankings.items.tolist() == [[2, 0], [2, -1]]
    assert rankings.propensity.tolist() == [[0.5, 0.75], [0.5, 1.0]]
    assert rankings.reward.tolist() == [[0.0, 0.5], [0.0, 0.0]]
    assert rankings.item_count == 3
    with pytest.raises(LoggedDataError, match="holds rankings"):
        next(source.choices())


def choices() -> LoggedChoices:
    rng = np.random.default_rng(5)
    rounds = 40
    sizes = rng.integers(1, 5, rounds)
    candidates = np.full((rounds, 4), -1, np.int32)
    for row, size in enumerate(sizes):
        candidates[row, :size] = rng.permutation(6)[:size]
    return LoggedChoices(
        action=rng.integers(0, sizes).astype(np.int32),
        reward=rng.random(rounds),
        propensity=np.where(sizes > 1, rng.uniform(0.1, 1, rounds), 1.0),
        action_count=4,
        candidates=candidates,
        position=rng.integers(0, 9, rounds).astype(np.int32),
        context=rng.random((rounds, 3)).astype(np.float32),
        item_features=rng.random((6, 2)).astype(np.float32),
        cluster=rng.integers(-(2**60), 2**60, rounds),
        segment=rng.integers(0, 2, rounds).astype(np.int32),
        names=Names(
            items=[f"t/{code}" for code in range(6)],
            contexts=("age", "taste=a b", "x.y"),
            features=("artwork.dark", "genre=g"),
            segments=("explore", "learned"),
        ),
    )


def test_choices_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = choices()
    path = tmp_path / "log.dsjson"
    assert write_dsjson(path, [written.take(slice(0, 15)), written.take(slice(15, None))]) == 40
    read = concatenate(open_source(path).choices())
    for name in ("action", "reward", "propensity", "position", "context", "cluster", "segment"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), name)
    assert (read.names.contexts, read.names.features) == (
        written.names.contexts,
        written.names.features,
    )
    assert list(read.names.segments) == list(written.names.segments)
    assert read.candidates is not None
    assert written.candidates is not None
    assert read.item_features is not None
    assert written.item_features is not None
    names = np.array([*read.names.items, "none"])
    wanted = np.array([*written.names.items, "none"])
    np.testing.assert_array_equal(names[read.candidates], wanted[written.candidates])
    for code, name in enumerate(read.names.items):
        original = written.names.items.index(name)
        np.testing.assert_array_equal(read.item_features[code], written.item_features[original])


def rankings() -> LoggedRankings:
    rng = np.random.default_rng(6)
    items = np.array([rng.permutation(4)[:3] for _ in range(20)], np.int32)
    items[3, 2] = -1
    propensity = rng.uniform(0.1, 1, (20, 3))
    propensity[items < 0] = 1
    reward = rng.random((20, 3))
    reward[items < 0] = 0
    return LoggedRankings(
        items=items,
        propensity=propensity,
        reward=reward,
        item_count=4,
        seen=(rng.random((20, 3)) < 0.5) & (items >= 0),
        context=rng.random((20, 1)).astype(np.float32),
        cluster=rng.integers(0, 9, 20),
        names=Names(items=("r0", "r1", "r2", "r3"), contexts=("age",)),
    )


def test_rankings_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = rankings()
    path = tmp_path / "log.dsjson"
    write_dsjson(path, [written])
    read = concatenate_rankings(open_source(path).rankings())
    for name in ("items", "reward", "propensity", "seen", "context", "cluster"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), name)
    assert read.names.items == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("rounds", "arguments"),
    [(choices(), "--cb_explore_adf"), (rankings(), "--ccb_explore_adf")],
    ids=["cb", "ccb"],
)
def test_stock_vw_learns_from_what_is_written(
    tmp_path: Path, rounds: LoggedChoices | LoggedRankings, arguments: str
) -> None:
    path = tmp_path / "log.dsjson"
    write_dsjson(path, [rounds])
    workspace: Any = vw.Workspace(["--quiet", arguments])
    examples = 0
    with vw.DSJsonFormatReader(workspace, path.open()) as reader:
        for example in reader:
            workspace.learn_one(example)
            examples += 1
    assert examples == len(rounds)
    assert np.count_nonzero(workspace.weights()) > 5


def test_stock_vws_command_line_takes_the_file(tmp_path: Path) -> None:
    write_dsjson(tmp_path / "log.dsjson", [choices()])
    told, _ = vw.run_cli_driver(
        ["--dsjson", "--cb_explore_adf", "-d", str(tmp_path / "log.dsjson")], onethread=True
    )
    assert "number of examples = 40" in told


def test_vw_and_we_read_the_same_label(tmp_path: Path) -> None:
    written = choices()
    path = tmp_path / "log.dsjson"
    write_dsjson(path, [written])
    parser = vw.DSJsonFormatParser(vw.Workspace(["--quiet", "--cb_explore_adf"]))
    for index, line in enumerate(path.read_text().splitlines()):
        _, *actions = parser.parse_json(line)
        labels: list[Any] = [action.get_label() for action in actions]
        (chosen,) = [at for at, label in enumerate(labels) if label.label is not None]
        assert chosen == written.action[index]
        _, cost, probability = labels[chosen].label
        assert cost == pytest.approx(-written.reward[index])
        assert probability == pytest.approx(written.propensity[index])


@pytest.mark.parametrize(
    ("line", "told", "mend"),
    [
        ("{", "not a line of dsjson", "one JSON object a line"),
        ("\xff", "not a line of dsjson", "one JSON object a line"),
        ({}, 'no context "c"', "whole line"),
        ({"c": {}}, 'no actions "c._multi"', "action set"),
        ({"c": {"_multi": [1]}}, "no objects", "object"),
        (CB | {"_label_cost": None}, "_label_cost", "join"),
        (CB | {"_label_probability": None}, "_label_probability", "log the probability"),
        (CB | {"_label_probability": 0.0}, "is 0", "above 0"),
        (CB | {"_label_probability": 1.5}, "is 1.5", "not above 1"),
        (CB | {"_label_Action": 3}, "3 of 2", "from 1"),
        (CB | {"_label_Action": 0}, "0 of 2", "from 1"),
        (CB | {"a": [0, 1]}, "outside the 2", "from 1"),
        (CB | {"p": [0.8, 0.8]}, "sum to 1.6", "all actions"),
        (CCB | {"_outcomes": []}, "is empty", "a slot"),
        (CCB | {"_outcomes": [{"_a": [1], "_p": []}]}, "1 actions", "front"),
        (CCB | {"_outcomes": [{"_a": [3], "_p": [1.0]}]}, "outside the 3", "from 0"),
        (CCB | {"_outcomes": [{"_a": [1], "_p": [1.0]}] * 2}, "two slots", "its own"),
        (CB | {"c": CB["c"] | {"user": {"age": -1e39}}}, "is -1e.39, greater", "scale"),
        (CB | {"c": CB["c"] | {"_multi": [{}, {"art": [1, 1e39]}]}}, "is 1e.39", "scale"),
        (CCB, "a line of ccb in a file of cb", "of their own"),
    ],
)
def test_a_wrong_line_is_named_with_its_mend_and_may_be_skipped(
    tmp_path: Path, line: dict[str, Any] | str, told: str, mend: str
) -> None:
    good = CB | {"EventId": "good"}
    if isinstance(line, dict) and "EventId" in line:
        line = line | {"EventId": "bad"}
    path = file_of(tmp_path, good, line)
    with pytest.raises(LoggedDataError, match=told) as caught:
        open_source(path)
    assert f"{path}:2: " in str(caught.value)
    assert mend in caught.value.hint
    assert not (tmp_path / "log.dsjson.bad").exists()
    source = open_source(path, skip_bad=True)
    assert source.skipped == 1
    assert len(concatenate(source.choices())) == 1
    assert (tmp_path / "log.dsjson.bad").read_text() == path.read_text().splitlines()[1] + "\n"
    assert any("1 wrong line left out, see" in note for note in source.notes)


def test_decisions_that_stand_there_twice_are_refused_or_left_out(tmp_path: Path) -> None:
    path = file_of(tmp_path, CB, CB | {"EventId": "e1"}, CB)
    with pytest.raises(LoggedDataError, match=r"twice in 1 of 3 rows .*first: e0"):
        open_source(path)
    source = open_source(path, skip_bad=True)
    assert (source.skipped, len(concatenate(source.choices()))) == (1, 2)


def test_what_is_no_decision_is_passed_over_and_told(tmp_path: Path) -> None:
    alone = {"RewardValue": 1.0, "EventId": "e9"}
    hidden = CB | {"_skipLearn": True, "EventId": "e8"}
    source = open_source(file_of(tmp_path, alone, hidden, "", CB))
    assert len(concatenate(source.choices())) == 1
    assert source.skipped == 0
    assert any("2 lines passed over" in note for note in source.notes)


def test_a_file_without_decisions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoggedDataError, match="holds no decision"):
        open_source(file_of(tmp_path, ""))


def test_too_many_different_actions_become_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dsjson_look, "ITEMS_MAX", 1)
    source = open_source(file_of(tmp_path, CB))
    rounds = concatenate(source.choices())
    assert (rounds.items().tolist(), rounds.item_features) == ([1], None)
    assert any("items are places" in note for note in source.notes)


def test_small_batches_make_the_same_rounds(tmp_path: Path) -> None:
    path = tmp_path / "log.dsjson"
    write_dsjson(path, [choices()])
    source = open_source(path)
    batches = list(source.choices(7))
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 7, 5]
    whole = concatenate(source.choices())
    np.testing.assert_array_equal(concatenate(batches).candidates, whole.candidates)


def test_segments_may_come_from_the_context(tmp_path: Path) -> None:
    other = CB | {"EventId": "e1", "c": CB["c"] | {"user": {"taste": "crowds"}}}
    rounds = concatenate(open_source(file_of(tmp_path, CB, other), segment="user.taste").choices())
    assert list(rounds.names.segments) == ["crowds", "faces"]
    assert rounds.segment is not None
    assert rounds.segment.tolist() == [1, 0]


def test_a_segment_that_no_context_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoggedDataError, match="no context in"):
        open_source(file_of(tmp_path, CB), segment="country")


def test_rounds_without_names_or_features_can_be_written(tmp_path: Path) -> None:
    bare = replace(
        choices(), context=None, item_features=None, names=Names(), segment=None, cluster=None
    )
    write_dsjson(tmp_path / "log.dsjson", [bare])
    read = concatenate(open_source(tmp_path / "log.dsjson").choices())
    np.testing.assert_array_equal(read.action, bare.action)
    assert (read.segment, read.cluster) == (None, None)
