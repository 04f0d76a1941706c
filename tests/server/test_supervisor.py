"""The supervisor with real processes: small children that say what happens to them."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.children import RESTART_LONGEST_S, Backoff
from server.exit_codes import GAVE_UP

DRIVER = Path(__file__).with_name("supervised_children.py")
WAIT_S = 30.0

# Says "NAME up PID" and waits; on SIGTERM says "NAME down" and ends.
POLITE = """
import os, signal, sys
name = sys.argv[1]
def say(*words): os.write(1, (" ".join(map(str, (name, *words))) + "\\n").encode())
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
say("up", os.getpid())
while (number := signal.sigwait({signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})) == signal.SIGHUP:
    say("reloaded")
say("down", signal.Signals(number).name)
"""
# Says "NAME up PID" and hears nothing but SIGKILL.
DEAF = """
import os, signal, sys
signal.alarm(60)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGQUIT})
os.write(1, f"{sys.argv[1]} up {os.getpid()}\\n".encode())
while True: signal.pause()
"""
# Leads a worker that outlives it, both deaf to SIGTERM: says "master up PID WORKER_PID".
MASTER = """
import os, signal, sys
signal.alarm(60)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
if (worker := os.fork()) == 0:
    signal.alarm(60)
    while True: signal.pause()
