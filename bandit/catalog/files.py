"""Catalog files: JSON Lines for people and scripts, MessagePack for size.

A ``.jsonl`` file holds one object a line: a title or a row as in the API, with ``"kind": "title"``
or ``"kind": "row"``; empty lines are passed over. A ``.msgpack`` file holds one map with
``titles`` and ``rows``, the form in which :class:`bandit.catalog.store.CatalogStore` keeps versions
as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from bandit.catalog.checking import Places, check_document
from bandit.catalog.documents import CatalogDocument, canonical_bytes, decode_document
from bandit.catalog.problems import Problems, decoding_problem
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.files import write_atomically
from bandit.types import Row, Title

LINE_BYTES_MAX: Final = 4_000_000
"""Longest line of a JSON Lines catalog, in bytes."""

_DEFAULT_LIMITS: Final = LimitsConfig()
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class TitleLine(Title, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="title"):
    """A line that holds a title."""


class RowLine(Row, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="row"):
    """A line that holds a row."""


_line_decoder: Final = msgspec.json.Decoder(TitleLine | RowLine)
_line_encoder: Final = msgspec.json.Encoder(order="deterministic")


def read_catalog_file(path: Path, limits: LimitsConfig = _DEFAULT_LIMITS) -> CatalogDocument:
    """Read and check a catalog file.

    Raises:
        CatalogError: the file cannot be read, is larger than ``limits`` allow, or is wrong; names
            the place (``file:line field`` in JSON Lines) and the mend of up to 20 faults.
    """
    if path.suffix not in (".jsonl", ".msgpack"):
        raise CatalogError(
            str(path),
            f"a catalog file ends in .jsonl or .msgpack, not {path.suffix!r}",
            hint="rename it, or write it in one of these formats",
        )
    try:
        size = path.stat().st_size
        if size > limits.catalog_bytes_max:
            raise CatalogError(
                str(path),
                f"{size} bytes are more than the {limits.catalog_bytes_max} allowed",
                hint="raise catalog_bytes_max in the configuration's [limits]",
            )
        return _read_lines(path, limits) if path.suffix == ".jsonl" else _read_map(path, limits)
    except OSError as error:
        raise CatalogError(
            str(path),
            f"cannot be read: {error.strerror}",
            hint="check the path and its permissions",
        ) from error


def _read_map(path: Path, limits: LimitsConfig) -> CatalogDocument:
    document = decode_document(path.read_bytes(), str(path))
    places = Places(
        lambda index: f"{path} titles[{index}]", lambda index: f"{path} rows[{index}]", str(path)
    )
    check_document(document, limits, places)
    return document


def _read_lines(path: Path, limits: LimitsConfig) -> CatalogDocument:
    problems = Problems()
    titles: list[Title] = []
    rows: list[Row] = []
    title_lines: list[int] = []
    row_lines: list[int] = []
    with path.open("rb") as file:
        for number, content in _lines(file, path, problems):
            try:
                line = _line_decoder.decode(content)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                where = f"{path}:{number}"
                problems.add(*decoding_problem(error, content, msgspec.json.decode, where))
                continue
            if isinstance(line, TitleLine):
                titles.append(Title(line.id, line.artworks, line.features))
                title_lines.append(number)
            else:
                rows.append(Row(line.id, line.features, line.titles))
                row_lines.append(number)
    problems.raise_if_any()
    document = CatalogDocument(titles, rows)
    places = Places(
        lambda index: f"{path}:{title_lines[index]}",
        lambda index: f"{path}:{row_lines[index]}",
        str(path),
    )
    check_document(document, limits, places)
    return document


def _lines(file: BinaryIO, path: Path, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """Yield the number and content of each line that is not empty, up to one that is too long."""
    for number in count(1):
        content = file.readline(LINE_BYTES_MAX + 1)
        if not content:
            return
        if len(content) > LINE_BYTES_MAX:
            problems.add(
                f"{path}:{number}",
                f"the line is longer than {LINE_BYTES_MAX} bytes",
                "write one title or row a line; what follows was not looked at",
            )
            return
        if number == 1:
            content = content.removeprefix(_BYTE_ORDER_MARK)
        if content.strip():
            yield number, content


def write_catalog_file(path: Path, document: CatalogDocument) -> None:
    """Write a catalog file, whole or not at all; the path's ending names the format.

    Raises:
        CatalogError: the path ends in neither .jsonl nor .msgpack, or the document holds what the
            types do not allow.
    """
    content = canonical_bytes(document)
    if path.suffix == ".jsonl":
        document = decode_document(content)
        lines: list[msgspec.Struct] = [
            TitleLine(title.id, title.artworks, title.features) for title in document.titles
        ]
        lines += [RowLine(row.id, row.features, row.titles) for row in document.rows]
        content = _line_encoder.encode_lines(lines)
    elif path.suffix != ".msgpack":
        raise CatalogError(
            str(path),
            f"a catalog file ends in .jsonl or .msgpack, not {path.suffix!r}",
            hint="choose one of these endings",
        )
    write_atomically(path, content)
