"""gunicorn's settings, from the effective configuration; read anew at each reload.

gunicorn takes every global here that is named like one of its settings and ignores all others.
Its workers serve ranks on their main thread and have a pool of threads for all that waits, as
feedback does for the log's commit. The application is built in each worker after the fork, as
SQLite and threads do not survive forking.
"""

from __future__ import annotations

import math
import os
from typing import Any, Protocol

from flask import Flask

from server import SERVICE_EXTENSION
from server.connection_table import ConnectionTable
from server.inline_worker import InlineWorker
from server.listening import LISTEN_FD_VARIABLE
from server.open_files import connections_allowed, raise_open_files
from server.process_ties import end_with_parent
from server.prometheus import forget_process
from server.run_directory import MEMORY, read_effective_config, writable
from server.worker_watch import WorkerWatch

_config = read_effective_config(os.environ)
_server = _config.server
_listeners = os.environ.get(LISTEN_FD_VARIABLE)
_memory = writable(MEMORY)
_SLOTS_SPARE = 8

if _listeners:
    bind = [f"fd://{descriptor}" for descriptor in _listeners.split(",")]
else:
    _ports = [port for port in (_server.port, _server.admin_port) if port is not None]
    bind = [f"{_server.host}:{port}" for port in _ports]
workers = _server.workers
worker_class = InlineWorker
threads = _server.threads
# The workers inherit the limit.
worker_connections = connections_allowed(raise_open_files(), threads)
timeout = math.ceil(_server.request_timeout_s)
graceful_timeout = math.ceil(_server.graceful_timeout_s)
keepalive = _server.keepalive_s
proc_name = "marquee"
preload_app = False
accesslog = None
# Answers leave by one send each; the kernel's way to send files would go past that.
sendfile = False
loglevel = _server.log_level
logger_class = "server.gunicorn_logger.StructuredLogger"
# Nobody is believed about the scheme, or about which part of an address is ours to match: a header
# `SCRIPT_NAME` let a path through that a proxy on this machine keeps from the public.
forwarded_allow_ips = ""
forwarder_headers = ""
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
# Newer releases open a control socket in a directory that all runs of a user share.
control_socket_disable = True
# A worker's heartbeat is a file's time: kept in memory, telling it waits for no disk. A write that
# hangs on the main thread still silences a worker, and it is replaced.
worker_tmp_dir = None if _memory is None else str(_memory)

# A worker that dies is replaced before its slot is given back, and signals may ask for more.
_connections = ConnectionTable(2 * _server.workers + _SLOTS_SPARE)


class _Arbiter(Protocol):
    pid: int


class _Worker(Protocol):
    pid: int


def pre_fork(server: _Arbiter, worker: InlineWorker) -> None:
    """Tell a worker what it must know of the others."""
    worker.slot = _connections.claim()
    worker.waiting_max = _server.requests_waiting_max


def post_fork(server: _Arbiter, worker: _Worker) -> None:
    """Tie a worker's life to gunicorn's: orphans begin to finish at once."""
    end_with_parent(server.pid)


def post_worker_init(worker: InlineWorker) -> None:
    """Let a worker's loop serve ranks while its service says that they will not wait."""
    service = _service(worker)
    if service is not None:
        worker.serves_inline = service.ranks_at_once
        worker.watch = WorkerWatch(service.metrics, service.is_spent)


def child_exit(server: _Arbiter, worker: InlineWorker) -> None:
    """Forget a worker that has ended; gunicorn's main process calls this."""
    if worker.slot is not None:
        worker.slot.free()
    forget_process(worker.pid)


def worker_exit(server: _Arbiter, worker: _Worker) -> None:
    """Close a worker's service: everything queued becomes durable and the spool is given up."""
    service = _service(worker)
    if service is not None:
        service.close()


def _service(worker: _Worker) -> Any:
    """Return a worker's service; None if it could not be built."""
    application = getattr(worker, "wsgi", None)
    return application.extensions.get(SERVICE_EXTENSION) if isinstance(application, Flask) else None
