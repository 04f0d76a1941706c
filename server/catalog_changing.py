"""The child that makes large changes: ``python -m server.catalog_changing <order> < <body>``.

It does what a worker's thread does with a small change, from the received bytes on, and answers
with the same errors.
"""

from __future__ import annotations

import sys

import msgspec

from bandit.catalog import CatalogDocument, CatalogPatch, CatalogStore
from bandit.catalog.apart import answer
from server.catalog_admin import REFUSALS, Order
from server.catalog_changes import Changed, patch, put
from server.codec import JSON, MSGPACK, RequestDecoder


def change(order: Order, body: bytes) -> Changed:
    """Make a change.

    Raises:
        BodySyntaxError: the body is not well-formed.
        BodyInvalidError: the body is well-formed and wrong; names the field.
        CatalogError: the catalog that comes of it is wrong, or not to be had.
        CatalogConflictError: another version is current than the order expects.
    """
    encoding = {each.name: each for each in (JSON, MSGPACK)}[order.encoding]
    store = CatalogStore(order.directory, order.limits)
    depth_max = order.limits.depth_max
    if order.call == "put":
        document = RequestDecoder(CatalogDocument, depth_max=depth_max).decode(body, encoding)
        return put(store, document, order.if_match)
    asked = RequestDecoder(CatalogPatch, depth_max=depth_max).decode(body, encoding)
    return patch(store, asked, order.if_match)


def _change_as_told() -> Changed:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    return change(order, sys.stdin.buffer.read())


if __name__ == "__main__":
    answer(_change_as_told, REFUSALS)
