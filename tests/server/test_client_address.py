"""Who is counted as the sender of a request, with and without proxies in between."""

from __future__ import annotations

import pytest

from bandit.config import parse_config
from bandit.errors import ConfigError
from server.client_address import client_network, networks_of

PROXIES = networks_of(["10.0.0.0/8", "::1"], "a.key")


@pytest.mark.parametrize(
    ("remote", "forwarded", "counted"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("::1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", "", ""),
        ("10.0.0.1", "somebody", "somebody"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", None, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9, 10.2.3.4:4711", "198.51.100.9"),
        ("10.0.0.1", "[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"),
        ("10.0.0.1", "[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has_is_counted(
    remote: str, forwarded: str | None, counted: str
) -> None:
    assert client_network(remote, forwarded, PROXIES) == counted


def test_without_proxies_the_header_says_nothing() -> None:
    assert client_network("10.0.0.1", "198.51.100.9", ()) == "10.0.0.1"


def test_a_header_without_end_is_read_at_its_end_alone() -> None:
    forged = "1.1.1.1, " * 100_000
    assert client_network("10.0.0.1", forged + "198.51.100.9", PROXIES) == "198.51.100.9"


def test_granian_cannot_tell_a_proxy_s_word_from_a_client_s() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(
            {
                "server": {"http_server": "granian"},
                "rate_limits": {"trusted_proxies": ["10.0.0.0/8"]},
            }
        )
    assert caught.value.path == "rate_limits.trusted_proxies"


def test_what_is_no_network_names_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        networks_of(["10.0.0.0/8", "10.0.0.1/8"], "a.key")
    assert caught.value.path == "a.key"
