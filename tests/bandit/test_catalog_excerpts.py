"""What is told of a stored catalog: the same whether it was read here or by a child process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandit.catalog import EMPTY_VERSION, CatalogDocument, CatalogStore, excerpts
from bandit.catalog.excerpts import excerpt, vocabularies
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.types import Artwork, Row, Title

DOCUMENT = CatalogDocument(
    [
        Title(
            f"t{number}",
            [Artwork("a0", {"mood": "eerie"}), Artwork("a1", {"mood": "calm", "size": 2.0})],
            {"genre": "noir"} if number else {},
        )
        for number in range(4)
    ],
    [Row(f"r{number}", {"era": f"e{number}"}, ["t0"]) for number in range(2)],
)


@pytest.fixture
def version(tmp_path: Path) -> str:
    return CatalogStore(tmp_path, LimitsConfig()).save(DOCUMENT)


@pytest.mark.parametrize("apart_from_bytes", [0, 1_000_000], ids=["apart", "here"])
def test_only_what_was_asked_for_is_told(
    tmp_path: Path, version: str, apart_from_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpts, "APART_FROM_BYTES", apart_from_bytes)
    told = excerpt(tmp_path, version, ["t3", "t1", "gone"], ["r1", "gone"])
    assert told == CatalogDocument([DOCUMENT.titles[1], DOCUMENT.titles[3]], [DOCUMENT.rows[1]])
    known = vocabularies(tmp_path, version)
    assert known.artwork["artwork"].tokens == ["size", "mood=calm", "mood=eerie"]
    assert known.artwork["artwork"].uses == [1.0, 0.5, 0.5]
    assert dict(zip(known.artwork["title"].tokens, known.artwork["title"].uses, strict=True)) == {
        "genre=noir": 0.75
    }
    assert known.artwork["id"].tokens[:2] == ["id=t0/a0", "id=t0/a1"]
    assert known.rows["row"].tokens == ["era=e0", "era=e1"]
    assert known.rows["id"].tokens == ["id=r0", "id=r1"]


@pytest.mark.parametrize("apart_from_bytes", [0, 1_000_000], ids=["apart", "here"])
def test_a_damaged_version_is_refused(
    tmp_path: Path, version: str, apart_from_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpts, "APART_FROM_BYTES", apart_from_bytes)
    path = tmp_path / f"{version}.msgpack"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"x")
    with pytest.raises(CatalogError, match="is damaged"):
        excerpt(tmp_path, version, ["t1"], [])


def test_no_catalog_has_nothing_to_tell(tmp_path: Path) -> None:
    assert excerpt(tmp_path, EMPTY_VERSION, ["t1"], []) == CatalogDocument([], [])
    assert vocabularies(tmp_path, EMPTY_VERSION).artwork == {}
    with pytest.raises(CatalogError, match="no catalog version"):
        excerpt(tmp_path, "c0123456789abcdef", ["t1"], [])
