"""Every error the HTTP edge raises by itself; those of the core are in :mod:`bandit.errors`.

::

    MarqueeError
    ├── StateUnavailableError  the state directory cannot be read or written now
    ├── ExplainerBusyError     one explanation is made at a time
    └── RequestError           a request is refused; may carry the field at fault
        ├── BodySyntaxError        the body is not the JSON or MessagePack it claims to be
        ├── BodyLengthError        the body's length is nonsense, or the body ended early
        ├── LengthRequiredError    the body's length was not announced
        ├── BodyTooLargeError      the body is larger than allowed
        ├── BodyInvalidError       the body is well-formed and wrong
        │   └── TooManyError           more items than allowed
        ├── MediaTypeError         the body's encoding is unknown
        ├── NotAcceptableError     no encoding of ours is acceptable to the client
        ├── UnauthenticatedError   no key, or an unknown one
        ├── ForbiddenError         the key may not do this
        ├── NoSuchPageError        there is no such page, or file of one
        ├── NoSuchDecisionError    the log holds no such decision
        ├── RateLimitedError       the caller has called too often
        └── TokenError             a decision token is missing, not ours, too old or too long
"""

from __future__ import annotations

from typing import Literal

from bandit.errors import MarqueeError

TokenCode = Literal["token_missing", "token_invalid", "token_expired", "token_too_large"]


class StateUnavailableError(MarqueeError):
    """The state directory cannot be read or written now; the same call may succeed later."""


class ExplainerBusyError(MarqueeError):
    """Another explanation is being made; the same call may succeed a moment later."""


class NoSuchFiguresError(MarqueeError):
    """A title is not among those that are counted singly."""


class RequestError(MarqueeError):
    """A request is refused because of ``field``, where one is at fault."""

    def __init__(self, message: str, *, hint: str, field: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class BodySyntaxError(RequestError):
    """The body is not the JSON or MessagePack it claims to be."""


class BodyLengthError(RequestError):
    """The body's announced length is nonsense, or the body ended before it."""


class LengthRequiredError(RequestError):
    """The body's length was not announced."""


class BodyTooLargeError(RequestError):
    """The body is larger than the configuration allows."""


class BodyInvalidError(RequestError):
    """The body is well-formed and not what the call asks for."""


class TooManyError(BodyInvalidError):
    """A list is longer than the configuration allows."""


class MediaTypeError(RequestError):
    """The body's encoding is unknown."""


class NotAcceptableError(RequestError):
    """The client accepts none of the encodings on offer."""


class UnauthenticatedError(RequestError):
    """No API key was given, or one that is not known."""


class ForbiddenError(RequestError):
    """The API key is known and may not do this."""


class NoSuchPageError(RequestError):
    """There is no such page for people, or no such file of one."""


class NoSuchDecisionError(RequestError):
    """The log holds no decision of this id."""


class RateLimitedError(RequestError):
    """The caller has called too often, by the limit of ``rate_limits`` that ``name`` names.

    ``wait_s`` is after how long the next call may come.
    """

    def __init__(self, name: str, most: int, length_s: int, wait_s: float) -> None:
        super().__init__(
            f"more than {most} calls within {length_s} s, which is what rate_limits.{name} allows",
            hint="wait as long as Retry-After says; whoever runs the service may raise the limit",
        )
        self.name = name
        self.most = most
        self.length_s = length_s
        self.wait_s = wait_s


class TokenError(RequestError):
    """A decision token does not entitle to feedback; ``code`` says why in one word."""

    def __init__(self, code: TokenCode, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint, field="token")
        self.code = code
