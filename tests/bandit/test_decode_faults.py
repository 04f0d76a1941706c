"""The field at fault, found also where msgspec does not tell it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bandit.decode_faults import decode_fault
from bandit.types import Page

decode = msgspec.json.Decoder(Page).decode


def fault_of(value: Any, **limits: int) -> tuple[str, str, str]:
    content = msgspec.json.encode(value)
    with pytest.raises(msgspec.ValidationError) as caught:
        decode(content)
    fault = decode_fault(caught.value, content, msgspec.json.decode, **limits)
    return fault.path, fault.message, fault.hint([("array` of", "own")], "otherwise")


@pytest.mark.parametrize(
    ("value", "path", "hint"),
    [
        ({"context": {"a": 1, "b": None}}, "context.b", "a number, a string, or a list"),
        ({"context": {"a": [1, None]}}, "context.a[1]", "a number, a string, or a list"),
        ({"rows": [{"id": "r", "features": {"a": 1, "b c": 1}}]}, "rows[0].features",
         "name features with"),
        ({"rows": [{"id": "r"}, {"id": "s", "features": {"x": 1e99}}]}, "rows[1].features.x",
         "within the bound"),
        ({"max_rows": 0}, "max_rows", "within the bound"),
        ({"rows": [{}]}, "rows[0]", "add the field"),
        ({"viewer_id": "a b"}, "viewer_id", "_ . : @ / -"),
        ({"titles": [{"id": "t", "artworks": []}]}, "titles[0].artworks", "own"),
        ([], "", "otherwise"),
    ],
)  # fmt: skip
def test_path_and_mend(value: Any, path: str, hint: str) -> None:
    found, message, mend = fault_of(value)
    assert (found, bool(message)) == (path, True)
    assert hint in mend


def test_large_content_is_not_looked_at_again() -> None:
    value = {"context": {"a": 1, "b": None}}
    assert fault_of(value, searched_bytes_max=10)[0] == "context"
    assert fault_of(value, searched_bytes_max=1000)[0] == "context.b"


def test_what_nests_too_deep_has_no_place() -> None:
    fault = decode_fault(RecursionError(), b"", msgspec.json.decode)
    assert (fault.path, fault.message) == ("", "nested too deep")
