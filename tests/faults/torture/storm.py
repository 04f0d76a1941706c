"""One service under load and a fault plan: real processes, real kills, and all books at the end.

The driver waits after each fault until whoever died is at work again, and notes how long that
took; clients go on throughout. After the last fault everything is drained and compared, then comes
a time of calm in which all books agree to the last event.
"""

from __future__ import annotations

import signal
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import disk_usage

import msgspec
import urllib3

from bandit.catalog import CatalogStore
from bandit.clock import OFFSET_VARIABLE, WallClock
from bandit.config import load_config
from server.client import Client
from server.local import LocalServer, state_overrides, wait_until
from tests.faults.ledger import Crowd, Ledger, Pace
from tests.faults.torture.books import (
    Counted,
    LogBook,
    check_calm,
    check_learner,
    check_log,
    check_metrics,
    counted_by,
    counted_in,
    settled_records,
)
from tests.faults.torture.damage import do_damage, half_sent_bodies
from tests.faults.torture.disk_faults import (
    WAIT_S,
    StormDisks,
    refused_start,
    storm_disks,
    while_full,
    while_read_only,
)
from tests.faults.torture.plan import KILLS, Fault, Life, Plan, described
from tests.faults.torture.processes import (
    Processes,
    accepts,
    kill,
    learner_tells,
    lives,
    metrics_directory,
    processes_of,
)
from tests.faults.torture.reference import check_models
from tests.faults.torture.world import DOCUMENT, SETTINGS, TITLES, free_port
from tests.waiting import wait_until_closed

WORKERS = 3
_CALM_PAGES = 40
_SETTINGS = {
    **SETTINGS,
    "MARQUEE__SERVER__WORKERS": str(WORKERS),
    # Longer than a restart takes, so that most feedback of interrupted visits is in time.
    "MARQUEE__REWARD__WINDOW_S": "4",
    "MARQUEE__SERVER__RESTART_BACKOFF_S": "0.005",
    "MARQUEE__SERVER__DEATHS_MAX": "1000",
    "MARQUEE__SERVER__GRACEFUL_TIMEOUT_S": "2",
    # Short, so that a full disk is soon felt: the journal takes what the queue has room for.
    "MARQUEE__LOG__QUEUE_MAX": "100",
    "MARQUEE__LIMITS__FEEDBACK_EVENTS_MAX": "100",
}


class Report(msgspec.Struct):
    """What a storm did, how long everything took to come back, and what it found wrong."""

    findings: list[str]
    kills: dict[str, int]
    """Processes killed, by what they were."""
    ready_s: dict[str, list[float]]
    """Seconds until the one killed was replaced and at work, by what it was."""
    others: dict[str, int]
    """Faults that killed nobody, by what they were."""
    twice: int = 0
    """Events that the log holds twice since a worker stood still, and that were learned once."""
    decisions: int = 0
    events: int = 0
    retried: int = 0
    """Pages and events in tries without an answer."""
    unlogged: int = 0
    """Pages that were served and told not to be logged."""
    refused: int = 0
    """Events in tries that were refused for now."""
    state_megabytes: float = 0.0
    """What the state's disk held in the end, where it had one of its own."""
    disks: bool = True
    """Whether there were disks to fill and to make read-only."""
    took_s: float = 0.0
    cut_short: bool = False
    """Whether time was up before the plan was done."""


def is_at_rest(client: Client) -> bool:
    """Tell whether the learner waits for nothing, be it for decisions that were never logged."""
    learner = client.status()["learner"]
    return learner is not None and learner["open_decisions"] == 0


