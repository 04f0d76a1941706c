"""Bad snapshots put before a running service: the last good one serves, and it is told.

Failure case 14. What lies in the store is wrong in one respect each time, and signed by the
service's own key where the signature is not what is wrong.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
import urllib3

from bandit.config import load_config
from bandit.files import exclusive_lock, write_atomically
from bandit.keys import KeyRing
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileDigest, Manifest, Pointer
from server.local import LocalServer, state_overrides, wait_until
from tests.faults.callers import PAGE, WAIT_S, Callers, metrics

pytestmark = pytest.mark.processes

SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "2",
    "MARQUEE__SERVER__DRAIN_S": "0",
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "10",
    "MARQUEE__SURFACES__ARTWORK__HOLDOUT": "0",
    "MARQUEE__SURFACES__ARTWORK__EXPLORE": "0",
}
REJECTED = 'marquee_snapshot_rejected_total{surface="artwork"}'


class Run(NamedTuple):
    """A service that has learned, and the place of its snapshots of artwork."""

    server: LocalServer
    place: Path
    keys: KeyRing

    def status(self) -> Any:
        return urllib3.request("GET", f"{self.server.url}/v1/status", retries=False).json()

    def served(self) -> str:
        """Return the snapshot that a page was scored by."""
        # Over a connection of its own, which may come to any worker.
        with urllib3.PoolManager(retries=False, timeout=WAIT_S) as newcomer:
            answer = newcomer.request("POST", f"{self.server.url}/v1/rank", json=PAGE)
        assert answer.status == 201
        version: str = answer.json()["snapshots"]["artwork"]
        return version

    def newest(self) -> str:
        return max(path.name for path in self.place.iterdir() if path.name[:9].isdigit())

    def point_to(self, version: str) -> None:
        pointer = Pointer(version, pinned=False)
        # As all who change the pointer: others take files that are not whole for leftovers.
        with exclusive_lock(self.place / "lock"):
            write_atomically(self.place / "pointer.json", msgspec.json.encode(pointer))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    directory = tmp_path_factory.mktemp("service")
    config = load_config(None, {**state_overrides(directory), **SETTINGS})
    with LocalServer(directory, settings=SETTINGS) as server:
        place = Path(config.snapshots.directory) / "artwork"
        with Callers(server.url):
            wait_until((place / "pointer.json").exists, WAIT_S, "a snapshot")
        yield Run(server, place, snapshot_keys(config))


def settled(run: Run) -> str:
    """Wait until nothing new is published; return the version that all workers serve."""

    def is_settled() -> bool:
        learner = run.status()["learner"]
        newest = run.newest()
        is_known = learner["open_decisions"] == 0 and learner["published"]["artwork"] == newest
        # A learner on a busy machine may have learned more than it has published by now.
        manifest = (run.place / newest / "manifest.json").read_bytes()
        published = msgspec.json.decode(manifest, type=Manifest).examples_learned
        is_known = is_known and published == learner["examples"]["artwork"]
        return is_known and {run.served() for _ in range(8)} == {newest}

    wait_until(is_settled, WAIT_S, "a quiet learner")
    return run.newest()


class Bad(NamedTuple):
    """A snapshot being made wrong: its directory and its manifest, to be signed yet."""

    place: Path
    manifest: Manifest


def sign(bad: Bad, keys: KeyRing) -> None:
    (bad.place / "manifest.json").write_bytes(msgspec.json.encode(bad.manifest.signed(keys)))


def truncated(bad: Bad, keys: KeyRing) -> None:
    sign(bad, keys)
    weights = bad.place / "weights.npy"
    weights.write_bytes(weights.read_bytes()[:-100])


def bit_flipped(bad: Bad, keys: KeyRing) -> None:
    sign(bad, keys)
    content = bytearray((bad.place / "weights.npy").read_bytes())
    content[len(content) // 2] ^= 4
    (bad.place / "weights.npy").write_bytes(content)


def file_missing(bad: Bad, keys: KeyRing) -> None:
    sign(bad, keys)
    (bad.place / "variances.npy").unlink()


def signed_by_somebody_else(bad: Bad, keys: KeyRing) -> None:
    del keys
    sign(bad, KeyRing((b"a key that is not one of this service's",)))


def manifest_changed(bad: Bad, keys: KeyRing) -> None:
    sign(bad, keys)
    path = bad.place / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"bits":10', b'"bits":11'))


def manifest_torn(bad: Bad, keys: KeyRing) -> None:
    sign(bad, keys)
    path = bad.place / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])


def of_a_later_format(bad: Bad, keys: KeyRing) -> None:
    sign(bad._replace(manifest=msgspec.structs.replace(bad.manifest, v=99)), keys)


def of_other_numbers(bad: Bad, keys: KeyRing) -> None:
    """A whole and signed snapshot whose arrays are not a model's."""
    weights = bad.place / "weights.npy"
    np.save(weights, np.full(1 << 10, np.nan, np.float32))
    resign(bad, keys)


def of_another_size(bad: Bad, keys: KeyRing) -> None:
    np.save(bad.place / "weights.npy", np.zeros(1 << 9, np.float32))
    resign(bad, keys)


def resign(bad: Bad, keys: KeyRing) -> None:
    """Sign what the files are now."""
    content = (bad.place / "weights.npy").read_bytes()
    digest = FileDigest(hashlib.sha256(content).hexdigest(), len(content))
    files = {**bad.manifest.files, "weights.npy": digest}
    sign(bad._replace(manifest=msgspec.structs.replace(bad.manifest, files=files)), keys)


FAULTS: list[Callable[[Bad, KeyRing], None]] = [
    truncated, bit_flipped, file_missing, signed_by_somebody_else, manifest_changed,
    manifest_torn, of_a_later_format, of_other_numbers, of_another_size,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_snapshot_is_refused_told_and_the_last_good_one_serves(
    run: Run, fault: Callable[[Bad, KeyRing], None]
) -> None:
    good = settled(run)
    rejected = metrics(run.server.url).get(REJECTED, 0.0)
    # A name of its own, as the refusal of a name is remembered.
    bad = f"{int(good[:9]) + 1 + FAULTS.index(fault):09}{good[9:]}"
    copy = shutil.copytree(run.place / good, run.place / bad)
    for path in copy.iterdir():
        path.chmod(0o600)
    manifest = msgspec.json.decode((copy / "manifest.json").read_bytes(), type=Manifest)
    fault(Bad(copy, msgspec.structs.replace(manifest, version=bad)), run.keys)
    try:
        run.point_to(bad)

        def all_told() -> bool:
            return metrics(run.server.url).get(REJECTED, 0.0) >= rejected + 2

        wait_until(all_told, WAIT_S, "both workers telling")
        assert {run.served() for _ in range(8)} == {good}
        told = run.status()["last_rejection"]
        assert bad in told["what"]
        assert told["why"]
    finally:
        run.point_to(good)
        shutil.rmtree(copy)


def test_whole_snapshots_are_served_on_after_the_bad_ones(run: Run) -> None:
    before = settled(run)
    with Callers(run.server.url, first="after"):
        wait_until(lambda: run.served() > before, WAIT_S, "a newer snapshot")
