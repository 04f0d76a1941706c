"""What is told of work under way, where there is no terminal and where there is one."""

from __future__ import annotations

import io
import os
import pty
import threading
import time

import pytest

from server.local import wait_until
from simulator import progress
from simulator.progress import ShownWatch, Watch


def test_a_library_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    with watch.task("counting", 3, "things") as advance:
        advance()
    watch.say("done")
    assert capfd.readouterr() == ("", "")


def test_what_is_quick_shows_nothing() -> None:
    told = io.StringIO()
    with ShownWatch(told).task("counting", 3, "things") as advance:
        advance(3)
    assert told.getvalue() == ""


def test_what_is_slow_is_told_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    told = io.StringIO()
    with ShownWatch(told).task("counting", 40, "things") as advance:
        for _ in range(20):
            now_s[0] += 0.5
            advance()
    lines = told.getvalue().splitlines()
    assert lines[0] == "counting: 2 of 40 things, 2/s, 19 s left"
    assert lines[1] == "counting: 12 of 40 things, 2/s, 14 s left"
    assert len(lines) == 2


def test_where_nobody_knows_how_much_there_is_the_rate_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    told = io.StringIO()
    with ShownWatch(told).task("reading", None, "rounds") as advance:
        now_s[0] += 2.0
        advance(5000)
    assert told.getvalue() == "reading: 5,000 rounds, 2.5e+03/s\n"


def test_a_terminal_gets_a_bar_that_does_not_wait_for_the_first_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.0)
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                seen.extend(chunk)
        except OSError:
            # The other end was closed: all was read.
            return

    reader = threading.Thread(target=read)
    reader.start()
    with (
        os.fdopen(theirs, "w") as terminal,
        ShownWatch(terminal).task("counting", 3, "things") as advance,
    ):
        wait_until(lambda: b"0/3" in seen, 30.0, "the bar")
        advance()
        wait_until(lambda: b"1/3" in seen, 30.0, "the bar's progress")
    reader.join(30.0)
    os.close(ours)
    assert b"counting" in seen
