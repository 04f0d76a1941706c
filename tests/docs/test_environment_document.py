"""The page on environments names every environment and setting, with its default."""

from __future__ import annotations

import re

import pytest

from simulator.environments.registry import ENVIRONMENTS, setting_infos
from tests.docs.markdown import ROOT, blocks

DOCUMENT = ROOT / "docs" / "environments.md"


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_every_setting_stands_with_its_default(name: str) -> None:
    text = DOCUMENT.read_text()
    _, _, section = text.partition(f"## `{name}`\n")
    section = section.partition("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\|", section, re.MULTILINE))
    wanted = {
        info.name: "" if info.default in (None, "") else f"`{info.default}`"
        for info in setting_infos(name)
    }
    assert told == wanted


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(DOCUMENT, "python")
    exec(compile(example, str(DOCUMENT), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["0", "500", "1000", "1500"]
    assert lines[4].startswith("Truth(value=0.0")
