"""The page of formats tells the versions that today's code writes, and where that code is."""

from __future__ import annotations

import re

from bandit.backups.formats import DURABLE_FORMATS
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "formats.md").read_text()


def test_each_format_stands_with_its_version() -> None:
    found = re.findall(r"^\| ([a-z ]+) \| (\d+) \|", PAGE, re.MULTILINE)
    assert {name: int(version) for name, version in found} == DURABLE_FORMATS
    assert len(found) == len(DURABLE_FORMATS)


def test_the_modules_named_exist() -> None:
    modules = re.findall(r"`((?:bandit|tests)/[\w/]+\.py)`", PAGE)
    assert len(modules) > len(DURABLE_FORMATS)
    for module in modules:
        assert (ROOT / module).exists(), module
