"""A day in minutes: tastes drift, titles come and go, processes are restarted and killed.

The service runs as ever, on a clock that runs so much faster (``MARQUEE_CLOCK_RATE``); waits are as
long as they are. In the end the processes hold as much memory and as many files as when they were
warm, and the disk as much as retention allows.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

from bandit.catalog import write_catalog_file
from server.client_http import Patience, Transport, decode_answer
from server.local import LocalServer, children_of
from server.status import StatusAnswer
from tests.faults.torture.drifting_viewers import Audience, Programme
from tests.faults.torture.rows import Options, Row
from tests.faults.torture.vital_signs import (
    Trend,
    VitalSigns,
    disk_mb,
    handles,
    look,
    resident_mb,
    trend_of,
)

HOUR_S: Final = 3600.0
RETENTION_H: Final = 3.0
GROWTH_MAX: Final = 0.1
"""Of memory and disk, from the second quarter to the last."""
HANDLES_MORE_MAX: Final = 3
CLOSED_MIN: Final = 0.9
"""Of the pages, those that have an outcome when the viewers have left: the last ones wait yet."""
ROLES: Final = ("supervisor", "gunicorn", "worker", "learner")


class _Deed(NamedTuple):
    """Something that is done again and again, first and then every so many simulated hours."""

    name: str
    first_h: float
    every_h: float
    do: Callable[[], object]


def run(options: Options) -> Iterable[Row]:
    """Live through 24 hours, 6 of them with ``quick``."""
    hours = 6.0 if options.quick else 24.0
    rate = max(1, round(hours * HOUR_S / options.seconds))
    programme = Programme()
    source = options.directory / "catalog.msgpack"
    write_catalog_file(source, programme.document())
    settings = _settings(rate) | {"MARQUEE__CATALOG__SOURCE": str(source)}
    with LocalServer(options.directory / "state", settings=settings) as server:
        with _audience(server, programme) as audience:
            signs, done = _live(server, audience, programme, hours, HOUR_S / rate)
        status = _told_by(server)
    yield _row(hours, signs, done, audience, status)


def _settings(rate: int) -> dict[str, str]:
    # Intervals that go by the clock are long, as they pass so much faster.
    return {
        "MARQUEE_CLOCK_RATE": f"{rate}@{int(time.time())}",
        "MARQUEE__SERVER__WORKERS": "2",
        "MARQUEE__SERVER__LOG_LEVEL": "warning",
        "MARQUEE__LOG__RETENTION_S": str(RETENTION_H * HOUR_S),
        "MARQUEE__REWARD__WINDOW_S": "600",
        "MARQUEE__REWARD__CLOCK_LEEWAY_S": "300",
        "MARQUEE__LEARNER__CHECKPOINT_INTERVAL_S": str(2 * rate),
        "MARQUEE__LEARNER__PUBLISH_INTERVAL_S": str(rate),
        "MARQUEE__AUTH__CLOCK_LEEWAY_S": "600",
        "MARQUEE__SNAPSHOTS__KEEP": "4",
    }


@contextmanager
def _audience(server: LocalServer, programme: Programme) -> Iterator[Audience]:
    audience = Audience(server.url, programme, viewers=4, pause_s=0.02)
    try:
        yield audience
    finally:
        audience.leave()


def _live(
    server: LocalServer, audience: Audience, programme: Programme, hours: float, hour_s: float
) -> tuple[list[VitalSigns], dict[str, int]]:
    """Let the hours pass; return what was seen each quarter of an hour, and what was done."""

    def new_fashion() -> None:
        audience.fashion += 1

    signs: list[VitalSigns] = []
    deeds = [
        _Deed("looks", 0.25, 0.25, lambda: signs.append(look(server))),
        _Deed("changes of titles", 0.3, 0.35, lambda: programme.churn(server.url)),
        _Deed("changes of taste", 4.0, 4.0, new_fashion),
        _Deed("restarts", 2.6, 4.0, lambda: server.signal(signal.SIGHUP)),
        _Deed("kills of a worker", 1.6, 6.0, lambda: _kill(server, is_learner=False)),
        _Deed("kills of the learner", 3.6, 6.0, lambda: _kill(server, is_learner=True)),
    ]
    done = dict.fromkeys((deed.name for deed in deeds), 0)
    began_s = time.monotonic()
    while True:
        due_h, deed = min((deed.first_h + done[deed.name] * deed.every_h, deed) for deed in deeds)
        if due_h > hours:
            return signs, done
        time.sleep(max(0.0, began_s + due_h * hour_s - time.monotonic()))
        server.check_alive()
        deed.do()
        done[deed.name] += 1
        if deed.name == "looks" and done[deed.name] % 8 == 0:
            print(f"   {due_h:g} of {hours:g} h, {audience.pages} pages", flush=True)


def _kill(server: LocalServer, *, is_learner: bool) -> None:
    for child in children_of(server.pid):
        grandchildren = children_of(child)
        if is_learner and not grandchildren:
            os.kill(child, signal.SIGKILL)
        elif not is_learner and grandchildren:
            os.kill(grandchildren[0], signal.SIGKILL)


def _told_by(server: LocalServer) -> StatusAnswer:
    patience = Patience(deadline_s=20.0, retries=4, try_timeout_s=5.0)
    with closing(Transport(server.url, api_key=None, encoding="json", connections=1)) as transport:
        answer = transport.call("GET", "/v1/status", patience=patience)
    status: StatusAnswer = decode_answer(answer, StatusAnswer)
    return status


def _row(
    hours: float,
    signs: list[VitalSigns],
    done: dict[str, int],
    audience: Audience,
    status: StatusAnswer,
) -> Row:
    memory = {role: trend_of(signs, resident_mb(role)) for role in ROLES}
    files = {role: trend_of(signs, handles(role)) for role in ROLES}
    places = sorted({place for one in signs for place in one.disk_mb})
    disk = {place: trend_of(signs, disk_mb(place)) for place in places}
    held = Trend(sum(t.before for t in disk.values()), sum(t.after for t in disk.values()))
    closed = 0 if status.learner is None else sum(status.learner.outcomes.values())
    passed = (
        not audience.failed
        and closed >= CLOSED_MIN * audience.pages
        and all(trend.growth <= GROWTH_MAX for trend in (*memory.values(), held))
        and all(trend.after <= trend.before + HANDLES_MORE_MAX for trend in files.values())
    )
    figures: dict[str, float | str] = {"simulated hours": hours, "pages": audience.pages}
    figures |= {name: count for name, count in done.items() if name != "looks"}
    figures |= {f"{role} MB": _told(trend) for role, trend in memory.items()}
    figures |= {f"{role} files": _told(trend) for role, trend in files.items()}
    figures |= {f"{place} MB on disk": _told(trend) for place, trend in disk.items()}
    figures |= {"calls failed": len(audience.failed), "pages with an outcome": closed}
    lift = status.lift.get("artwork")
    figures["lift of artwork"] = "none yet" if lift is None else f"{lift:+.0%}"
    if audience.failed:
        figures["first failure"] = audience.failed[0]
    name = "a day of drift, churn of titles and restarts in minutes"
    return Row(name, "tests/faults/torture/endurance.py", passed, figures)


def _told(trend: Trend) -> str:
    return f"{trend.before:.3g} to {trend.after:.3g}"
