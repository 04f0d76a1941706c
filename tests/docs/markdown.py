"""What the tests of the documents look for in Markdown: fenced blocks, links, anchors."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITTEN = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def blocks(path: Path, language: str) -> list[str]:
    """Return the contents of the fenced blocks in one language."""
    return [content for found, content in _BLOCK.findall(path.read_text()) if found == language]


def languages(path: Path) -> set[str]:
    """Return the languages of all fenced blocks."""
    return {found for found, _ in _BLOCK.findall(path.read_text())}


def prose(path: Path) -> str:
    """Return what stands outside of fenced blocks."""
    return _BLOCK.sub("", path.read_text())


def links(path: Path) -> list[str]:
    """Return the targets of all links and pictures."""
    return _LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """Return what a link may name after ``#``: headings, as GitHub names them, and given ids."""
    text = prose(path)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    named = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return named | set(re.findall(r'<a id="([^"]+)">', text))
