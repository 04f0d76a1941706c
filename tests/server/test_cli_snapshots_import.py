"""``marquee snapshots import``: what it asks for, what it says, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bandit.config.loading import load_config
from bandit.model import VowpalEngine, engine_version
from bandit.scoring import ModelShape
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, SnapshotDetails
from server.cli import main
from server.local import state_overrides

BITS = {"MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "10"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["snapshots", *arguments])


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version that another installation published, with its keys beside it."""
    config = load_config(None, {**state_overrides(tmp_path / "theirs"), **BITS})
    store = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
    shape = ModelShape.of("artwork", config.surfaces.artwork.model)
    arrays, state = VowpalEngine(shape, config.surfaces.artwork.model).snapshot()
    details = SnapshotDetails(
        created_at_us=1,
        bits=shape.bits,
        interactions=[list(names) for names in shape.interactions],
        constant=shape.constant,
        engine_version=engine_version(),
        examples_learned=0,
        log_clock_us=0,
    )
    manifest = store.publish("artwork", arrays, state, details)
    return Path(config.snapshots.directory, "artwork", manifest.version)


@pytest.fixture(autouse=True)
def _ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**state_overrides(tmp_path / "ours"), **BITS}.items():
        monkeypatch.setenv(name, value)


def test_a_directory_needs_the_keys_of_its_makers(version: Path, tmp_path: Path) -> None:
    refused = run("import", str(version))
    assert refused.exit_code == 2
    assert "not signed with one of the keys" in refused.stderr
    assert "--keys" in refused.stderr
    keys = tmp_path / "theirs" / "secrets" / "snapshots.keys"
    taken = run("import", str(version), "--keys", str(keys))
    assert taken.exit_code == 0, taken.output
    assert taken.stderr == ""
    assert "what is served stays" in taken.output
    command = taken.output.splitlines()[-1].partition("marquee snapshots ")[2]
    activated = run(*command.split())
    assert activated.exit_code == 0, activated.output
    assert run("list").output.splitlines()[1].split()[-1] == "yes"


def test_a_bare_model_is_refused_unless_told_and_then_warned_of(
    version: Path, tmp_path: Path
) -> None:
    file = tmp_path / "model.vw"
    file.write_bytes((version / "model.bin").read_bytes())
    refused = run("import", str(file))
    assert refused.exit_code == 2
    assert "a bare model has no signature" in refused.stderr
    taken = run("import", str(file), "--unsigned")
    assert taken.exit_code == 0, taken.output
    assert "warning" in taken.stderr
    assert "without a signature" in taken.stderr
