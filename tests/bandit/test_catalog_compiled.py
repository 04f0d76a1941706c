"""The compiled form of a catalog: what is written is what is mapped, and nothing else is taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.catalog import Catalog, CatalogDocument
from bandit.catalog import compiled as form
from bandit.catalog.compiled import MAGIC, REVISION, Arrays, map_compiled, write_compiled
from bandit.errors import CatalogError
from bandit.types import Artwork, Row, Title

VERSION = "c0123456789abcdef"
ARRAYS: Arrays = {
    "hashes": np.arange(7, dtype=np.uint32),
    "values": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "odd": np.array([1, 2, 3], np.uint8),
    "none": np.empty((0, 4), np.float32),
    "keys": np.array([2**64 - 1], np.uint64),
}

GOLDEN = CatalogDocument(
    [
        Title(
            "t1",
            [
                Artwork("a1", {"mood": "calm", "light": 0.5, "taste": [0.25, 0.0, 2.0]}),
                Artwork("a2", {"tags": ["x", "y", "x"], "zero": 0.0, "text": "New York: 100 %"}),
            ],
            {"year": 1922.0},
        ),
        Title("12", [Artwork("7")], {"genre": "drama"}),
    ],
    [Row("r1", {"name": "Old"}, ["12", "t1"]), Row("42")],
)
GOLDEN_DIGESTS = {1: "afb549c28125967580c9deb058288bdd203157341bff1daa7b077329ed592562"}
"""By revision; those of old ones stay, so that no number is used twice."""
LAYOUT_DIGESTS = {1: "2d3566046c493eb63d070c45d4082f2c54d48790d2ee2bd6e7c058ee960d8271"}


def digest_of(arrays: Arrays) -> str:
    """Return a digest of arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def test_what_a_document_compiles_to_changes_with_the_revision_alone() -> None:
    found = digest_of(Catalog.build(GOLDEN, version=VERSION).to_arrays())
    assert found == GOLDEN_DIGESTS[REVISION], (
        "equal documents give other arrays than before: raise bandit.catalog.compiled.REVISION and "
        "add the new digest under it, or workers go on serving from arrays compiled before"
    )
    assert len(set(GOLDEN_DIGESTS.values())) == len(GOLDEN_DIGESTS)


def test_how_arrays_are_laid_out_changes_with_the_revision_alone(tmp_path: Path) -> None:
    path = tmp_path / "form.arrays"
    write_compiled(path, VERSION, {"odd": np.array([1, 2, 3], np.uint8)})
    assert hashlib.sha256(path.read_bytes()).hexdigest() == LAYOUT_DIGESTS[REVISION]


def test_what_is_mapped_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "form.arrays"
    write_compiled(path, VERSION, ARRAYS)
    mapped = map_compiled(path, VERSION)
    assert mapped.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(mapped[name], array)
        assert mapped[name].dtype == array.dtype
        assert type(mapped[name]) is np.ndarray
    assert [each.name for each in tmp_path.iterdir()] == ["form.arrays"]


def test_mapped_arrays_are_read_only_and_aligned(tmp_path: Path) -> None:
    path = tmp_path / "form.arrays"
    write_compiled(path, VERSION, ARRAYS)
    mapped = map_compiled(path, VERSION)
    with pytest.raises(ValueError, match="read-only"):
        mapped["hashes"][0] = 1
    assert all(array.ctypes.data % 64 == 0 for array in mapped.values() if array.size)


def test_arrays_outlive_the_file_they_were_mapped_from(tmp_path: Path) -> None:
    path = tmp_path / "form.arrays"
    write_compiled(path, VERSION, ARRAYS)
    mapped = map_compiled(path, VERSION)
    write_compiled(path, VERSION, {"hashes": np.zeros(7, np.uint32)})
    path.unlink()
    assert mapped["hashes"].tolist() == list(range(7))


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "form.arrays"
    write_compiled(path, VERSION, ARRAYS)
    whole = path.read_bytes()
    damaged = [
        whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        for place in range(len(whole))
    ]
    damaged += [whole[:length] for length in range(0, len(whole), 7)]
    damaged += [whole + b"\0", b"", MAGIC, whole[::-1]]
    path.chmod(0o644)
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(CatalogError) as caught:
            map_compiled(path, VERSION)
        assert caught.value.place == str(path)


def test_another_version_or_revision_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "form.arrays"
    write_compiled(path, VERSION, ARRAYS)
    with pytest.raises(CatalogError, match="not 1 of c00000"):
        map_compiled(path, "c0000000000000000")
    monkeypatch.setattr(form, "REVISION", REVISION + 1)
    with pytest.raises(CatalogError, match=f"revision {REVISION} of"):
        map_compiled(path, VERSION)


def test_a_lawful_digest_does_not_make_a_header(tmp_path: Path) -> None:
    path = tmp_path / "form.arrays"
    for header in (b"\xc1", msgspec.msgpack.encode({"revision": "1"})):
        rest = len(header).to_bytes(8, "little") + header
        path.write_bytes(MAGIC + hashlib.sha256(rest).digest() + rest)
        with pytest.raises(CatalogError, match="header"):
            map_compiled(path, VERSION)


def test_nobody_writes_into_what_others_have_mapped(tmp_path: Path) -> None:
    path = tmp_path / "form.arrays"
    write_compiled(path, VERSION, ARRAYS)
    assert not path.stat().st_mode & 0o222
    write_compiled(path, VERSION, {"hashes": np.zeros(7, np.uint32)})
    assert map_compiled(path, VERSION)["hashes"].tolist() == [0] * 7


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        map_compiled(tmp_path / "form.arrays", VERSION)
