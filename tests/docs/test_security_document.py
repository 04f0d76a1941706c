"""The threat model names what is tested, and misses nothing that is configured."""

from __future__ import annotations

import re

from bandit.config.keys import walk
from bandit.config.schema import Config
from tests.docs.markdown import ROOT

DOCUMENT = ROOT / "docs" / "security.md"
TEXT = DOCUMENT.read_text()


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_attack_names_a_test_that_exists() -> None:
    rows = [line for line in section("What is defended").splitlines() if line.startswith("| ")]
    attacks = [row for row in rows if not row.startswith("| attack ")]
    assert len(attacks) > 20
    for attack in attacks:
        named = re.findall(r"\]\(([^)]*test_\w+\.py)\)`::(\w+)`", attack)
        assert named, attack
        for path, test in named:
            assert f"def {test}(" in (DOCUMENT.parent / path).read_text(), test


def test_every_key_that_is_named_exists() -> None:
    keys = {path for path, _ in walk(Config)}
    sections = {path.partition(".")[0] for path in keys}
    named = {
        name
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", TEXT)
        if name.partition(".")[0] in sections and not name.endswith(".keys")
    }
    assert len(named) > 10
    assert named <= keys


def test_every_file_of_keys_is_in_the_table_of_keys() -> None:
    files = [path for path, _ in walk(Config) if path.endswith("keys_file")]
    assert len(files) == 5
    for path in files:
        assert f"`{path}`" in section("Keys"), path
