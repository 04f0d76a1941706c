"""A user without privileges serves on a root that is read-only, as process 1, as in a container.

In namespaces of its own every file system is made read-only, but for the state's volume, a
directory for temporary files and /dev/shm, as compose.yaml and the Kubernetes manifests have it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bandit.types import PageRow
from server.client import Client
from server.local import children_of, wait_until
from server.wire import RankRequest
from tests.docs.markdown import ROOT
from tests.waiting import wait_until_closed

USER: Final = "10001"
CONFIG: Final = ROOT / "deploy" / "kubernetes" / "base" / "marquee.toml"
KEY: Final = "a-key-of-the-volume"

# Reading is all that the ambient capability gives: the interpreter may lie in a private home.
RUN: Final = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/marquee /mnt/keys /mnt/tmp
chmod 1777 /mnt/tmp
mount --bind "$1" /mnt/marquee
chown 10001:10001 /mnt/marquee
for name in client-keys admin-keys token-keys snapshot-keys; do echo "$2" > /mnt/keys/$name; done
mount -t tmpfs -o mode=1777,size=256m tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp
cut -d' ' -f2 /proc/self/mounts | while read -r point; do
  case "$point" in
    /mnt/marquee | /mnt/tmp | /dev/shm | /proc* | /sys*) ;;
    *) mount -o remount,bind,ro "$point" 2>/dev/null || [ "$point" != / ] ;;
  esac
done
shift 2
cd /mnt/marquee
export TMPDIR=/mnt/tmp
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs \
  --bounding-set=-all,+dac_read_search --inh-caps=-all,+dac_read_search \
  --ambient-caps=-all,+dac_read_search "$@"
"""


def command(state: Path, *words: str) -> list[str]:
    """Return what runs words as a user without privileges, on a root that is read-only."""
    apart = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
    return [*apart, "sh", "-c", RUN, "sh", str(state), KEY, *words]


def environment() -> dict[str, str]:
    """Return settings that make a test quick, and the place of the keys."""
    keys = {
        "AUTH__CLIENT_KEYS_FILE": "client-keys",
        "AUTH__ADMIN_KEYS_FILE": "admin-keys",
        "AUTH__TOKEN_KEYS_FILE": "token-keys",
        "SNAPSHOTS__SIGNING_KEYS_FILE": "snapshot-keys",
    }
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MARQUEE__SERVER__HOST": "127.0.0.1",
        "MARQUEE__SERVER__PORT": "0",
        "MARQUEE__SERVER__ADMIN_PORT": "0",
        "MARQUEE__SERVER__WORKERS": "1",
        "MARQUEE__SERVER__DRAIN_S": "0",
        "MARQUEE__REWARD__WINDOW_S": "0.5",
        "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
        **{f"MARQUEE__{key}": f"/mnt/keys/{name}" for key, name in keys.items()},
    }


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The volume."""
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory


@pytest.fixture
def served(state: Path) -> Iterator[subprocess.Popen[str]]:
    """The service."""
    words = [sys.executable, "-m", "server.cli", "serve", "--config", str(CONFIG)]
    with (state.parent / "log").open("w") as log:
        process = subprocess.Popen(
            command(state, *words),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield process
    finally:
        for first in children_of(process.pid):
            os.kill(first, signal.SIGKILL)
        process.communicate()


def test_nothing_but_the_volume_and_memory_can_be_written(state: Path) -> None:
    attempt = "for at in / /etc /usr /var /tmp /mnt /mnt/marquee /mnt/tmp /dev/shm; do "
    attempt += "if touch $at/attempt 2>/dev/null; then echo $at; fi; done"
    done = subprocess.run(
        command(state, "sh", "-c", attempt),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["/mnt/marquee", "/mnt/tmp", "/dev/shm"]


@pytest.mark.processes
def test_it_serves_learns_and_ends_there(state: Path, served: subprocess.Popen[str]) -> None:
    assert served.stdout is not None
    url = next(found[1] for line in served.stdout if (found := re.search(r"(http://\S+)", line)))
    (first,) = children_of(served.pid)
    status = Path(f"/proc/{first}/status").read_text()
    assert re.search(rf"^Uid:\t{USER}\t{USER}\t{USER}\t{USER}$", status, re.MULTILINE)
    assert re.search(r"^NSpid:\t\d+\t1$", status, re.MULTILINE)
    page = RankRequest(viewer_id="ada", rows=[PageRow("noir"), PageRow("comedy")])
    with Client(url, api_key=KEY, deadline_s=30) as client:
        result = client.rank(page)
        assert result.answer.logged
        client.report(result, "click", "detour-1945", row="noir")
        assert client.flush(30)
        wait_until_closed(client, 1)
        wait_until(lambda: client.snapshots().snapshots, 60, "a snapshot")
    os.kill(first, signal.SIGTERM)
    assert served.wait(90) == 0
    owners = {path.stat().st_uid for path in state.rglob("*")}
    assert owners == {int(USER)}
