"""The run directory: one run at a time, a private configuration, a drain flag, fresh metrics."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from bandit.config import parse_config
from bandit.errors import ConfigError
from server.listening import ListenError, listen, reachable, url_of
from server.run_directory import (
    EFFECTIVE_CONFIG_VARIABLE,
    MEMORY,
    RunDirectory,
    RunDirectoryError,
    is_draining,
    read_effective_config,
    writable,
)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path / "run")
    with pytest.raises(RunDirectoryError, match="another `marquee serve`"):
        RunDirectory(tmp_path / "run")
    first.close()
    RunDirectory(tmp_path / "run").close()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot be used"):
        RunDirectory(tmp_path / "file" / "run")


def test_children_read_the_configuration_and_nobody_else_does(tmp_path: Path) -> None:
    config = parse_config({"auth": {"client_keys": ["hunter2"]}})
    directory = RunDirectory(tmp_path / "run")
    directory.write_config(config)
    file = directory.effective_config
    assert read_effective_config({EFFECTIVE_CONFIG_VARIABLE: str(file)}) == config
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    directory.close()
    assert not file.exists()
    with pytest.raises(ConfigError):
        read_effective_config({EFFECTIVE_CONFIG_VARIABLE: str(file)})
    with pytest.raises(ConfigError):
        read_effective_config({})


def test_draining_is_seen_and_ends_with_the_run(tmp_path: Path) -> None:
    config = parse_config({"server": {"run_directory": str(tmp_path / "run")}})
    directory = RunDirectory(tmp_path / "run")
    assert not is_draining(config)
    directory.set_draining(True)
    assert is_draining(config)
    directory.close()
    assert not is_draining(config)


def test_metrics_are_kept_in_memory_and_go_with_the_run(tmp_path: Path) -> None:
    """A full disk would kill whoever counts in a mapped file on it."""
    memory = tmp_path / "memory"
    memory.mkdir()
    directory = RunDirectory(tmp_path / "run", memory)
    metrics = directory.fresh_metrics()
    assert metrics.parent == memory
    directory.close()
    assert list(memory.iterdir()) == []


def test_metrics_are_not_on_the_disk_of_the_state_where_there_is_memory(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    metrics = directory.fresh_metrics()
    directory.close()
    assert metrics.parent == (writable(MEMORY) or tmp_path / "run")


def test_without_memory_metrics_are_kept_in_the_run_directory(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run", tmp_path / "none")
    metrics = directory.fresh_metrics()
    assert metrics.parent == tmp_path / "run"
    directory.close()
    assert not metrics.exists()


def test_metrics_of_an_earlier_run_are_removed_and_those_of_others_are_not(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    directory, other = (RunDirectory(tmp_path / name, memory) for name in ("run", "other"))
    of_other = other.fresh_metrics()
    first = directory.fresh_metrics()
    (first / "counter_1.db").write_bytes(b"x")
    second = directory.fresh_metrics()
    assert not first.exists()
    assert list(second.iterdir()) == []
    directory.close()
    assert list(memory.iterdir()) == [of_other]
    other.close()


def test_a_port_in_use_is_told() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port, wait_s=0.0)
    with listen("127.0.0.1", port, wait_s=0.0) as again:
        socket.create_connection(again.getsockname()).close()


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(ListenError):
        listen("192.0.2.1", 0)


def test_addresses_in_words() -> None:
    assert url_of("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert url_of("::1", 80) == "http://[::1]:80"
    assert reachable("0.0.0.0", 80) == ("127.0.0.1", 80)
    assert reachable("::", 80) == ("::1", 80)
    assert reachable("10.0.0.1", 80) == ("10.0.0.1", 80)
