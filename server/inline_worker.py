"""gunicorn's threaded worker, for a service whose one frequent call never waits.

What it does other than the class that it extends:

- *Ranks are served by the loop itself.* A ``POST /v1/rank`` that has arrived as a whole is handled
  where it was noticed, on the main thread, while the service says that ranks do not wait. A
  hand-over to a thread and back costs two waits for the interpreter's lock: with 0.44 ms of Python
  a request the pool did 4,200 requests/s with one thread, 2,200 with eight. Everything else goes
  to the pool. What the service could not foresee, as a write to the journal that hangs, still
  holds the loop up; for longer than ``server.request_timeout_s``, the worker is replaced.
- *Clients do not hold the loop up, and the pool not for long.* Connections wait in the poller until
  their next request is there as a whole, and until they take what did not fit into a socket's
  buffer or linger at their end: see :mod:`server.slow_clients`. The pool waits for clients only
  within requests too long to be looked at as a whole, of no announced length, or odd, and within
  long answers; each for a bounded time, see :mod:`server.client_socket`, and in half of its threads
  at most. A turn of the loop takes a bounded number of events, and between them it looks after its
  heartbeat.
- *The queue before the pool is bounded*: who finds it full is told so at once and without a thread,
  see :mod:`server.pool_gate`. Probes that would have to wait for a thread are answered by the loop.
- *Workers share new connections evenly*: see :mod:`server.connection_table`.
- *Answers leave by one send*: see :mod:`server.one_send`.

What it costs, as CPU time a request of a trivial application with kept connections and bodies of
4 kB: gunicorn's own class 140 µs, this one's pool 130, its main thread 26. Of those 26 the kernel
takes 12 to send, 3 to receive and 3 to wait. A head that the connection
did not send before costs 35 more. Behind it, deciding and logging are what bounds the service.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, NamedTuple

from gunicorn.http.message import Request
from gunicorn.workers.gthread import (
    DEFAULT_WORKER_DATA_TIMEOUT,
    STOP_KEEPALIVE_LINGER,
    ThreadWorker,
)

from server.client_socket import ClientSocket
from server.connection_table import BALANCE_S, WAIT_S, Slot
from server.event_poller import EventPoller, event_poller
from server.one_send import HeldHead, WholeAnswer
from server.overload import OVERLOADED
from server.pool_gate import PoolGate
from server.refused_heads import RefusedHeads
from server.slow_clients import SlowClients
from server.whole_requests import (
    Arrival,
    Connection,
    WholeRequest,
    take_probe,
    take_whole_request,
)
from server.worker_watch import Load, WorkerWatch

_BEATS_A_TIMEOUT: Final = 8
"""How often the heartbeat is told within half of the time after which a worker is killed."""

ACCEPTED_A_TURN: Final = 16
"""Most connections taken at once."""

_NOBODY_THERE: Final = frozenset({errno.EAGAIN, errno.ECONNABORTED})
_SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

SHORTAGE_WAIT_S: Final = 0.1
"""How long no connections are taken when the system has no room for them."""


class _AnswerTo(NamedTuple):
    """What gunicorn's request handling asks of a connection."""

    sock: HeldHead
    client: object
    server: object


