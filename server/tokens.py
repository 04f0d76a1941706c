"""Decision tokens: what lets a browser report on the page it was served, and on no other.

A token is the decision's id, the second it was made and the tenant, signed with HMAC-SHA-256. It
is a function of the decision, so that a repeated answer carries the same one. Its length is
checked before anything else is done with it.

Tokens are itsdangerous' URL-safe ones, and it verifies them. Why they are signed without it: it
derives its key and tries to compress each time, 11 µs a token, where the signature takes 3 µs. What
it would have compressed stands as it is here, which it reads as well.

A token from the future is good: only our own clock can have signed it, which has stepped back since
or belongs to a node that is ahead.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from bandit.clock import MICROSECONDS
from server.errors import TokenError

_SALT: Final = b"marquee.decision"
_json: Final = msgspec.json.Encoder().encode
_TAKE_FROM_ANSWER: Final = "send the token of the answer that made this decision, unchanged"


class TokenSigner:
    """Signs and verifies decision tokens.

    ``keys`` stand from the oldest to the newest: the last one signs, all of them verify. A key is
    retired by taking it out, and with it all tokens it signed.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        *,
        tenant: str,
        age_max_s: float,
        leeway_s: float,
        bytes_max: int = 2048,
    ) -> None:
        self._serializer = URLSafeSerializer(
            list(keys),
            salt=_SALT,
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._signing_key = self._serializer.make_signer(_SALT).derive_key()
        self._tenant = tenant
        self._age_max_s = age_max_s
        self._leeway_s = leeway_s
        self._bytes_max = bytes_max

    def sign(self, decision_id: str, decided_at_us: int) -> str:
        """Return the token of a decision; equal arguments give equal tokens."""
        payload = _base64(_json((decision_id, decided_at_us // MICROSECONDS, self._tenant)))
        signature = _base64(hmac.digest(self._signing_key, payload, "sha256"))
        return (payload + b"." + signature).decode("ascii")

    def verify(self, token: str, decision_id: str, now_us: int) -> None:
        """Check that a token is ours, of our tenant, for this decision and of this time.

        Raises:
            TokenError: saying what is wrong with it.
        """
        if len(token) > self._bytes_max:
            raise TokenError(
                "token_too_large",
                f"a token of {len(token)} characters is longer than the {self._bytes_max} allowed "
                "(limits.token_bytes_max)",
                hint=_TAKE_FROM_ANSWER,
            )
        token_decision, token_second, token_tenant = self._payload(token)
        if token_tenant != self._tenant:
            raise TokenError(
                "token_invalid",
                "the token was made for another tenant",
                hint="send feedback to the service that made the decision",
            )
        if token_decision != decision_id:
            raise TokenError(
                "token_invalid",
                f"the token belongs to another decision than {decision_id!r}",
                hint=_TAKE_FROM_ANSWER,
            )
        self._check_age(now_us / MICROSECONDS - token_second)

    def _payload(self, token: str) -> tuple[str, int, str]:
        try:
            payload = self._serializer.loads(token)
        except BadData as error:
            raise TokenError(
                "token_invalid",
                "the token is not signed with a key of this service",
                hint=f"{_TAKE_FROM_ANSWER}; a token whose key was retired cannot be used any more",
            ) from error
        match payload:
            case [str(decision_id), int(second), str(tenant)]:
                return decision_id, second, tenant
        raise TokenError(
            "token_invalid", "the token does not hold a decision", hint=_TAKE_FROM_ANSWER
        )

    def _check_age(self, age_s: float) -> None:
        if age_s > self._age_max_s + self._leeway_s:
            raise TokenError(
                "token_expired",
                f"the token is older than {self._age_max_s:g} s (auth.token_age_max_s)",
                hint="ask for a new page; feedback so late would not be learned from",
            )


def _base64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")
