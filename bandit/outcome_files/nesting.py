"""Nested Python values to Arrow arrays and back: lists, and structs as tuples.

A column is laid flat, level by level, so that a page's forty titles cost three flat arrays instead
of a hundred and sixty small objects made one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

from bandit.outcome_files.arrow import arrow


def as_arrow(values: Sequence[Any], kind: Any) -> Any:
    """Return values as an array of an Arrow type; a struct's value is a tuple of its fields."""
    pa = arrow()
    if pa.types.is_list(kind):
        offsets = pa.array([0, *accumulate(map(len, values))], pa.int32())
        flat = as_arrow(list(chain.from_iterable(values)), kind.value_type)
        return pa.ListArray.from_arrays(offsets, flat, type=kind)
    if pa.types.is_struct(kind):
        fields = list(kind)
        columns = zip(*values, strict=True) if values else [()] * len(fields)
        arrays = [
            as_arrow(list(column), field.type)
            for column, field in zip(columns, fields, strict=True)
        ]
        return pa.StructArray.from_arrays(arrays, fields=fields)
    return pa.array(values, kind)


def as_python(array: Any) -> list[Any]:
    """Return an array's values as :func:`as_arrow` takes them."""
    types = arrow().types
    if types.is_list(array.type):
        flat = as_python(array.flatten())
        ends = list(accumulate(array.value_lengths().to_pylist()))
        return [flat[first:end] for first, end in zip([0, *ends], ends, strict=False)]
    if types.is_struct(array.type):
        return list(zip(*(as_python(field) for field in array.flatten()), strict=True))
    values: list[Any] = array.to_pylist()
    return values
