"""One request and its reply as the handlers see them: typed values, no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from server.auth import Role
from server.codec import Encoding

if TYPE_CHECKING:
    from server.service import Service


class Call(NamedTuple):
    """What a handler is called with."""

    service: Service
    request: Any
    """The decoded body, of the type that the route names; None without one."""
    encoding: Encoding
    """The encoding of the body."""
    role: Role | None
    """The caller's, None only where the route is open or takes tokens."""
    path: Mapping[str, str]
    """The variable parts of the address."""
    if_match: str | None
    """The version that If-Match names."""
    answers_in: Encoding
    """The encoding of the answer."""


class Reply(NamedTuple):
    """What a handler returns."""

    answer: Any = None
    """A value of the type that the route names; bytes where the route is plain, or where it is
    encoded already."""
    status: int | None = None
    """In place of the route's."""
    headers: Mapping[str, str] = {}
    decision_ids: Sequence[str] = ()
    """The decisions concerned, for the access log."""
    media_type: str | None = None
    """In place of the one that a plain route names."""


Handler = Callable[[Call], Reply]
