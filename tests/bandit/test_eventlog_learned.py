"""What writers take for learned is what was told last, also where the kernel's clock is coarse."""

from __future__ import annotations

import os
from pathlib import Path

from bandit.eventlog.learned import KEEPING, LearnedFile, write_learned
from bandit.eventlog.protocol import Learned


def test_what_is_taken_back_within_one_tick_is_seen(tmp_path: Path) -> None:
    file = LearnedFile(tmp_path)
    (path,) = _tell(tmp_path, {"spool-000": Learned("id", 9, 5)})
    before = path.stat()
    assert file.read() == {"spool-000": Learned("id", 9, 5)}
    _tell(tmp_path, {})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.read() == {}


def _tell(log: Path, learned: dict[str, Learned]) -> list[Path]:
    write_learned(log, learned)
    return list((log / KEEPING).iterdir())
