"""Hosts with addresses and cables of their own, on one machine: network namespaces on a switch.

What runs in a host is run from its thread, which has entered the namespace: processes and threads
that it starts are there as well. Nothing of it reaches any other network.
"""

from __future__ import annotations

import ctypes
import functools
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self, TypeVar

_CLONE_NEWNET: Final = 0x40000000
_NETWORK: Final = "10.213.77"
_WAIT_S: Final = 120.0

Result = TypeVar("Result")


@functools.cache
def why_no_namespaces() -> str | None:
    """Return why no host can be made here; None if they can."""
    if shutil.which("ip") is None:
        return "ip is not installed (Debian: iproute2)"
    name = f"mq-{secrets.token_hex(3)}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode:
        return f"no network namespace can be made: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class NetworkHost:
    """One host; its loopback is its own."""

    def __init__(self, namespace: str, address: str) -> None:
        self.address = address
        self._namespace = namespace
        self._thread = ThreadPoolExecutor(1, initializer=self._enter)

    def _enter(self) -> None:
        handle = os.open(Path("/var/run/netns") / self._namespace, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "the namespace cannot be entered")
        finally:
            os.close(handle)

    def run(self, act: Callable[[], Result]) -> Result:
        """Do something there, and return what it returns."""
        return self._thread.submit(act).result(_WAIT_S)

    def cut_off(self) -> None:
        """Pull its cable: what is sent is answered by nobody."""
        _ip("-n", self._namespace, "link", "set", "eth0", "down")

    def heal(self) -> None:
        """Plug it in again."""
        _ip("-n", self._namespace, "link", "set", "eth0", "up")

    def close(self) -> None:
        """Leave it."""
        self._thread.shutdown()


class Network:
    """A switch, and the hosts on it."""

    def __init__(self) -> None:
        self._tag = f"mq-{secrets.token_hex(3)}"
        self._switch = f"{self._tag}-switch"
        self._stack = ExitStack()
        self._hosts = 0

    def __enter__(self) -> Self:
        self._add_namespace(self._switch)
        _ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "switch", "up")
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _add_namespace(self, name: str) -> None:
        _ip("netns", "add", name)
        self._stack.callback(_ip, "netns", "del", name)

    def host(self) -> NetworkHost:
        """Add a host."""
        self._hosts += 1
        name, port = f"{self._tag}-{self._hosts}", f"port{self._hosts}"
        address = f"{_NETWORK}.{self._hosts}"
        self._add_namespace(name)
        _ip("-n", self._switch, "link", "add", port, "type", "veth",
            "peer", "name", "eth0", "netns", name)  # fmt: skip
        _ip("-n", self._switch, "link", "set", port, "master", "switch", "up")
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _ip("-n", name, "link", "set", link, "up")
        host = NetworkHost(name, address)
        self._stack.callback(host.close)
        return host
