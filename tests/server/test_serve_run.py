"""One run's configuration: taken over, handed on and taken back, or kept on a full disk."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from server.run_directory import (
    EFFECTIVE_CONFIG_VARIABLE,
    RunDirectory,
    RunDirectoryError,
    config_sources,
    read_effective_challenger,
    read_effective_config,
)
from server.serve import ServeRun, read_settings


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Put the logs back that a run sets up for its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "marquee.toml"
    path.write_text(text(threads=1))
    return path


@pytest.fixture
def run(tmp_path: Path, file: Path) -> Iterator[ServeRun]:
    environ = {"MARQUEE__SERVER__RUN_DIRECTORY": str(tmp_path / "run")}
    run = ServeRun(file, environ, read_settings(file, environ))
    yield run
    run.close()


def text(threads: int) -> str:
    return f"[server]\nport = 0\nthreads = {threads}\nrestart_backoff_s = {threads}.0\n"


def handed_on(run: ServeRun) -> int:
    """Return what the children would read, after checking that the supervisor goes by the same."""
    named = run.children()[0].environ[EFFECTIVE_CONFIG_VARIABLE]
    server = read_effective_config({EFFECTIVE_CONFIG_VARIABLE: named}).server
    assert run.restart_backoff_s == server.restart_backoff_s
    return server.threads


def test_a_reload_is_handed_on_and_can_be_taken_back_once(run: ServeRun, file: Path) -> None:
    assert handed_on(run) == 1
    assert not run.revert()
    file.write_text(text(threads=2))
    assert run.reload()
    assert handed_on(run) == 2
    assert run.revert()
    assert handed_on(run) == 1
    assert not run.revert()


def test_a_wrong_configuration_changes_nothing(run: ServeRun, file: Path) -> None:
    file.write_text(text(threads=0))
    assert not run.reload()
    assert handed_on(run) == 1
    assert not run.revert()


def test_where_nothing_can_be_written_the_old_configuration_stays(
    run: ServeRun, file: Path, tmp_path: Path
) -> None:
    file.write_text(text(threads=2))
    assert run.reload()
    directory = tmp_path / "run"
    directory.rename(tmp_path / "away")
    file.write_text(text(threads=3))

    assert not run.reload()
    assert not run.revert()
    run.drain()
    assert run.restart_backoff_s == 2.0

    (tmp_path / "away").rename(directory)
    assert handed_on(run) == 2
    assert run.revert(), "the reload before is still the one that can be taken back"
    assert handed_on(run) == 1


def test_the_challenger_is_handed_on_with_the_configuration(
    run: ServeRun, file: Path, tmp_path: Path
) -> None:
    spec = next(child for child in run.children() if child.name == "challenger")
    assert not spec.is_wanted()
    assert read_effective_challenger(spec.environ) is None
    overlay = tmp_path / "candidate.toml"
    overlay.write_text("[surfaces.artwork.model]\nbits = 13\n")
    file.write_text(
        text(threads=2) + f'[challenger]\nconfig = "{overlay}"\n[auth]\nadmin_keys = ["hush"]\n'
    )
    assert run.reload()
    assert spec.is_wanted()
    handed = read_effective_challenger(spec.environ)
    assert handed is not None
    assert handed.config.surfaces.artwork.model.bits == 13
    assert b"hush" not in msgspec.json.encode(handed)

    # Whatever becomes of the file, all go by what was checked, until a reload.
    overlay.write_text("[surfaces.artwork.model]\nbits = 130\n")
    assert read_effective_challenger(spec.environ) == handed
    assert not run.reload(), "it is refused, and the old one stays"
    assert read_effective_challenger(spec.environ) == handed
    assert run.revert()
    assert read_effective_challenger(spec.environ) is None
    assert not spec.is_wanted()


def test_a_run_that_cannot_write_gives_everything_up(tmp_path: Path, file: Path) -> None:
    environ = {"MARQUEE__SERVER__RUN_DIRECTORY": str(tmp_path / "run")}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "effective.json").mkdir()
    with pytest.raises(RunDirectoryError, match=r"effective\.json cannot be written") as caught:
        ServeRun(file, environ, read_settings(file, environ))
    assert caught.value.hint
    shutil.rmtree(tmp_path / "run" / "effective.json")
    RunDirectory(tmp_path / "run").close()


@pytest.mark.parametrize("http_server", ["gunicorn", "granian"])
def test_no_child_starts_threads_for_arithmetic(
    tmp_path: Path, file: Path, http_server: str
) -> None:
    environ = {
        "MARQUEE__SERVER__RUN_DIRECTORY": str(tmp_path / "run"),
        "MARQUEE__SERVER__HTTP_SERVER": http_server,
        "OMP_NUM_THREADS": "2",
    }
    run = ServeRun(file, environ, read_settings(file, environ))
    try:
        for child in run.children():
            assert child.environ["OPENBLAS_NUM_THREADS"] == "1"
            assert child.environ["MKL_NUM_THREADS"] == "1"
            assert child.environ["OMP_NUM_THREADS"] == "2", "who starts it may ask for more"
        assert run.children()[0].name == http_server
    finally:
        run.close()


def test_the_http_server_changes_at_a_restart_only(run: ServeRun, file: Path) -> None:
    file.write_text(text(threads=2) + 'http_server = "granian"\n')
    assert run.reload()
    assert handed_on(run) == 2
    assert run.children()[0].name == "gunicorn"


def test_where_values_come_from_follows_reloads_and_their_revocation(
    run: ServeRun, file: Path
) -> None:
    def told() -> dict[str, str]:
        named = run.children()[0].environ[EFFECTIVE_CONFIG_VARIABLE]
        return config_sources(read_effective_config({EFFECTIVE_CONFIG_VARIABLE: named}))

    assert told()["server.threads"] == str(file)
    assert told()["server.run_directory"] == "MARQUEE__SERVER__RUN_DIRECTORY"
    assert "server.keepalive_s" not in told()
    file.write_text(text(threads=2) + "keepalive_s = 3\n")
    assert run.reload()
    assert told()["server.keepalive_s"] == str(file)
    assert run.revert()
    assert "server.keepalive_s" not in told()
