from __future__ import annotations

import os
from pathlib import Path

import pytest

from bandit.errors import LeaseHeldError
from bandit.lease import Lease


def test_a_second_lease_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "learner"
    with Lease(directory, 5), pytest.raises(LeaseHeldError) as refusal:
        Lease(directory, 6)
    assert str(os.getpid()) in refusal.value.message
    assert "stop that learner" in refusal.value.hint


def test_a_released_lease_can_be_taken_again(tmp_path: Path) -> None:
    first = Lease(tmp_path, 5)
    first.release()
    first.release()
    Lease(tmp_path, 6).release()


def test_what_stands_in_the_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lease").write_bytes(b"\xff not json" * 100)
    with Lease(tmp_path, 5), pytest.raises(LeaseHeldError):
        Lease(tmp_path, 6)
