"""The loader: what is right loads, what is wrong is told with its path and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import NODEFAULT, inspect

from bandit.config import Config, load_config, parse_config
from bandit.config.checks import check_files, is_loopback
from bandit.config.keys import members, value_kinds, walk
from bandit.config.loading import (
    PROBLEMS_MAX,
    config_sources,
    effective_json,
    from_effective_json,
)
from bandit.config.model_rules import DROP_WEIGHT_MAX
from bandit.errors import ConfigError
from bandit.eventlog.admission import PASS_MIN


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".") if path else []):
        value = {name: value}
    assert isinstance(value, dict)
    return value


WRONG: list[tuple[str, Any, str, str]] = [
    # path given, value, path told, part of what is told
    ("server.prot", 1, "server.prot", "unknown key; did you mean server.port?"),
    ("port", 80, "port", "did you mean server.port?"),
    ("surfaces.artwork.modell.bits", 18, "surfaces.artwork.modell", "surfaces.artwork.model?"),
    ("server.port", "80", "server.port", "expected whole number from 0 to 65535, got '80' (text)"),
    ("server.port", 70000, "server.port", "got 70000"),
    ("server.port", True, "server.port", "got true (boolean)"),
    ("server.workers", 1.5, "server.workers", "got 1.5 (number)"),
    ("server", 3, "server", "expected table, got 3"),
    ("server.log_level", "loud", "server.log_level", "expected one of"),
    ("server.drain_s", float("nan"), "server.drain_s", "nan"),
    ("server.drain_s", float("inf"), "server.drain_s", "finite"),
    ("context.deny", "age", "context.deny", "expected list of (text)"),
    ("reward.click", 2, "reward.click", "from 0 to 1"),
    ("surfaces.artwork.exploration.type", "epsilon", "surfaces.artwork.exploration.type",
     "did you mean epsilon_greedy?"),
    ("surfaces.artwork.exploration.epsilom", 1, "surfaces.artwork.exploration.epsilom",
     "did you mean surfaces.artwork.exploration.epsilon?"),
    ("surfaces.artwork.exploration", 3, "surfaces.artwork.exploration", "expected table"),
    ("surfaces.artwork", {"holdout": 0.6, "explore": 0.6}, "surfaces.artwork.holdout",
     "more than 1 together"),
    ("surfaces.rows.learn_from", [], "surfaces.rows.learn_from", "log_only"),
    ("surfaces.rows.model.interactions", [["context", "artwork"]],
     "surfaces.rows.model.interactions[0]", "got 'artwork'"),
    ("surfaces.artwork.model.interactions", [["context"]],
     "surfaces.artwork.model.interactions[0]", "two or three"),
    ("surfaces.artwork.model.arguments", ["--l3=1"], "surfaces.artwork.model.arguments[0]",
     "did you mean --l1?"),
    ("surfaces.artwork.model.arguments", ["--final_regressor=/etc/x"],
     "surfaces.artwork.model.arguments[0]", "not an allowed argument"),
    ("surfaces.artwork.model.interactions", [["context", "titel"]],
     "surfaces.artwork.model.interactions[0]", "did you mean title?"),
    ("surfaces.rows.model.interactions", [["context", "row"], ["row", "context"]],
     "surfaces.rows.model.interactions[1]", "crossed twice"),
    ("surfaces.artwork.model.arguments", ["--l1=abc"], "surfaces.artwork.model.arguments[0]",
     "'abc' is not a value of --l1"),
    ("surfaces.rows.model.arguments", ["--ftrl", "--coin"], "surfaces.rows.model.arguments[1]",
     "exclude each other"),
    ("surfaces.artwork.model.l2", 1.0, "surfaces.artwork.model.l2", "give at most 0.1"),
    ("surfaces.artwork.model.l2", 1e300, "surfaces.artwork.model.l2", "from 0 to 1e+06"),
    ("surfaces.rows.model.learning_rate", 1e300, "surfaces.rows.model.learning_rate", "1e+06"),
    ("surfaces.artwork", {"zero_reward_share": 0.5, "model": {"arguments": ["--coin"]}},
     "surfaces.artwork.zero_reward_share", "leave out --coin"),
    ("surfaces.rows", {"zero_reward_share": 0.5, "model": {"l2": 0.09}},
     "surfaces.rows.zero_reward_share", "weigh up to 1.414 for all reasons together, and 1.111"),
    ("surfaces.rows.zero_reward_share", 1e-5, "surfaces.rows.zero_reward_share",
     "give at least 0.05"),
    ("surfaces.artwork", {"zero_reward_share": 0.5, "model": {"learning_rate": 0.6}},
     "surfaces.artwork.zero_reward_share", "give at least 0.6"),
    ("surfaces.artwork", {"zero_reward_share": 0.5, "model": {"learning_rate": 2}},
     "surfaces.artwork.zero_reward_share", "give 1.0, or lower learning_rate"),
    ("surfaces.rows.zero_reward_share", 0, "surfaces.rows.zero_reward_share", "above 0"),
    ("auth.client_keys", [""], "auth.client_keys", "empty key"),
    ("auth.token_age_max_s", 1.0, "auth.token_age_max_s", "reward.window_s"),
    ("server.host", "0.0.0.0", "server.host", "auth has no key"),
    ("server.host", "[::1]", "server.host", "write ::1"),
    ("limits.feedback_events_max", 20_001, "limits.feedback_events_max", "log.queue_max, 20000"),
    ("log.queue_max", 999, "limits.feedback_events_max", "log.queue_max, 999"),
    ("context", {"allow": ["age"], "deny": ["age"]}, "context.deny", "allowed and denied"),
    ("log", {"retention_s": 900}, "log.retention_s", "less than twice the 605 s"),
    ("", {"log": {"queue_full": "drop"},
          "surfaces": {"rows": {"model": {"arguments": ["--ftrl"]}}}},
     "log.queue_full", "leave out --ftrl in surfaces.rows.model.arguments"),
    ("", {"log": {"queue_full": "drop"}, "surfaces": {"artwork": {"model": {"l2": 0.006}}}},
     "log.queue_full", "weigh up to 20 for all reasons together, and 16.67 is the most"),
    ("", {"log": {"queue_full": "drop"}, "surfaces": {"artwork": {
        "zero_reward_share": 0.001,
        "model": {"learning_rate": 1e-4, "importance": "full"}}}},
     "surfaces.artwork.zero_reward_share", "weigh up to 6.325e+06 for all reasons"),
    ("log.directory", "state/snapshots", "log.directory", "something else"),
]  # fmt: skip


@pytest.mark.parametrize(("given_path", "value", "told_path", "told"), WRONG)
def test_a_wrong_key_is_told_with_its_path(
    given_path: str, value: Any, told_path: str, told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(nested(given_path, value), name="marquee.toml")
    assert caught.value.path == told_path
    assert told in caught.value.message
    assert "marquee.toml" in caught.value.hint


def test_the_largest_weight_of_a_decision_let_in_is_that_of_the_log() -> None:
    assert pytest.approx(1 / PASS_MIN) == DROP_WEIGHT_MAX


RIGHT: list[tuple[str, Any, Any]] = [
    ("server.drain_s", 2, 2.0),
    ("reward.close_after_play_s", "none", None),
    ("context.allow", ["age"], ["age"]),
    ("auth.client_keys_file", "keys", "keys"),
    ("surfaces.artwork.exploration.epsilon", 0.25, 0.25),
    ("surfaces.rows.zero_reward_share", 0.1, 0.1),
    ("surfaces.artwork.model.arguments", ["--coin", "--l1=0.1"], ["--coin", "--l1=0.1"]),
]


def value_at(config: Config, path: str) -> Any:
    found: Any = config
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(("path", "given_value", "value"), RIGHT)
def test_right_values_are_taken(path: str, given_value: Any, value: Any) -> None:
    assert value_at(parse_config(nested(path, given_value)), path) == value


def test_without_anything_there_are_the_defaults() -> None:
    assert load_config(None, {}) == Config()


def test_a_tagged_table_is_of_the_type_it_names() -> None:
    softmax = {"type": "softmax", "temperature": 0.5}
    config = parse_config(nested("surfaces.artwork.exploration", softmax))
    assert type(config.surfaces.artwork.exploration).__name__ == "Softmax"


def test_all_faults_are_told_at_once_up_to_a_limit() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"server": {"port": -1, "workers": 0}, "reward": {"click": 9}})
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "server.port", "server.workers", "reward.click",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        parse_config({"server": {f"zzz{number}": 1 for number in range(30)}})
    lines = caught.value.message.splitlines()
    assert len(lines) == PROBLEMS_MAX + 1
    assert lines[-1] == "and 10 more"


def test_a_secret_is_not_told() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"auth": {"client_keys": "hunter2"}})
    assert "hunter2" not in str(caught.value)


ENVIRONMENT: list[tuple[str, str, str, Any]] = [
    ("MARQUEE__SERVER__PORT", "9000", "server.port", 9000),
    ("marquee__server__port", "9000", "server.port", 9000),
    ("MARQUEE__SURFACES__ARTWORK__MODEL__BITS", "20", "surfaces.artwork.model.bits", 20),
    ("MARQUEE__SURFACES__ARTWORK__EXPLORATION__EPSILON", "0.5",
     "surfaces.artwork.exploration.epsilon", 0.5),
    ("MARQUEE__LOG__RANK_WAITS_FOR_COMMIT", "False", "log.rank_waits_for_commit", False),
    ("MARQUEE__AUTH__TENANT", "123", "auth.tenant", "123"),
    ("MARQUEE__AUTH__CLIENT_KEYS", '["a", "b"]', "auth.client_keys", ["a", "b"]),
    ("MARQUEE__AUTH__CLIENT_KEYS", "['a', 'b']", "auth.client_keys", ["a", "b"]),
    ("MARQUEE__REWARD__CLOSE_AFTER_PLAY_S", "none", "reward.close_after_play_s", None),
    ("MARQUEE__SERVER", "{threads = 2}", "server.threads", 2),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "text", "path", "value"), ENVIRONMENT)
def test_the_environment_is_read_by_the_keys_type(
    variable: str, text: str, path: str, value: Any
) -> None:
    assert value_at(load_config(None, {variable: text, "HOME": "/"}), path) == value


def test_the_environment_wins_over_the_file_and_inner_keys_over_tables(tmp_path: Path) -> None:
    file = tmp_path / "marquee.toml"
    file.write_text("[server]\nport = 1\nworkers = 2\nthreads = 3\n")
    environ = {"MARQUEE__SERVER__PORT": "9", "MARQUEE__SERVER": '{"port": 8, "workers": 8}'}
    server = load_config(file, environ).server
    assert (server.port, server.workers, server.threads) == (9, 8, 3)
    assert config_sources(file, environ) == {
        "server.port": "MARQUEE__SERVER__PORT",
        "server.workers": "MARQUEE__SERVER",
        "server.threads": str(file),
    }


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("MARQUEE__SERVER__PROT", "1", "did you mean MARQUEE__SERVER__PORT?"),
        ("MARQUEE__SERVR__PORT", "1", "did you mean MARQUEE__SERVER__PORT?"),
        ("MARQUEE__SERVER__PORT", "many", "(from MARQUEE__SERVER__PORT)"),
        ("MARQUEE__CONTEXT__DENY", "[", "expected list of (text), got '[' (text)"),
    ],
)
def test_a_wrong_variable_is_told(variable: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"(server|servr|context)\.") as caught:
        load_config(None, {variable: text})
    assert told in caught.value.message


def test_a_syntax_error_is_told_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "marquee.toml"
    file.write_text("[server]\nport = = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    assert caught.value.path == f"{file}:2"


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "missing.toml", {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(binary, {})
    config = parse_config(nested("auth.admin_keys_file", str(tmp_path / "missing.keys")))
    with pytest.raises(ConfigError) as caught:
        check_files(config)
    assert caught.value.path == "auth.admin_keys_file"


def test_loopback_addresses() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))
    others = ("0.0.0.0", "::", "10.0.0.1", "example.org", "", "[::1]")
    assert not any(is_loopback(host) for host in others)


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Return values that a key's type allows."""
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(list(kind.values))
    if isinstance(kind, inspect.BoolType):
        return st.booleans()
    if isinstance(kind, inspect.IntType):
        return st.integers(kind.ge or 0, kind.le or 10**9)
    if isinstance(kind, inspect.FloatType):
        low = kind.ge if kind.ge is not None else 0.0
        high = kind.le or kind.lt or 1e9
        return st.floats(
            low, high, exclude_min=kind.gt is not None, exclude_max=kind.lt is not None
        )
    if isinstance(kind, inspect.StrType):
        return st.just("a") if kind.pattern else st.text(max_size=20)
    assert isinstance(kind, inspect.ListType)
    return st.lists(st.one_of(*map(values, value_kinds(kind.item_type))), max_size=3)


PLAIN_KEYS = [
    (path, key)
    for path, key in walk(Config)
    if not members(key.type) and key.default is not NODEFAULT and ".exploration." not in path
]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_an_effective_configuration_comes_back_as_it_was(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(PLAIN_KEYS), max_size=8, unique_by=lambda k: k[0]))
    given_values: dict[str, Any] = {}
    for path, key in chosen:
        table = given_values
        *sections, name = path.split(".")
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = data.draw(st.one_of(*map(values, value_kinds(key.type))), label=path)
    # By the types alone: what keys must fulfil together is no matter of the encoding.
    config = msgspec.convert(given_values, Config)
    assert from_effective_json(effective_json(config)) == config


def test_what_is_no_effective_configuration_is_refused() -> None:
    with pytest.raises(ConfigError):
        from_effective_json(b"{]")