os.write(1, f"master up {os.getpid()} {worker}\\n".encode())
while True: signal.pause()
"""


def ends_with(code: int) -> str:
    return f"import sys; sys.exit({code})"


class Supervised:
    """A running supervisor, and the lines it and its children say."""

    def __init__(self, children: list[dict[str, Any]], **settings: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(DRIVER), json.dumps({"children": children, **settings})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.said: list[str] = []
        self.logged: list[dict[str, Any]] = []
        self._unheard: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._listen, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put(None)

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.logged += [json.loads(line) for line in self.process.stderr]

    def hear(self, beginning: str) -> str:
        """Wait for a line that begins so and was not heard yet; return the rest of it."""
        for line in self._unheard:
            if line.startswith(beginning):
                self._unheard.remove(line)
                return line.removeprefix(beginning).strip()
        while (said := self._next()) is not None:
            if said.startswith(beginning):
                return said.removeprefix(beginning).strip()
            self._unheard.append(said)
        raise AssertionError(f"ended before {beginning!r}; said {self.said}")

    def _next(self) -> str | None:
        line = self._lines.get(timeout=WAIT_S)
        if line is not None:
            self.said.append(line)
        return line

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; return its exit code."""
        code = self.process.wait(WAIT_S)
        while self._next() is not None:
            pass
        for thread in self._threads:
            thread.join(WAIT_S)
        return code

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.logged if line["event"] == event]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT_S)
        for thread in self._threads:
            thread.join(WAIT_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def supervised() -> Iterator[Any]:
    started: list[Supervised] = []

    def start(children: list[dict[str, Any]], **settings: object) -> Supervised:
        started.append(Supervised(children, **settings))
        return started[-1]

    yield start
    for each in started:
        each.close()


def wait_for_death(pid: int) -> None:
    """Wait until a process that is not our child is gone."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still lives")


def test_backoff_doubles_to_its_limit_and_is_reset_by_a_healthy_life() -> None:
    backoff = Backoff(0.5)
    assert [backoff.after(1.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(61.0) == 0.5
    assert backoff.after(1.0) == 1.0
    assert Backoff(100.0).after(0.0) == RESTART_LONGEST_S
    assert backoff.deaths == 2


def test_sigterm_drains_then_stops_children_one_after_the_other(supervised: Any) -> None:
    run = supervised([{"name": "a", "code": POLITE}, {"name": "b", "code": POLITE}], drain_s=0.05)
    run.hear("a up")
    run.hear("b up")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    order = ["run drain", "run stop_listening", "a down SIGTERM", "b down SIGTERM"]
    assert [line for line in run.said if line in order] == [
        "run drain",
        "run drain",
        "run stop_listening",
        "a down SIGTERM",
        "b down SIGTERM",
    ]
    assert run.events("ended")[0]["exit_code"] == 0


def test_a_dead_child_is_started_again_and_its_death_logged(supervised: Any) -> None:
    run = supervised([{"name": "a", "code": POLITE}])
    first = int(run.hear("a up"))
    os.kill(first, signal.SIGKILL)
    assert run.hear("run forget") == str(first)
    second = int(run.hear("a up"))
    assert second != first
    run.send(signal.SIGTERM)
    assert run.end() == 0
    (death,) = run.events("child died")
    assert (death["child"], death["signal"], death["level"]) == ("a", "SIGKILL", "error")


def test_waits_double_while_a_child_keeps_dying(supervised: Any) -> None:
    run = supervised([{"name": "a", "code": ends_with(7)}, {"name": "b", "code": POLITE}])
    run.hear("b up")
    for _ in range(4):
        run.hear("run forget")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    deaths = run.events("child died")
    assert [death["restart_in_s"] for death in deaths[:4]] == [0.01, 0.02, 0.04, 0.08]
    assert {death["exit_code"] for death in deaths} == {7}


def test_a_child_that_refuses_before_the_service_is_ready_stops_everything(
    supervised: Any,
) -> None:
    run = supervised(
        [
            {"name": "a", "code": POLITE},
            {"name": "b", "code": ends_with(78), "refuses": {"78": 2}},
        ],
        answers=False,
    )
    assert run.end() == 2
    assert "run drain" in run.said
    assert run.events("child refuses to run")[0]["exit_code"] == 78


def test_a_child_runs_for_as_long_as_it_is_wanted(supervised: Any, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    run = supervised(
        [
            {"name": "a", "code": POLITE, "reload_signal": "SIGHUP"},
            {"name": "b", "code": POLITE, "wanted": str(wanted)},
        ]
    )
    run.hear("a up")
    wanted.touch()
    run.send(signal.SIGHUP)
    run.hear("b up")
    wanted.unlink()
    run.send(signal.SIGHUP)
    run.hear("b down")
    run.hear("a reloaded")
    run.send(signal.SIGHUP)
    run.hear("a reloaded")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    assert sum(line.startswith("b up") for line in run.said) == 1


def test_a_child_late_to_end_is_killed_and_the_exit_code_says_so(supervised: Any) -> None:
    run = supervised(
        [{"name": "a", "code": DEAF, "stop_timeout_s": 0.2}, {"name": "b", "code": POLITE}]
    )
    run.hear("a up")
    run.hear("b up")
    run.send(signal.SIGTERM)
    assert run.end() == 1
    assert "b down SIGTERM" in run.said


def test_a_second_sigint_hurries(supervised: Any) -> None:
    run = supervised(
        [{"name": "a", "code": POLITE, "hurry_signal": "SIGQUIT"}, {"name": "b", "code": POLITE}],
        drain_s=3600.0,
    )
    run.hear("a up")
    run.hear("b up")
    run.send(signal.SIGINT)
    run.hear("run drain")
    run.send(signal.SIGINT)
    assert run.end() == 0
    assert {"a down SIGQUIT", "b down SIGTERM"} <= set(run.said)


def test_sighup_reloads_each_child_in_its_way(supervised: Any) -> None:
    run = supervised(
        [
            {"name": "a", "code": POLITE, "reload_signal": "SIGHUP"},
            {"name": "b", "code": POLITE},
        ],
        restart_backoff_s=3600.0,
    )
    run.hear("a up")
    first = run.hear("b up")
    run.send(signal.SIGHUP)
    second = run.hear("b up")
    assert second != first
    assert "run reload" in run.said
    assert "b down SIGTERM" in run.said
    run.send(signal.SIGTERM)
    assert run.end() == 0
    assert "a reloaded" in run.said
    assert run.events("child died") == []


def test_sighup_with_a_wrong_configuration_leaves_the_children_alone(supervised: Any) -> None:
    run = supervised(
        [
            {"name": "a", "code": POLITE, "reload_signal": "SIGHUP"},
            {"name": "b", "code": POLITE},
        ],
        reloads=False,
    )
    run.hear("a up")
    run.hear("b up")
    run.send(signal.SIGHUP)
    run.hear("run reload")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    assert "a reloaded" not in run.said
    assert len([line for line in run.said if line.startswith("b up")]) == 1


def test_a_configuration_that_a_child_refuses_is_taken_back(supervised: Any) -> None:
    refuses_once_reloaded = POLITE.replace('say("reloaded")', "sys.exit(3)")
    run = supervised(
        [
            {
                "name": "a",
                "code": refuses_once_reloaded,
                "reload_signal": "SIGHUP",
                "refuses": {"3": 1},
            }
        ],
        restart_backoff_s=3600.0,
        reverts=True,
    )
    run.hear("a up")
    run.send(signal.SIGHUP)
    run.hear("run revert")
    run.hear("a up")
    run.send(signal.SIGTERM)
    assert run.end() == 0


def test_a_configuration_that_one_child_refuses_is_taken_back_in_all(
    supervised: Any, tmp_path: Path
) -> None:
    config, reloaded = tmp_path / "config", tmp_path / "reloaded"
    config.write_text("old")
    tells_of_reloads = POLITE.replace(
        'say("reloaded")', f'open({str(reloaded)!r}, "w").close(); say("reloaded")'
    )
    refuses_the_new = f"""
import os, sys, time
if open({str(config)!r}).read() == "new":
    for _ in range(3000):
        if os.path.exists({str(reloaded)!r}): sys.exit(78)
        time.sleep(0.01)
{POLITE}"""
    run = supervised(
        [
            {"name": "a", "code": tells_of_reloads, "reload_signal": "SIGHUP"},
            {"name": "b", "code": refuses_the_new, "refuses": {"78": 2}},
        ],
        restart_backoff_s=3600.0,
        reverts=True,
        config=str(config),
    )
    run.hear("a up")
    run.hear("b up")
    run.send(signal.SIGHUP)
    run.hear("a reloaded")
    run.hear("run revert")
    run.hear("a reloaded")
    run.hear("b up")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    told = run.events("child refuses the new configuration; the old one is back")
    assert [line["child"] for line in told] == ["b"]


def test_once_ready_a_child_that_refuses_is_tried_again_and_the_others_go_on(
    supervised: Any,
) -> None:
    run = supervised(
        [
            {"name": "a", "code": POLITE},
            {"name": "b", "code": ends_with(78), "refuses": {"78": 2}},
        ],
    )
    run.hear("a up")
    for _ in range(3):
        run.hear("run forget")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    refusals = run.events("child refuses to run; the others go on")
    assert [(line["level"], line["restart_in_s"]) for line in refusals[:3]] == [
        ("error", 0.01),
        ("error", 0.02),
        ("error", 0.04),
    ]
    assert len([line for line in run.said if line.startswith("a up")]) == 1


def test_what_speaks_http_is_given_up_with_the_whole_service(supervised: Any) -> None:
    run = supervised(
        [{"name": "a", "code": ends_with(7), "is_vital": True}, {"name": "b", "code": POLITE}],
        deaths_max=3,
    )
    run.hear("b up")
    assert run.end() == GAVE_UP
    assert len(run.events("child died")) == 3
    assert "b down SIGTERM" in run.said
    (told,) = run.events("given up: the service ends, as it cannot serve without this child")
    assert (told["level"], told["child"], told["deaths"]) == ("error", "a", 3)
    assert "server.deaths_max" in told["hint"]


def test_what_gave_up_by_itself_is_not_started_again(supervised: Any) -> None:
    run = supervised([{"name": "a", "code": ends_with(5), "is_vital": True, "gives_up": [5]}])
    assert run.end() == GAVE_UP
    assert len(run.events("child died")) == 1


def test_the_service_goes_on_without_another_child_until_it_is_reloaded(
    supervised: Any, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    dies = f"import os, sys\nif not os.path.exists({str(mended)!r}): sys.exit(7)\n{POLITE}"
    run = supervised(
        [
            {"name": "a", "code": POLITE, "reload_signal": "SIGHUP", "is_vital": True},
            {"name": "b", "code": dies},
        ],
        deaths_max=2,
    )
    run.hear("a up")
    assert run.hear("run given_up") == "b"
    # Given up for good: neither a reload that changes nothing of the fault nor time mends it.
    run.send(signal.SIGHUP)
    assert run.hear("run given_up") == ""
    assert run.hear("run given_up") == "b"
    mended.touch()
    run.send(signal.SIGHUP)
    assert run.hear("run given_up") == ""
    run.hear("b up")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    assert len(run.events("child died")) == 4
    told = run.events("given up: the others go on without this child")
    assert {(line["level"], line["child"], line["deaths"]) for line in told} == {("error", "b", 2)}
    assert all("SIGHUP" in line["hint"] for line in told)


def test_who_waits_for_another_is_never_given_up(supervised: Any) -> None:
    run = supervised(
        [{"name": "a", "code": ends_with(75), "waits": [75]}, {"name": "b", "code": POLITE}],
        deaths_max=1,
        restart_backoff_s=0.001,
    )
    for _ in range(6):
        run.hear("run forget")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    assert run.events("given up: the others go on without this child") == []


def test_orphans_of_a_killed_child_are_ended_before_the_run_ends(supervised: Any) -> None:
    run = supervised([{"name": "master", "code": MASTER, "stop_timeout_s": 0.3}])
    master, worker = map(int, run.hear("master up").split())
    os.kill(master, signal.SIGKILL)
    forgotten = {run.hear("run forget"), run.hear("run forget")}
    assert forgotten == {str(master), str(worker)}
    wait_for_death(worker)
    run.hear("master up")
    run.send(signal.SIGTERM)
    assert run.end() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's parent-death signal")
def test_children_follow_a_killed_supervisor(supervised: Any) -> None:
    run = supervised([{"name": "a", "code": POLITE}, {"name": "b", "code": POLITE}])
    pids = [int(run.hear("a up")), int(run.hear("b up"))]
    run.send(signal.SIGKILL)
    assert run.end() == -signal.SIGKILL
    for pid in pids:
        wait_for_death(pid)
    assert {"a down SIGTERM", "b down SIGTERM"} <= set(run.said)
