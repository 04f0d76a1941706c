"""``marquee relearn``, as a shell runs it, beside a service's state on a real log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bandit import checkpoint
from bandit.checkpoint import load_checkpoint
from bandit.lease import Lease
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from bandit.types import SURFACES
from server.cli import main
from server.local import state_overrides, wait_until
from tests.server.real_service import CATALOG, EVERYBODY_LEARNED, SETTINGS, Site, event, site_at

WAIT_S = 60.0


class Scene:
    """A service that has learned some plays, and was stopped unless it is to go on."""

    def __init__(self, site: Site, root: Path) -> None:
        self.site = site
        self.root = root
        self.work = root / "work"
        self.work.mkdir()
        self.node = site.node()
        assert self.node.http.put("/v1/catalog", json=CATALOG).status_code == 200

    def visits(self, count: int = 8) -> None:
        """Have pages shown and played, and all of that learned."""
        for number in range(count):
            page = self.node.rank(viewer_id=f"v{number}")
            self.node.report(event(f"p{number}", page, "play", "t0", row="r0", seconds=600.0))
        self.site.close_windows()
        self.site.learn()

    def stop(self) -> None:
        self.site.stop(self.node)

    def files(self) -> dict[str, bytes]:
        """Return all that the learner and its snapshots keep."""
        config = self.site.config
        places = [Path(config.learner.directory), Path(config.snapshots.directory)]
        found = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
        return {str(path): path.read_bytes() for path in found if path.name != "lease"}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    settings = {**SETTINGS, **EVERYBODY_LEARNED}
    with site_at(tmp_path / "state", settings) as site:
        made = Scene(site, tmp_path)
        for name, setting in {**state_overrides(tmp_path / "state"), **settings}.items():
            monkeypatch.setenv(name, setting)
        monkeypatch.setenv("TMPDIR", str(made.work))
        monkeypatch.setattr("tempfile.tempdir", None)
        monkeypatch.setattr(os, "nice", lambda _steps: 0)
        yield made


def relearn(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["relearn", *arguments])


def test_models_are_written_where_out_says_and_nothing_else_changes(scene: Scene) -> None:
    scene.visits()
    scene.stop()
    before = scene.files()
    told = relearn("--out", str(scene.root / "tried"))
    assert told.exit_code == 0, told.output
    assert scene.files() == before
    keys = snapshot_keys(scene.site.config)
    for surface in SURFACES:
        (found,) = FileSnapshotStore(scene.root / "tried", keys).versions(surface)
        assert found.version in told.output
        served = scene.site.snapshots.versions(surface)[0]
        assert found.examples_learned == served.examples_learned
        ours = FileSnapshotStore(scene.root / "tried", keys).load_arrays(surface, found.version)[1]
        theirs = scene.site.snapshots.load_arrays(surface, served.version)[1]
        np.testing.assert_array_equal(ours.weights, theirs.weights)
    assert list(scene.work.iterdir()) == []


def test_one_surface_may_be_asked_for(scene: Scene) -> None:
    scene.visits()
    scene.stop()
    told = relearn("--out", str(scene.root / "tried"), "--surface", "rows")
    assert told.exit_code == 0, told.output
    store = FileSnapshotStore(scene.root / "tried", snapshot_keys(scene.site.config))
    assert [len(store.versions(surface)) for surface in SURFACES] == [0, 1]
    refused = relearn("--adopt", "--surface", "rows")
    assert refused.exit_code == 2
    assert "leave out --surface" in refused.output


def test_the_learner_goes_on_from_what_is_adopted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.visits()
    scene.stop()
    directory = Path(scene.site.config.learner.directory)
    before, _ = load_checkpoint(directory)
    monkeypatch.setenv("MARQUEE__SURFACES__ARTWORK__MODEL__BITS", "11")
    told = relearn("--adopt")
    assert told.exit_code == 0, told.output
    assert "goes on from here" in told.output
    after, problems = load_checkpoint(directory)
    assert before is not None
    assert after is not None
    assert problems == []
    assert after.position.sequences == before.position.sequences
    assert after.counts.examples == before.counts.examples
    assert after.engines["artwork"] != before.engines["artwork"]
    assert after.engines["rows"] == before.engines["rows"]


def test_a_learner_at_work_is_told_of_before_anything_is_learned(scene: Scene) -> None:
    scene.visits()
    scene.stop()
    before = scene.files()
    with Lease(Path(scene.site.config.learner.directory), 1):
        told = relearn("--adopt", "--out", str(scene.root / "tried"))
    assert told.exit_code == 2
    assert "is held" in told.output
    assert not (scene.root / "tried").exists()
    assert scene.files() == before


def test_a_log_that_teaches_nothing_replaces_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.visits()
    scene.stop()
    before = scene.files()
    for surface in ("ARTWORK", "ROWS"):
        monkeypatch.setenv(f"MARQUEE__SURFACES__{surface}__MODE", "log_only")
    told = relearn("--adopt", "--publish", "--activate")
    assert told.exit_code == 2, told.output
    assert "nothing was learned" in told.output
    assert "hint:" in told.output
    assert scene.files() == before


def test_a_disk_that_refuses_is_told_with_a_hint(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.visits()
    scene.stop()

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "write_durably", full)
    told = relearn("--out", str(scene.root / "tried"))
    assert told.exit_code == 2, told.output
    assert "No space left on device" in told.output
    assert "TMPDIR" in told.output
    assert "nothing was learned" not in told.output


@pytest.fixture
def usual_interrupts() -> Iterator[None]:
    """Tests started in the background of a shell inherit that Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.processes
@pytest.mark.usefixtures("usual_interrupts")
def test_ctrl_c_ends_it_and_leaves_nothing_behind(scene: Scene) -> None:
    """The service's clock stands, so that the log's end is never reached."""
    scene.visits()
    before = scene.files()
    command = [sys.executable, "-m", "server.cli", "relearn", "--adopt", "--out"]
    process = subprocess.Popen(
        [*command, str(scene.root / "tried")], stderr=subprocess.PIPE, env={**os.environ}
    )
    try:
        wait_until(lambda: any(scene.work.glob("*/learner")), WAIT_S, "learning to begin")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WAIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 1
    assert b"Aborted!" in said
    assert b"Traceback" not in said
    assert list(scene.work.iterdir()) == []
    assert not (scene.root / "tried").exists()
    assert scene.files() == before
