"""From which network address a request comes, where proxies stand between.

A proxy adds the address that it sees to the end of X-Forwarded-For; what stands before that was
written by whoever asked, and may be invented. So the list is read from its end, for as long as
the address that vouches for it belongs to a trusted proxy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from bandit.errors import ConfigError

Network = IPv4Network | IPv6Network

_FORWARDED_MAX: Final = 2_048
"""Characters at the end of X-Forwarded-For that are read."""

_WITH_PORT: Final = re.compile(r"\A(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::[0-9]+)?\Z")

_SUBSCRIBER_BITS: Final = 64
"""Of an IPv6 address, those that one subscriber cannot change at will."""


def networks_of(texts: Sequence[str], path: str) -> tuple[Network, ...]:
    """Read addresses and networks.

    Raises:
        ConfigError: naming the key at ``path``, if one is none.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise ConfigError(
                path,
                f"{text!r} is no address or network",
                hint="write them as in 10.0.0.7 or 10.0.0.0/8",
            ) from error
    return tuple(networks)


def client_network(remote: str, forwarded: str | None, proxies: Sequence[Network]) -> str:
    """Return what a request's sender is counted by: an IPv4 address, or the /64 of an IPv6 one.

    Args:
        remote: the other end of the connection.
        forwarded: X-Forwarded-For, as it came.
        proxies: those that are trusted.
    """
    named = [] if forwarded is None else forwarded[-_FORWARDED_MAX:].split(",")
    nearest = remote
    while named and proxies and _is_within(nearest, proxies):
        nearest = named.pop().strip()
    return _subscriber(nearest)


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    found = _parsed(address)
    return found is not None and any(found in network for network in networks)


def _subscriber(address: str) -> str:
    found = _parsed(address)
    if found is None:
        # Proxies may write names; as long as they are trusted, these tell callers apart.
        return address
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), _SUBSCRIBER_BITS), strict=False))
    return str(found)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, None if it is none.

    A port after it does not count: some proxies write the client's, another for each connection.
    A socket for both families has IPv4 addresses in the form of IPv6.
    """
    with_port = _WITH_PORT.match(text)
    try:
        found = ip_address(text if with_port is None else with_port[1] or with_port[2])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return found if mapped is None else mapped
