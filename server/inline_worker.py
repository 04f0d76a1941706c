"""gunicorn's threaded worker, for a service whose one frequent call never waits.

What it does other than the class that it extends:

- *Ranks are served by the loop itself.* A ``POST /v1/rank`` that has arrived as a whole is handled
  where it was noticed, on the main thread, if ranks do not wait for commits. A hand-over to a
  thread and back costs two waits for the interpreter's lock: with 0.44 ms of Python a request the
  pool did 4,200 requests/s with one thread, 2,200 with eight. Everything else goes to the pool.
  A rank can hold the loop up only while the log's queue is full, for ``log.rank_commit_timeout_s``
  at most, and not at all with ``log.queue_full = "drop"``.
- *No client holds the loop up.* New connections wait in the poller until they have something to
  say; what does not fit into a socket's buffer is sent by the pool; closing connections linger in
  the pool. A turn of the loop takes a bounded number of events, and between turns it looks after
  its heartbeat, idle connections and what the pool has finished.
- *Workers share new connections evenly*: see :mod:`server.connection_table`.
- *Answers leave by one send*: see :mod:`server.one_send`.

What it costs, as CPU time a request of a trivial application with kept connections and bodies of
4 kB: gunicorn's own class 140 µs, this one's pool 130, its main thread 26. Of those 26 the kernel
takes 12 to send, 3 to receive and 3 to wait; 6 are gunicorn's response. A head that the connection
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
from gunicorn.http.wsgi import Response
from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, ThreadWorker

from server.connection_table import BALANCE_S, WAIT_S, Slot
from server.event_poller import event_poller
from server.one_send import HeldHead, Outbox
from server.whole_requests import Connection, WholeRequest, take_whole_request

_BEATS_A_TIMEOUT: Final = 8
"""How often the heartbeat is told within half of the time after which a worker is killed."""

ACCEPTED_A_TURN: Final = 16
"""Most connections taken at once."""

_NOBODY_THERE: Final = frozenset({errno.EAGAIN, errno.ECONNABORTED})


class _AnswerTo(NamedTuple):
    """What gunicorn's request handling asks of a connection."""

    sock: HeldHead
    client: object
    server: object


class InlineWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn comes without types
    """Serves ranks on its main thread, and everything else in its pool."""

    slot: Slot | None = None
    """Its place among all workers; set before the fork."""
    serves_inline = False
    """Whether a rank never waits for a commit; set before the fork."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._accept_at = 0.0
        self._notify_at = 0.0
        self._balance_at = 0.0
        self._surplus = 0
        self._addresses: dict[int, object] = {}

    def init_process(self) -> None:
        """Begin to work, in the new process; the poller is the one thing that is exchanged."""
        self.tpool = self.get_thread_pool()
        self.poller = event_poller()
        self.method_queue.init()
        super(ThreadWorker, self).init_process()

    def notify(self) -> None:
        """Tell that it lives, but not in every turn: that takes a system call."""
        now = time.monotonic()
        if now >= self._notify_at:
            self._notify_at = now + self.timeout / _BEATS_A_TIMEOUT
            super().notify()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Make one turn of the loop."""
        now = time.monotonic()
        self._publish()
        if self._accept_at:
            timeout = min(timeout, max(self._accept_at - now, 0.0))
        if now >= self._balance_at and self.slot is not None:
            self._balance_at = now + BALANCE_S
            self._surplus = self.slot.surplus(self.nr_conns)
        super().wait_for_and_dispatch_events(min(timeout, self.timeout))

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections or not; not yet while others go first."""
        if enabled and time.monotonic() < self._accept_at:
            return
        self._accept_at = 0.0
        super().set_accept_enabled(enabled)

    def accept(self, listener: socket.socket) -> None:
        """Take new connections, as many as are this worker's to take."""
        for _ in range(ACCEPTED_A_TURN):
            now = time.monotonic()
            if self.slot is not None and self.slot.lets_others_first(self.nr_conns, now):
                self._accept_at = now + WAIT_S
                super().set_accept_enabled(False)
                return
            try:
                client, address = listener.accept()
            except OSError as error:
                if error.errno not in _NOBODY_THERE:
                    raise
                return
            self._wait_for_first(Connection(self.cfg, client, address, self._address(listener)))

    def _wait_for_first(self, conn: Connection) -> None:
        """Wait in the poller until a new client says something: no thread waits for it."""
        self.nr_conns += 1
        self._publish()
        conn.timeout = time.monotonic() + DEFAULT_WORKER_DATA_TIMEOUT + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(
            conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
        )

    def _publish(self) -> None:
        if self.slot is not None:
            accepting = self._accepting or self._accept_at > 0.0
            self.slot.publish(self.nr_conns, accepting=accepting)

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """Serve a kept connection that has something to say."""
        self._serve(conn, self.keepalived_conns, super().on_client_socket_readable)

    def on_pending_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """Serve a new connection that has something to say."""
        self._serve(conn, self.pending_conns, super().on_pending_socket_readable)

    def handle(self, conn: Connection) -> object:
        """Handle a request in a thread of the pool, and linger there for a client to hang up."""
        keep = super().handle(conn)
        if not keep:
            conn.close(graceful=True)
        return keep

    def handle_request(self, req: Request, conn: Connection) -> bool:
        """Answer a request by one send."""
        answer = _AnswerTo(HeldHead(conn.sock), conn.client, conn.server)
        keep: bool = super().handle_request(req, answer)
        answer.sock.flush()
        return keep

    def _serve(
        self,
        conn: Connection,
        waiting: deque[Connection],
        hand_over: Callable[[Connection, socket.socket], None],
    ) -> None:
        """Answer at once what can be, hand the rest over to the pool."""
        try:
            asked = take_whole_request(conn) if self.serves_inline else None
        except BlockingIOError:
            return
        except OSError:
            self._leave(conn, waiting)
            self._drop(conn)
            return
        if asked is None:
            hand_over(conn, conn.sock)
            return
        try:
            answer, keep = self._answer(asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next request is served
            self._leave(conn, waiting)
            self.handle_error(asked.request, conn.sock, conn.client, error)
            self._in_pool(conn, partial(conn.close, graceful=True))
            return
        sent = _send_some(conn.sock, answer)
        if sent < len(answer):
            self._leave(conn, waiting)
            self._in_pool(conn, partial(_send_rest, conn, answer[sent:], keep))
        elif keep:
            self._keep(conn, waiting)
        else:
            self._leave(conn, waiting)
            if asked.request.should_close():
                self._drop(conn)
            else:
                # The client may be sending already: closing at once could take the answer back.
                self._in_pool(conn, partial(conn.close, graceful=True))

    def _answer(self, asked: WholeRequest) -> tuple[bytes, bool]:
        """Return the whole answer, and whether the connection stays open; as gunicorn would."""
        outbox = Outbox()
        response = Response(asked.request, outbox, self.cfg)
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        if not self.alive or not self._may_keep():
            response.force_close()
        pieces = self.wsgi(asked.environ, response.start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        return outbox.contents(), not response.should_close()

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

    def _in_pool(self, conn: Connection, work: Callable[[], bool | None]) -> None:
        """Let a thread do what may wait for a client; the connection is kept if it returns True."""

        def done(future: Future[bool | None]) -> None:
            self.method_queue.defer(self.finish_request, conn, future)

        self.tpool.submit(work).add_done_callback(done)

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
        # Full or broken: the pool finds out which.
        return 0


def _send_rest(conn: Connection, rest: bytes, keep: bool) -> bool:
    """Send the rest of an answer to a client that takes its time."""
    conn.sock.setblocking(True)
    conn.init()
    conn.sock.sendall(rest)
    return keep
