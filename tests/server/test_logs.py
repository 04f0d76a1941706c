"""Logs are one JSON object a line, from our loggers and others', and hold no secret."""

from __future__ import annotations

import errno
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from bandit.config import parse_config
from server.access_log import log_request
from server.logs import MASK, configure_logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("gunicorn.error", "gunicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_every_logger_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({}), "worker")
    structlog.get_logger().info("ours", answer=42)
    logging.getLogger("gunicorn.error").warning("theirs %s", "too")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["answer"], ours["level"]) == ("ours", 42, "info")
    assert (theirs["event"], theirs["level"]) == ("theirs too", "warning")
    for line in (ours, theirs):
        assert line["process"] == "worker"
        assert str(line["at"]).endswith("Z")


def test_an_exception_stands_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({}), "worker")
    try:
        int("boom")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_the_level_holds_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({"server": {"log_level": "error"}}), "worker")
    structlog.get_logger().warning("ours")
    logging.getLogger("gunicorn.error").warning("theirs")
    logging.getLogger("else").warning("others'")
    assert lines(capsys) == []


def test_secrets_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({}), "worker")
    structlog.get_logger().info("call", token="hunter2", Authorization="Bearer hunter2")
    (line,) = lines(capsys)
    assert (line["token"], line["Authorization"]) == (MASK, MASK)
    assert "hunter2" not in json.dumps(line)


def test_a_request_has_a_line_like_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({}), "worker")
    structlog.get_logger().info("request", route="/v1/rank")
    log_request("/v1/rank", "POST", 201, 0.0123456, "asked-1", ["d1", "d2"])
    by_structlog, line = lines(capsys)
    assert line.keys() == by_structlog.keys() | {
        "method", "status", "ms", "request_id", "decision_ids"
    }  # fmt: skip
    for name in ("event", "level", "process", "pid", "route"):
        assert line[name] == by_structlog[name]
    assert (line["ms"], line["request_id"], line["decision_ids"]) == (
        12.35,
        "asked-1",
        ["d1", "d2"],
    )
    for each in (by_structlog, line):
        written = datetime.fromisoformat(str(each["at"]))
        assert abs(written - datetime.now(UTC)) < timedelta(minutes=1)


def test_requests_lines_keep_to_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({"server": {"log_level": "warning"}}), "worker")
    log_request("/v1/rank", "POST", 201, 0.01, "asked-1", [])
    assert capsys.readouterr().err == ""


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_behind_standard_error_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", FullDisk())
    configure_logs(parse_config({}), "worker")
    structlog.get_logger().error("said into the void")
    log_request("/v1/rank", "POST", 201, 0.01, "asked-1", [])


def test_a_closed_standard_error_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    configure_logs(parse_config({}), "worker")
    closed.close()
    log_request("/v1/rank", "POST", 201, 0.01, "asked-1", [])


def test_whatever_is_said_comes_out_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({}), "worker")
    said = {
        "number": float("nan"),
        "name": "caf\u00e9",
        "thing": errno,
        "file": "\udcff",
        "big": 2**70,
    }
    for name, value in said.items():
        structlog.get_logger().info("said", **{name: value})
    (number, name, thing, file, big) = (
        json.loads(line, parse_constant=pytest.fail)
        for line in capsys.readouterr().err.splitlines()
    )
    assert number["number"] is None
    assert (name["name"], file["file"], big["big"]) == ("caf\u00e9", "\udcff", 2**70)
    assert "module" in thing["thing"]