class Storm:
    """Carries out one plan in a directory of its own."""

    def __init__(
        self,
        directory: Path,
        plan: Plan,
        *,
        viewers: int = 4,
        think_s: float = 0.02,
        compare_models: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._plan = plan
        self._port = free_port()
        self._settings = {
            **_SETTINGS,
            "MARQUEE__SERVER__PORT": str(self._port),
            "MARQUEE__LOG__DISK_FREE_BYTES_MIN": str(plan.guard_bytes),
            **(environ or {}),
        }
        self._directory = directory
        self._compare_models = compare_models
        self._viewers = viewers
        self._pace = Pace(think_s, try_s=1.5, give_up_s=WAIT_S)
        self._kills: Counter[str] = Counter()
        self._ready_s: defaultdict[str, list[float]] = defaultdict(list)
        self._others: Counter[str] = Counter()
        self._counted = Counted()
        self._findings: list[str] = []
        self._passing: list[Ledger] = []
        """The books of those who asked for pages only while a disk was full."""
        self._disks: StormDisks | None = None

    def run(self, seconds: float = 3600.0) -> Report:
        """Do it all, within about so many seconds; a service that does not come back is told."""
        began = time.monotonic()
        report = Report(self._findings, self._kills, self._ready_s, self._others)
        report.disks = self._plan.disks
        with ExitStack() as stack:
            if self._plan.disks:
                self._disks = stack.enter_context(storm_disks(self._directory))
                self._settings |= self._disks.settings
            overrides = {**state_overrides(self._directory), **self._settings}
            self._config = load_config(None, overrides)
            self._serve(report, began + seconds)
            if self._disks is not None:
                report.state_megabytes = round(disk_usage(self._directory).used / 1e6, 1)
        report.took_s = time.monotonic() - began
        return report

    def _serve(self, report: Report, until: float) -> None:
        CatalogStore(self._config.catalog.directory, self._config.limits).replace(None, DOCUMENT)
        self._server = self._start(self._plan.lives[0])
        try:
            self._weather(report, until)
        except TimeoutError as error:
            report.findings.append(str(error))
        finally:
            self._server.stop()
        if self._compare_models and not report.findings:
            reference = self._directory / "reference"
            report.findings += check_models(self._config, reference, self._clock)

    def _weather(self, report: Report, until: float) -> None:
        pace = self._pace
        crowd = Crowd(self._server.url, TITLES, self._viewers, pace=pace, seed=self._plan.seed)
        try:
            self._strike(crowd, report, until)
        finally:
            ledger = Ledger.of([crowd.leave(), *self._passing])
        report.decisions, report.events = len(ledger.decisions), len(ledger.events)
        report.unlogged, report.refused = len(ledger.unlogged), ledger.refused
        report.retried = ledger.unanswered_pages + ledger.unanswered
        if ledger.given_up:
            why = ledger.given_up[0]
            report.findings.append(f"{len(ledger.given_up)} requests in vain, the first: {why}")
        report.findings += self._reckon(ledger, report)

    def _strike(self, crowd: Crowd, report: Report, until: float) -> None:
        for number, life in enumerate(self._plan.lives):
            print(f"service {self._plan.seed}: {described(life)}", flush=True)
            for fault in life.faults:
                if time.monotonic() > until:
                    report.cut_short = True
                    return
                crowd.wait_for(fault.after_pages)
                self._do(fault, life, self._plan.lives[number + 1])
                if "disk" in fault.kind:
                    crowd.wait_for(1)

    def _start(self, life: Life) -> LocalServer:
        offset = {OFFSET_VARIABLE: str(life.clock_offset_s)}
        self._clock = WallClock(life.clock_offset_s)
        server = LocalServer(self._directory, settings={**self._settings, **offset}, wait_s=WAIT_S)
        server.start()
        self._server = server
        self._whole()
        return server

    def _whole(self) -> Processes:
        """Wait until everything runs and is at work."""
        wait_until(self._is_whole, WAIT_S, "a whole service")
        return processes_of(self._server)

    def _is_whole(self) -> bool:
        now = processes_of(self._server)
        return (
            len(now.workers) == WORKERS
            and all(accepts(pid, self._port) for pid in now.workers)
            and now.learner is not None
            and learner_tells(Path(self._config.learner.directory), now.learner)
        )

    def _do(self, fault: Fault, life: Life, after: Life) -> None:
        now = processes_of(self._server)
        victim = now.workers[fault.which % len(now.workers)]
        if KILLS[fault.kind]:
            time.sleep(fault.pause_s)
        if fault.kind in ("supervisor", "everything"):
            self._end_life(now, life, after, everything=fault.kind == "everything")
        elif fault.kind == "half-sent bodies":
            with half_sent_bodies(self._port):
                time.sleep(fault.pause_s)
            self._others["half-sent bodies"] += 1
        elif self._disks is not None and fault.kind == "read-only disk":
            learner = Path(self._config.learner.directory)
            while_read_only(self._disks.serving, learner, fault.pause_s)
            self._others["read-only disks"] += 1
        elif self._disks is not None and "full disk" in fault.kind:
            kills = [victim] if fault.kind == "kills on a full disk" else []
            self._fill(self._disks, now, fault, kills)
            self._others["full disks"] += 1
        elif fault.kind.startswith("stopped"):
            self._stop_for(victim if fault.kind == "stopped worker" else now.learner, fault.pause_s)
        else:
            workers = now.workers if fault.kind == "all workers" else [victim]
            self._kill_below(
                now,
                workers if fault.kind in ("worker", "all workers", "worker and learner") else [],
                learner=fault.kind in ("learner", "worker and learner"),
                gunicorn=fault.kind == "gunicorn",
            )

    def _stop_for(self, pid: int | None, seconds: float) -> None:
        if pid is not None and kill(pid, signal.SIGSTOP):
            time.sleep(seconds)
            kill(pid, signal.SIGCONT)
            self._others["stopped for a while"] += 1

    def _fill(self, disks: StormDisks, now: Processes, fault: Fault, workers: list[int]) -> None:
        """Fill the state's disk; kill workers and the learner meanwhile, if any workers at all."""
        dead: dict[int, str] = {}

        def meanwhile() -> None:
            began = time.monotonic()
            dead.update(self._strike_down(now, workers, learner=bool(workers), gunicorn=False))
            if "worker" in dead.values():
                self._note_workers(now, dead, began, " on a full disk")

        seed = self._plan.seed * 1000 + len(self._passing)
        self._passing.append(
            while_full(disks.state, self._server.url, seed, fault.pause_s, meanwhile)
        )
        if "learner" in dead.values():
            wait_until(lambda: self._is_learning(now.learner), WAIT_S, "a new learner")

    def _strike_down(
        self, now: Processes, workers: list[int], *, learner: bool, gunicorn: bool
    ) -> dict[int, str]:
        """Kill them; return what each one was."""
        dead = {pid: "worker" for pid in workers if kill(pid)}
        if gunicorn and now.gunicorn is not None and kill(now.gunicorn):
            dead[now.gunicorn] = "gunicorn"
        if learner and now.learner is not None and kill(now.learner):
            dead[now.learner] = "learner"
        self._kills.update(dead.values())
        return dead

    def _kill_below(
        self, now: Processes, workers: list[int], *, learner: bool, gunicorn: bool
    ) -> None:
        began = time.monotonic()
        dead = self._strike_down(now, workers, learner=learner, gunicorn=gunicorn)
        if "learner" in dead.values():
            wait_until(lambda: self._is_learning(now.learner), WAIT_S, "a new learner")
            self._ready_s["learner"].append(time.monotonic() - began)
        if set(dead.values()) & {"worker", "gunicorn"}:
            self._note_workers(now, dead, began)

    def _is_learning(self, dead: int | None) -> bool:
        pid = processes_of(self._server).learner
        return pid not in (None, dead) and learner_tells(
            Path(self._config.learner.directory), pid or 0
        )

    def _note_workers(
        self, before: Processes, dead: dict[int, str], began: float, where: str = ""
    ) -> None:
        """Wait until as many workers are at work as before, none of them one that died."""

        def is_served() -> bool:
            now = processes_of(self._server)
            old = {*dead, *(before.workers if "gunicorn" in dead.values() else ())}
            return len(now.workers) == WORKERS and all(
                pid not in old and accepts(pid, self._port) for pid in now.workers
            )

        wait_until(is_served, WAIT_S, "a new worker")
        took_s = time.monotonic() - began
        for what in dead.values():
            if what != "learner":
                self._ready_s[what + where].append(took_s)

    def _end_life(self, now: Processes, life: Life, after: Life, *, everything: bool) -> None:
        began = time.monotonic()
        counted = metrics_directory(now.gunicorn) if now.gunicorn is not None else None
        if everything:
            names = ["supervisor", "gunicorn", *["worker"] * len(now.workers), "learner"]
            self._kills.update(
                name for name, pid in zip(names, now.all(), strict=True) if kill(pid)
            )
        else:
            self._kills["supervisor"] += kill(now.supervisor)
        self._server.kill()
        wait_until(lambda: not any(map(lives, now.all())), WAIT_S, "the end of what it ran")
        if counted is not None:
            self._counted = self._counted.plus(counted_in(counted))
        self._damage(life)
        self._others["clock changes"] += after.clock_offset_s != life.clock_offset_s
        self._start(after)
        self._ready_s["supervisor"].append(time.monotonic() - began)

    def _damage(self, life: Life) -> None:
        if life.damage == "read-only state":
            if self._disks is not None:
                self._findings += refused_start(self._disks.state, self._settings)
                self._others["starts on a read-only disk"] += 1
        elif life.damage != "none":
            done = do_damage(life.damage, self._config, self._clock, life.damage_seed)
            self._others[f"{life.damage}s"] += done

    def _reckon(self, ledger: Ledger, report: Report) -> list[str]:
        """Let everything settle and compare all books; then do so again over a time of calm."""
        self._whole()
        directory = Path(self._config.log.directory)
        with Client(self._server.url, deadline_s=20) as client:
            before = LogBook.of(settled_records(directory, self._clock))
            wait_until_closed(client, len(before.decisions))
            wait_until(lambda: is_at_rest(client), WAIT_S, "an end of what waits for decisions")
            report.twice = before.events.total() - len(before.events)
            findings = check_log(ledger, before, stopped=self._plan.stops)
            learner = client.status()["learner"]
            findings += check_learner(learner, before)
            storm = self._scraped()
            findings += check_metrics(ledger, self._counted.plus(storm), before)
            calm = self._calm()
            after = LogBook.of(settled_records(directory, self._clock))
            wait_until_closed(client, len(after.decisions))
            wait_until(
                lambda: self._scraped().outcomes >= storm.outcomes + calm.pages, 60, "metrics"
            )
            findings += check_calm(calm, self._scraped().plus(storm, -1), before, after)
            findings += check_learner(client.status()["learner"], after)
        return findings

    def _calm(self) -> Ledger:
        pace = self._pace._replace(try_s=60.0)
        crowd = Crowd(self._server.url, TITLES, self._viewers, pace=pace, seed=-1 % 2**32)
        crowd.wait_for(_CALM_PAGES)
        return crowd.leave()

    def _scraped(self) -> Counted:
        with urllib3.PoolManager() as pool:
            return counted_by(pool.request("GET", f"{self._server.url}/metrics").data.decode())
