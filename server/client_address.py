"""From which network address a request comes, where proxies stand between.

A proxy adds the address that it sees to the end of X-Forwarded-For; what stands before that was
written by whoever asked, and may be invented. So the list is read from its end, for as long as
the address that vouches for it belongs to a trusted proxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from bandit.errors import ConfigError

Network = IPv4Network | IPv6Network

_FORWARDED_MAX: Final = 2_048
"""Characters at the end of X-Forwarded-For that are read."""

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
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


def _subscriber(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        # Proxies may write names or ports; as long as they are trusted, these tell callers apart.
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), _SUBSCRIBER_BITS), strict=False))
