"""The other HTTP server: ``python -m server.granian_process``, started by the supervisor.

granian speaks HTTP in Rust, on threads of its own, and calls the same WSGI application. Its own
server class starts the worker processes; what is done here in its place:

- Each worker has a listening socket of its own, on one port, over which the kernel spreads new
  connections. The first is the supervisor's, the others are this process's: what waits in a queue
  is not lost with a worker, but waits for the next. granian's workers open and close theirs.
- A reload starts all new workers first, waits until they serve, and ends the old ones then. granian
  goes by fixed waits, and keeps the number of workers.
- A worker that cannot be built ends everything with an exit code that the supervisor knows, so
  that a refused configuration is taken back. Any other dead worker is replaced: granian gives up
  when one dies twice within seconds. One that died young, and may not have served, is replaced
  after a wait that doubles; ``server.deaths_max`` such deaths in a row end everything.
- A worker closes its service when it ends, and ends with its parent.

What granian cannot do: it has no heartbeat, so that a worker that hangs is not noticed; its workers
close kept connections at their end without saying so first; it refuses nobody while many wait; and
the kernel spreads connections by chance, so that few of them lie unevenly. A small decision takes
0.62 ms of a worker's CPU time with it and 0.6 with gunicorn's main thread, a page 1.3 with either;
one blocking thread or four made no difference.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder
from granian.server.mp import MPServer, WorkerProcess

from bandit.config import Config
from server import SERVICE_EXTENSION
from server.children import Backoff
from server.exit_codes import BOOT_REFUSED, GAVE_UP
from server.listening import BACKLOG, LISTEN_FD_VARIABLE, listen_beside
from server.logs import configure_logs, logging_settings
from server.open_files import raise_open_files
from server.process_ties import end_with_parent
from server.prometheus import forget_process
from server.run_directory import read_effective_config
from server.worker import create

log = structlog.get_logger()

HEAD_BYTES_MAX: Final = 65_536
"""Longest head of a request, all lines together."""

YOUNG_S: Final = 3.0
"""A worker that dies so soon may not have served."""

_LOOK_S: Final = 0.1


class Wakeup:
    """An event that a signal's handler may set at any moment; ``threading.Event`` may lock up."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def set(self) -> None:
        """Wake the waiting thread up."""
        with suppress(BlockingIOError):
            os.write(self._writing, b".")

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until it is set."""
        select.select([self._reading], [], [], timeout_s)

    def clear(self) -> int:
        """Take back all settings; return how many there were."""
        with suppress(BlockingIOError):
            return len(os.read(self._reading, 65_536))
        return 0


class Workers(MPServer):  # type: ignore[misc]  # see setup.cfg
    """granian's workers of one run.

    Args:
        config: the checked configuration.
        listener: the descriptor of the supervisor's listening socket.
        environ: names the configuration to be read at a reload.
    """

    wrks: list[WorkerProcess]
    reload_signal: bool

    def __init__(self, config: Config, listener: int, environ: Mapping[str, str]) -> None:
        server = config.server
        super().__init__(
            "server.worker:create",
            address=server.host,
            port=server.port,
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            log_dictconfig=_logging(config),
        )
        self._own = socket.socket(fileno=listener)
        self._listeners = [self._own]
        self._environ = environ
        self._booted = Wakeup()
        self.main_loop_interrupt = Wakeup()
        self.exit_code = 0
        self._due: dict[int, float] = {}
        """Places of dead workers → when to start the next one there."""
        self._adopt(config)

    def run(self) -> int:
        """Serve until told to end; return the exit code."""
        self.serve(spawn_target=_work, target_loader=self._build, wrap_loader=False)
        return self.exit_code

    def shutdown(self, exit_code: int = 0) -> None:
        """End all workers, those that died while others ended included."""
        self.interrupt_children.clear()
        super().shutdown()
        self.exit_code = self.exit_code or exit_code

    def _adopt(self, config: Config) -> None:
        """Take a configuration over, for the workers started from now on."""
        server = config.server
        self._deaths_max = server.deaths_max
        self._restart_backoff_s = server.restart_backoff_s
        self._backoffs: dict[int, Backoff] = {}
        self._due.clear()
        self.workers = server.workers
        self.blocking_threads = server.threads
        self.workers_kill_timeout = math.ceil(server.graceful_timeout_s)
        self.log_config = _logging(config)
        self.http1_settings = HTTP1Settings(
            # What bounds the wait for a next request's head bounds idle connections as well.
            header_read_timeout=max(server.keepalive_s, 1) * 1000,
            keep_alive=server.keepalive_s > 0,
            max_buffer_size=HEAD_BYTES_MAX,
        )

    def _init_shared_socket(self) -> None:
        """Leave it to each worker's start: there is none that all share."""
        self._ssp = self._shd = self._sso = None

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> WorkerProcess:
        while len(self._listeners) <= idx:
            self._listeners.append(listen_beside(self._listeners[0]))
        self._own = self._listeners[idx]
        self._shd = SocketHolder(self._own.fileno(), False, BACKLOG)
        return super()._spawn_worker(idx, target, callback_loader)

    def _build(self) -> Callable[..., Any]:
        """Build a worker's application, in its process; a worker that cannot tells so."""
        for listener in self._listeners:
            # Kept open here, others' would be given connections after their own worker has ended.
            if listener is not self._own:
                listener.close()
        try:
            application = create()
        except Exception:
            log.exception("worker cannot be built")
            sys.exit(BOOT_REFUSED)
        _services.append(application.extensions[SERVICE_EXTENSION].close)
        self._booted.set()
        return application

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while not self.interrupt_signal and not self.exit_code:
            due = min(self._due.values(), default=None)
            self.main_loop_interrupt.wait(None if due is None else max(0.0, due - time.monotonic()))
            self.main_loop_interrupt.clear()
            if self.reload_signal and not self.interrupt_signal:
                self.reload_signal = False
                self._renew(spawn_target, target_loader)
            if not self.interrupt_signal:
                self._replace_dead(spawn_target, target_loader)

    def _replace_dead(self, spawn_target: Any, target_loader: Any) -> None:
        now = time.monotonic()
        for index, worker in enumerate(self.wrks):
            if worker.is_alive():
                continue
            if index not in self._due:
                self._see_dead(index, worker, now)
            if self.exit_code:
                return
            if now >= self._due[index]:
                del self._due[index]
                self.wrks[index] = self._spawn_worker(index, spawn_target, target_loader)
                self.wrks[index].start()

    def _see_dead(self, index: int, worker: WorkerProcess, now: float) -> None:
        """Note a worker's death, and when the next one is to start; or that all is to end."""
        code = worker.inner.exitcode
        forget_process(worker.inner.pid)
        if code == BOOT_REFUSED:
            self.exit_code = BOOT_REFUSED
            return
        lived_s, wait_s = now - worker.birth, 0.0
        if lived_s >= YOUNG_S:
            self._backoffs.pop(index, None)
        else:
            backoff = self._backoffs.setdefault(index, Backoff(self._restart_backoff_s))
            wait_s = backoff.after(lived_s)
            if backoff.deaths >= self._deaths_max:
                self.exit_code = GAVE_UP
        pid = worker.inner.pid
        log.error("worker died", worker_pid=pid, exit_code=code, restart_in_s=wait_s)
        self._due[index] = now + wait_s

    def _renew(self, spawn_target: Any, target_loader: Any) -> None:
        """Put new workers, with the configuration as it is now, in the place of all old ones."""
        old, self.wrks = self.wrks, []
        self._adopt(read_effective_config(self._environ))
        if self.workers != len(old):
            # Set up for each worker alike, though unused while metrics are off.
            self._start_ipc()
        self._booted.clear()
        self._spawn_workers(spawn_target, target_loader)
        if not self._have_booted():
            # The supervisor takes the configuration back and starts anew.
            self.wrks += old
            return
        # Workers with no successor have theirs open as well, until they stop to listen.
        for listener in self._listeners[self.workers :]:
            listener.close()
        del self._listeners[self.workers :]
        for worker in old:
            worker.terminate()
        for worker in old:
            self._see_off(worker)

    def _have_booted(self) -> bool:
        """Wait until all workers serve; False if one died or the end came before."""
        booted = 0
        while booted < len(self.wrks):
            self._booted.wait(_LOOK_S)
            booted += self._booted.clear()
            if self.interrupt_signal or not all(worker.is_alive() for worker in self.wrks):
                return False
        return True

    def _see_off(self, worker: WorkerProcess) -> None:
        worker.join(self.workers_kill_timeout)
        if worker.is_alive():
            log.error("worker was late to end and was killed", worker_pid=worker.inner.pid)
            worker.kill()
            worker.join()
        forget_process(worker.inner.pid)


_services: Final[list[Callable[[], None]]] = []
"""What closes the service of this process, if it is a worker."""


def _work(*arguments: Any) -> None:
    """Be a worker, until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    end_with_parent(_main_pid)
    try:
        MPServer._spawn_wsgi_worker(*arguments)
    finally:
        for close in _services:
            close()


_main_pid: Final = os.getpid()


def _logging(config: Config) -> dict[str, Any]:
    settings = logging_settings(config.server.log_level, "granian")
    settings["loggers"] = {"_granian": settings["loggers"]["gunicorn.error"]}
    return settings


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Serve until told to end; return the exit code."""
    config = read_effective_config(environ)
    configure_logs(config, "granian")
    raise_open_files()
    return Workers(config, int(environ[LISTEN_FD_VARIABLE]), environ).run()


if __name__ == "__main__":
    sys.exit(main())
