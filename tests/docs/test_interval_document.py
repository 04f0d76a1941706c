"""What is written of confidence sequences runs, and shows what it is there for."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import ROOT, blocks


def test_the_running_sequence_narrows_around_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(ROOT / "docs" / "simulator.md", "python")
    exec(compile(example, "simulator.md", "exec"), {})
    *lines, last = capsys.readouterr().out.splitlines()
    ends = [tuple(map(float, re.findall(r"\d\.\d\d", line))) for line in lines]
    assert [line.split()[1] for line in lines] == ["100", "1000", "5000"]
    assert all(low <= 0.3 <= high for low, high in ends)
    widths = [high - low for low, high in ends]
    assert widths == sorted(widths, reverse=True)
    assert last.startswith("above 0.2 for certain from round ")
