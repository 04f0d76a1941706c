"""Catalog files are read whole or refused with file, line, field and mend."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import msgspec
import pytest

from bandit.catalog import CatalogDocument, read_catalog_file, write_catalog_file
from bandit.catalog.files import LINE_BYTES_MAX
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.types import Artwork, Row, Title

DOCUMENT = CatalogDocument(
    [
        Title("t1", [Artwork("a1", {"mood": "ruhig – still"}), Artwork("a2")], {"year": 1922.0}),
        Title("t2", [Artwork("a1", {"taste": [1.0, -0.5], "tags": ["x", "y"]})]),
    ],
    [Row("r1", {"name": "Old"}, ["t2", "t1"]), Row("r2")],
)
TITLE = b'{"kind": "title", "id": "t1", "artworks": [{"id": "a1"}]}\n'


@pytest.mark.parametrize("name", ["films.jsonl", "films.msgpack"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    write_catalog_file(tmp_path / name, DOCUMENT)
    assert read_catalog_file(tmp_path / name) == DOCUMENT
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_lines_are_objects_with_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    write_catalog_file(path, DOCUMENT)
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [(line["kind"], line["id"]) for line in lines] == [
        ("title", "t1"),
        ("title", "t2"),
        ("row", "r1"),
        ("row", "r2"),
    ]


def test_map_has_titles_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "films.msgpack"
    write_catalog_file(path, DOCUMENT)
    assert set(msgspec.msgpack.decode(path.read_bytes())) == {"titles", "rows"}


def test_rows_may_stand_before_titles_between_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    row = b'{"kind":"row","id":"r1","titles":["t1"]}'
    path.write_bytes(b"\xef\xbb\xbf" + row + b"\r\n\r\n  \n" + TITLE.rstrip())
    document = read_catalog_file(path)
    assert document == CatalogDocument([Title("t1", [Artwork("a1")])], [Row("r1", titles=["t1"])])


LINES_WRONG: list[tuple[bytes, str, str, str]] = [
    (b'{"kind":"title","id":"t2"}', "", "`artworks`", "add the field"),
    (b'{"id":"t2","artworks":[{"id":"a"}]}', "", "`kind`", "add the field"),
    (b'{"kind":"film","id":"t2"}', " kind", "'film'", '"kind": "title"'),
    (b'{"kind":"title","id":"t 2","artworks":[{"id":"a"}]}', " id", "regex", "characters"),
    (b'{"kind":"title","id":"t2","artworks":[]}', " artworks", ">= 1", "between 1 and 64"),
    (
        b'{"kind":"title","id":"t2","artworks":[{"id":"a","featurs":{}}]}',
        " artworks[0]",
        "`featurs`",
        "spelling",
    ),
    (
        b'{"kind":"title","id":"t2","artworks":[{"id":"a"},{"id":"b","features":'
        b'{"fine":1,"mood":null}}]}',
        " artworks[1].features.mood",
        "`null`",
        "a number, a string, or a list",
    ),
    (
        b'{"kind":"row","id":"r1","features":{"size":[1,2,1e10]}}',
        " features.size[2]",
        "1000000000",
        "finite number",
    ),
    (
        b'{"kind":"row","id":"r1","features":{"a|b":1}}',
        " features",
        "'a|b'",
        "A-Z a-z 0-9 _ . @ / -",
    ),
    (
        b'{"kind":"row","id":"r1","features":{"name":"' + b"x" * 300 + b'"}}',
        " features.name",
        "length <= 256",
        "shorten",
    ),
    (b'{"kind":"row","id":"r1","titles":["t9"]}', " titles[0]", "'t9'", "add the title"),
    (b'{"kind":"row","id":"r1","features":{"m":[1,"x"]}}', " features.m", "not both", "two feat"),
    (TITLE.rstrip(), " id", "'t1' is taken by", "of its own"),
    (b'{"kind":"row","id":"r1"', "", "truncated", "a title is {"),
    (b'{"kind":"row","id":"r1","features":{"m":null},,', " features", "`null`", "a feature is"),
    (
        b'{"kind":"title","id":"t2","artworks":[{"id":"a","features":{"m":null}}],"artworks":[]}',
        " artworks[0].features",
        "`null`",
        "a feature is",
    ),
    (b'["row"]', "", "`object`", "a title is {"),
    (b'{"kind":"row","id":"\xff\xfe"}', "", "utf-8", "a title is {"),
    (b'{"kind":"row","id":"r1","titles":' + b"[" * 100_000, " titles[0]", "`str`", ""),
    (b'{"kind":"row","id":"r1","x":' + b"[" * 100_000, "", "unknown field", "spelling"),
    (b'{"x":' + b"[" * 100_000, "", "nested too deep", "levels"),
]


@pytest.mark.parametrize(
    ("line", "field", "text", "mend"), LINES_WRONG, ids=[str(line[:60]) for line, *_ in LINES_WRONG]
)
def test_wrong_line_is_named(tmp_path: Path, line: bytes, field: str, text: str, mend: str) -> None:
    path = tmp_path / "films.jsonl"
    path.write_bytes(TITLE + b"\n" + line + b"\n")
    with pytest.raises(CatalogError) as caught:
        read_catalog_file(path)
    assert caught.value.place == f"{path}:3{field}"
    assert text in caught.value.message
    assert mend in caught.value.hint


def test_all_wrong_lines_are_told(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    path.write_bytes(b'{"kind":"title"}\n' + TITLE + b'{"kind":"row"}\nnonsense\n')
    with pytest.raises(CatalogError) as caught:
        read_catalog_file(path)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{path}:{n}" for n in (1, 3, 4)]


def test_reading_ends_at_the_twentieth_wrong_line(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    path.write_bytes(b"nonsense\n" * 100_000)
    with pytest.raises(CatalogError) as caught:
        read_catalog_file(path)
    assert len(str(caught.value).splitlines()) == 20
    assert f"{path}:20: " in str(caught.value)
    assert "not looked at" in caught.value.hint


def test_endless_line_is_not_taken_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(CatalogError, match="longer than") as caught:
            read_catalog_file(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * LINE_BYTES_MAX
    finally:
        tracemalloc.stop()
    assert caught.value.place == f"{path}:1"


MAPS_WRONG: list[tuple[bytes, str, str]] = [
    (b"", "", "truncated"),
    (b"\xdd\xff\xff\xff\xff", "", "`object`"),
    (b"\x81\xa6titles\xdd\xff\xff\xff\xff", "", "truncated"),
    (b"\x81\xa6titles" + b"\x91" * 1_000_000, " titles[0]", "`object`"),
    (b"\x91" * 1_000_000, "", "`object`"),
    (b"\x81\xa1x" + b"\x91" * 1_000_000, "", "unknown field"),
    (b"\x81\x01\x90", "", "`str`"),
    (b"\x81\xa6titles\x91\x81\xa2id\xa2\xff\xff", "", "utf-8"),
    (msgspec.msgpack.encode({"titles": []}) + b"\x00", "", "trailing"),
    (msgspec.msgpack.encode({"titles": []}), "", "no title"),
    (msgspec.msgpack.encode({"rows": []}), "", "`titles`"),
    (
        msgspec.msgpack.encode(
            {"titles": [{"id": "t", "artworks": [{"id": "a", "features": {"x": float("nan")}}]}]}
        ),
        " titles[0].artworks[0].features.x",
        "-1000000000",
    ),
    (
        msgspec.msgpack.encode(
            {"titles": [{"id": "t", "artworks": [{"id": "a", "features": {7: 1}}]}]}
        ),
        " titles[0].artworks[0].features",
        "feature name '7'",
    ),
    (
        msgspec.msgpack.encode(
            {"titles": [{"id": "t", "artworks": [{"id": "a", "features": {"m": [1, "a"]}}]}]}
        ),
        " titles[0].artworks[0].features.m",
        "not both",
    ),
]


@pytest.mark.parametrize(
    ("content", "field", "text"), MAPS_WRONG, ids=[text for _, _, text in MAPS_WRONG]
)
def test_wrong_map_is_named(tmp_path: Path, content: bytes, field: str, text: str) -> None:
    path = tmp_path / "films.msgpack"
    path.write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        read_catalog_file(path)
    assert caught.value.place == f"{path}{field}"
    assert text in caught.value.message
    assert caught.value.hint


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_bytes(TITLE)
    with pytest.raises(CatalogError, match="jsonl"):
        read_catalog_file(path)
    with pytest.raises(CatalogError, match="jsonl"):
        write_catalog_file(path, DOCUMENT)
    assert path.read_bytes() == TITLE


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"films.jsonl: cannot be read: No such file"):
        read_catalog_file(tmp_path / "films.jsonl")


def test_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    path.write_bytes(TITLE)
    with pytest.raises(CatalogError) as caught:
        read_catalog_file(path, LimitsConfig(catalog_bytes_max=len(TITLE) - 1))
    assert "catalog_bytes_max" in caught.value.hint
    read_catalog_file(path, LimitsConfig(catalog_bytes_max=len(TITLE)))


def test_limits_on_features_hold_for_files(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    write_catalog_file(path, DOCUMENT)
    with pytest.raises(CatalogError) as caught:
        read_catalog_file(path, LimitsConfig(item_features_max=3))
    assert caught.value.place == f"{path}:2 artworks[0].features"
