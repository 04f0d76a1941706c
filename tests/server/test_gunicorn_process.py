"""gunicorn's main process as we run it: workers that die at their start, and reloads."""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bandit.config import load_config
from bandit.config.loading import effective_json
from server import listening
from server.exit_codes import BOOT_REFUSED, GAVE_UP
from server.listening import LISTEN_FD_VARIABLE, listen
from server.local import children_of, wait_until
from server.run_directory import EFFECTIVE_CONFIG_VARIABLE
from tests.server.dying_app import ORDERS

pytestmark = pytest.mark.processes

WAIT_S = 60.0
WORKERS = 2
DEATHS_MAX = 3


class Master:
    """A running main process, the orders its workers get, and what it logs."""

    def __init__(self, directory: Path, order: str) -> None:
        self.orders, self.log = directory / "orders", directory / "log"
        self.orders.write_text(order)
        self._listener = listen("127.0.0.1", 0)
        fd = self._listener.fileno()
        config = load_config(None, {})
        server = msgspec.structs.replace(
            config.server,
            workers=WORKERS,
            deaths_max=DEATHS_MAX,
            restart_backoff_s=0.01,
            graceful_timeout_s=5.0,
        )
        effective = directory / "effective.json"
        effective.write_bytes(effective_json(msgspec.structs.replace(config, server=server)))
        settings = Path(listening.__file__).with_name("gunicorn_settings.py")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "server.gunicorn_process", "-c", f"file:{settings}",
                    "tests.server.dying_app:create()",
                ],
                env={
                    **os.environ,
                    EFFECTIVE_CONFIG_VARIABLE: str(effective),
                    LISTEN_FD_VARIABLE: str(fd),
                    ORDERS: str(self.orders),
                },
                pass_fds=(fd,),
                cwd=Path(__file__).parents[2],
                stderr=log,
            )  # fmt: skip

    def workers(self) -> set[int]:
        return set(children_of(self.process.pid))

    def ask(self) -> int:
        """Return the process that answers."""
        host, port = self._listener.getsockname()
        connection = http.client.HTTPConnection(host, port, timeout=WAIT_S)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            return int(connection.getresponse().read())
        finally:
            connection.close()

    def serve(self, among: int = WORKERS) -> set[int]:
        """Wait until so many workers have answered; return them."""
        seen: set[int] = set()

        def all_seen() -> bool:
            seen.add(self.ask())
            return len(seen & self.workers()) >= among

        wait_until(all_seen, WAIT_S, "answers of all workers")
        return seen & self.workers()

    def deaths(self) -> int:
        return self.log.read_text().count("died before it served")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_S)
        self._listener.close()


@pytest.fixture
def master(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Master]:
    master = Master(tmp_path, getattr(request, "param", "serve"))
    yield master
    master.close()


@pytest.mark.parametrize("order", ["die", "fail"])
def test_a_worker_that_dies_at_its_start_does_not_end_those_that_serve(
    master: Master, order: str
) -> None:
    victim, other = sorted(master.serve())
    master.orders.write_text(order)
    os.kill(victim, signal.SIGKILL)
    # More often than all would be given up for, if nobody served.
    wait_until(lambda: master.deaths() > DEATHS_MAX, WAIT_S, "deaths")
    assert master.ask() == other
    assert master.process.poll() is None
    master.orders.write_text("serve")
    assert other in master.serve()
    master.process.send_signal(signal.SIGTERM)
    assert master.process.wait(WAIT_S) == 0


@pytest.mark.parametrize("master", ["die"], indirect=True)
def test_where_no_worker_ever_serves_it_gives_up(master: Master) -> None:
    assert master.process.wait(WAIT_S) == GAVE_UP
    assert DEATHS_MAX <= master.deaths() <= DEATHS_MAX + WORKERS


@pytest.mark.parametrize("master", ["fail"], indirect=True)
def test_what_cannot_be_built_at_the_start_is_refused(master: Master) -> None:
    assert master.process.wait(WAIT_S) == BOOT_REFUSED


def test_a_reload_that_cannot_be_built_is_refused(master: Master) -> None:
    master.serve()
    master.orders.write_text("fail")
    master.process.send_signal(signal.SIGHUP)
    assert master.process.wait(WAIT_S) == BOOT_REFUSED


def test_the_old_workers_serve_until_the_new_ones_do(master: Master) -> None:
    old = master.serve()
    with master.orders.open() as orders:
        fcntl.flock(orders, fcntl.LOCK_EX)
        master.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(master.workers()) == 2 * WORKERS, WAIT_S, "new workers")
        for _ in range(20):
            assert master.ask() in old
    wait_until(lambda: not old & master.workers(), WAIT_S, "the end of the old workers")
    assert len(master.serve() - old) == WORKERS
    master.process.send_signal(signal.SIGTERM)
    assert master.process.wait(WAIT_S) == 0


def test_an_ending_during_a_reload_does_not_wait_for_it(master: Master) -> None:
    master.serve()
    with master.orders.open() as orders:
        fcntl.flock(orders, fcntl.LOCK_EX)
        master.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(master.workers()) == 2 * WORKERS, WAIT_S, "new workers")
        master.process.send_signal(signal.SIGTERM)
    assert master.process.wait(WAIT_S) == 0
    assert master.workers() == set()
