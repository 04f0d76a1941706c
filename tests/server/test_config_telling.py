"""The configuration in force, as the API and the command line tell it."""

from __future__ import annotations

import msgspec

from bandit.config import parse_config
from bandit.config.cluster import ClusterConfig
from bandit.config.keys import SECRET_KEYS, members, walk
from bandit.config.schema import AuthConfig, Config, RateLimitsConfig
from server.config_telling import config_answer, keys_in_force
from tests.server.edge_service import EdgeService, edge_app

SECRET = "not-to-be-told"


def test_every_key_is_told_with_its_meaning() -> None:
    answer = config_answer(Config(), {})
    told = {one.key: one for one in answer.values}
    tagged = {"surfaces.artwork.exploration", "surfaces.rows.exploration"}
    plain = {
        path
        for path, key in walk(Config)
        if not members(key.type) and not any(path.startswith(f"{one}.") for one in tagged)
    }
    assert plain <= told.keys()
    assert told["surfaces.artwork.exploration.type"].value == "epsilon_greedy"
    assert all(told[path].description for path in plain)
    assert {one.source for one in answer.values} == {"default"}


def test_sources_stand_beside_values() -> None:
    config = parse_config({"server": {"threads": 3}})
    told = {one.key: one for one in keys_in_force(config, {"server.threads": "marquee.toml"})}
    assert (told["server.threads"].value, told["server.threads"].source) == (3, "marquee.toml")
    assert told["server.port"].source == "default"


def test_no_secret_is_told() -> None:
    config = Config(
        auth=AuthConfig(client_keys=[SECRET], admin_keys=[SECRET, SECRET]),
        rate_limits=RateLimitsConfig(redis_url=f"redis://:{SECRET}@host:6379/0"),
        cluster=ClusterConfig(redis_url=f"redis://:{SECRET}@host:6379/1"),
    )
    told = {one.key: one.value for one in keys_in_force(config, {})}
    assert SECRET not in msgspec.json.encode(told).decode()
    assert len(told["auth.admin_keys"]) == 2
    assert all(told[key] for key in SECRET_KEYS)


def test_it_is_told_over_http() -> None:
    client = edge_app(EdgeService()).test_client()
    answer = msgspec.json.decode(client.get("/v1/config").data)
    told = {one["key"]: one for one in answer["values"]}
    assert told["server.port"]["source"] == "marquee.toml"
    assert told["server.port"]["value"] == 8080