class InlineWorker(RefusedHeads, ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves ranks on its main thread, and everything else in its pool."""

    slot: Slot | None = None
    """Its place among all workers; set before the fork."""
    serves_inline: Callable[[], bool] = staticmethod(lambda: False)
    """Whether a rank would not wait now; set when the application is built."""
    watch: WorkerWatch | None = None
    """Looks at the worker now and then; set when the application is built."""
    waiting_max: int = 256
    """Most requests that may wait for a thread; set before the fork."""
    slow: SlowClients
    gate: PoolGate[Connection]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._accept_at = 0.0
        self._is_short = False
        self._told_shortage = False
        self._notify_at = 0.0
        self._balance_at = 0.0
        self._surplus = 0
        self._addresses: dict[int, object] = {}

    def init_process(self) -> None:
        """Begin to work, in the new process; the poller is the one thing that is exchanged."""
        self.tpool = self.get_thread_pool()
        self.poller = event_poller()
        self.slow = SlowClients(self.poller, self._take_back, self._drop)
        self.gate = PoolGate(self.cfg.threads, self.waiting_max)
        self.method_queue.init()
        super(ThreadWorker, self).init_process()
        if self.slot is not None:
            self.slot.leave()

    def has_worked(self) -> bool:
        """Tell in the main process whether it serves, or did before it ended."""
        return self.slot is None or self.slot.has_worked()

    def has_left(self) -> bool:
        """Tell in the main process whether it has ended in order."""
        return self.slot is None or self.slot.has_left()

    def notify(self) -> None:
        """Tell that it lives, but not in every turn: that takes a system call."""
        now = time.monotonic()
        if now >= self._notify_at:
            self._notify_at = now + self.timeout / _BEATS_A_TIMEOUT
            super().notify()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Make one turn of the loop, telling after each event that it lives."""
        now = time.monotonic()
        if self.nr_conns >= self.worker_connections:
            # None is taken until one ends, however long others have waited.
            self._accept_at = 0.0
        self._publish()
        if self._accept_at:
            timeout = min(timeout, max(self._accept_at - now, 0.0))
        if now >= self._balance_at:
            self._balance_at = now + BALANCE_S
            self.slow.end_overdue(now)
            if self.watch is not None and self.watch.look(self._load(), now):
                self.alive = False
            if self.slot is not None:
                self._surplus = self.slot.surplus(self.nr_conns)
        for key, _ in self.poller.select(min(timeout, self.timeout)):
            key.data(key.fileobj)
            self.notify()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections or not; not yet while others go first."""
        if enabled and time.monotonic() < self._accept_at:
            return
        self._accept_at = 0.0
        self._is_short = False
        super().set_accept_enabled(enabled)

    def accept(self, listener: socket.socket) -> None:
        """Take new connections, as many as are this worker's to take."""
        for _ in range(min(ACCEPTED_A_TURN, self.worker_connections - self.nr_conns)):
            now = time.monotonic()
            if self.slot is not None and self.slot.lets_others_first(self.nr_conns, now):
                self._pause_accepting(now + WAIT_S)
                return
            try:
                client, address = listener.accept()
            except OSError as error:
                if error.errno in _SHORTAGE:
                    self._suffer_shortage(error, now)
                elif error.errno not in _NOBODY_THERE:
                    raise
                return
            sock = ClientSocket(client)
            self._wait_for_first(Connection(self.cfg, sock, address, self._address(listener)))

    def _pause_accepting(self, until: float) -> None:
        super().set_accept_enabled(False)
        self._accept_at = until

    def _suffer_shortage(self, error: OSError, now: float) -> None:
        """Take no connections for a moment, and leave them to the other workers."""
        self._pause_accepting(now + SHORTAGE_WAIT_S)
        self._is_short = True
        if not self._told_shortage:
            self._told_shortage = True
            self.log.error(
                "New connections have to wait: %s. Raise the limit of open files.", error
            )

    def _wait_for_first(self, conn: Connection) -> None:
        """Wait in the poller until a new client says something: no thread waits for it."""
        self.nr_conns += 1
        self._publish()
        self._await_request(conn)

    def _await_request(self, conn: Connection) -> None:
        patience = DEFAULT_WORKER_DATA_TIMEOUT + self.cfg.keepalive
        if not self.alive:
            patience = min(patience, STOP_KEEPALIVE_LINGER)
        conn.timeout = time.monotonic() + patience
        self.pending_conns.append(conn)
        self.poller.register(
            conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
        )

    def _awaits_rest(self, conn: Connection, waiting: deque[Connection]) -> bool:
        """Wait for the rest of a request, where the poller can and the client has not ended it.

        Connections whose rest does not come are closed like those that never said anything.
        """
        if not isinstance(self.poller, EventPoller) or self.poller.has_ended(conn.sock):
            return False
        if not conn.has_part:
            conn.has_part = True
            self._leave(conn, waiting)
            self._await_request(conn)
            self.poller.watch_for_more(conn.sock)
        return True

    def _publish(self) -> None:
        if self.slot is not None:
            accepting = self._accepting or (self._accept_at > 0.0 and not self._is_short)
            accepting = accepting and self.nr_conns < self.worker_connections
            self.slot.publish(self.nr_conns, accepting=accepting)

    def _load(self) -> Load:
        queued = sum(listener.get_backlog() for listener in self.sockets)
        gate = self.gate
        return Load(self.nr_conns, len(self.slow), queued, gate.waiting, gate.refused)

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """Serve a kept connection that has something to say."""
        self._serve(conn, self.keepalived_conns)

    def on_pending_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """Serve a new connection that has something to say."""
        self._serve(conn, self.pending_conns)

    def enqueue_req(self, conn: Connection) -> None:
        """Give a request to the pool, keep it until others have left, or refuse it."""
        way = self.gate.enter(conn, is_long=conn.is_long)
        if way == "enters":
            super().enqueue_req(conn)
        elif way == "is_refused":
            _send_some(conn.sock, OVERLOADED)
            self.slow.linger(conn)

    def finish_request(self, conn: Connection, future: Future[object]) -> None:
        """Take a connection back from the pool."""
        following = self.gate.leave(is_long=conn.is_long)
        if following is not None:
            super().enqueue_req(following)
        conn.is_long = False
        if future.cancelled() or future.exception() or future.result():
            super().finish_request(conn, future)
        else:
            self.slow.linger(conn)

    def handle(self, conn: Connection) -> object:
        """Handle a request in a thread of the pool."""
        conn.sock.renew_patience()
        return super().handle(conn)

    def handle_request(self, req: Request, conn: Connection) -> bool:
        """Answer a request by one send."""
        answer = _AnswerTo(HeldHead(conn.sock), conn.client, conn.server)
        keep: bool = super().handle_request(req, answer)
        answer.sock.flush()
        return keep

    def _serve(self, conn: Connection, waiting: deque[Connection]) -> None:
        """Answer at once what can be, hand the rest over to the pool."""
        try:
            asked = take_whole_request(conn, at_once=self.serves_inline())
            if asked is Arrival.PROBE and self.gate.is_busy:
                asked = take_probe(conn) or asked
        except BlockingIOError:
            return
        except OSError:
            self._leave(conn, waiting)
            self._drop(conn)
            return
        if asked is Arrival.PART and self._awaits_rest(conn, waiting):
            return
        conn.has_part = False
        if isinstance(asked, Arrival):
            self._leave(conn, waiting)
            conn.data_ready = True
            conn.is_long = asked is Arrival.LONG
            self.enqueue_req(conn)
            return
        try:
            answer, keep = self._answer(asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next request is served
            self._leave(conn, waiting)
            self.handle_error(asked.request, conn.sock, conn.client, error)
            self.slow.linger(conn)
            return
        sent = _send_some(conn.sock, answer)
        if keep and sent == len(answer):
            self._keep(conn, waiting)
            return
        self._leave(conn, waiting)
        if sent < len(answer):
            self.slow.send(conn, memoryview(answer)[sent:], keep=keep)
        elif asked.request.should_close():
            self._drop(conn)
        else:
            # The client may be sending already: closing at once could take the answer back.
            self.slow.linger(conn)

    def _answer(self, asked: WholeRequest) -> tuple[bytes, bool]:
        """Return the whole answer, and whether the connection stays open; as gunicorn would."""
        answer = WholeAnswer()
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        keep = self.alive and self._may_keep() and not asked.request.should_close()
        pieces = self.wsgi(asked.environ, answer.start_response)
        try:
            return answer.contents(pieces, asked.request.version, keep=keep), keep
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _may_keep(self) -> bool:
        """Tell whether one more connection may be kept, giving one up if there are too many."""
        if self._surplus > 0:
            self._surplus -= 1
            return False
        return bool(self.cfg.keepalive) and len(self.keepalived_conns) < int(self.max_keepalived)

    def _keep(self, conn: Connection, waiting: deque[Connection]) -> None:
        """Wait for a connection's next request; the poller still watches it."""
        waiting.remove(conn)
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        if waiting is not self.keepalived_conns:
            self.poller.unregister(conn.sock)
            self.poller.register(
                conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn)
            )

    def _leave(self, conn: Connection, waiting: deque[Connection]) -> None:
        """Take a connection from the poller."""
        waiting.remove(conn)
        self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _take_back(self, conn: Connection) -> None:
        """Wait for the next request of a client that has taken its answer late."""
        if not self.alive:
            self.slow.linger(conn)
            return
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(
            conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn)
        )

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait for no connection longer than that, when ending; those yet to speak included."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def _address(self, listener: socket.socket) -> object:
        """Return a listener's own address, asked for once."""
        fd = listener.fileno()
        if fd not in self._addresses:
            self._addresses[fd] = listener.getsockname()
        return self._addresses[fd]


def _send_some(sock: socket.socket, answer: bytes) -> int:
    """Send what fits into the socket's buffer; return how many bytes that was."""
    try:
        return sock.send(answer, socket.MSG_DONTWAIT)
    except OSError:
        # Full or broken: the next attempt finds out which.
        return 0
