"""Decision tokens: valid for their decision alone, for their time, under the keys in the ring."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from bandit.clock import MICROSECONDS
from server.errors import TokenError
from server.tokens import TokenSigner

OLD, NEW, OTHER = b"old-old-old-old-", b"new-new-new-new-", b"other-other-othe"
TENANTS = st.sampled_from(["acme", "caf\u00e9", 'a "quoted" one', "a" * 90])
MADE_US = 1_700_000_000_250_000


def signer(*keys: bytes, tenant: str = "acme") -> TokenSigner:
    return TokenSigner(keys or (OLD, NEW), tenant=tenant, age_max_s=3600.0, leeway_s=10.0)


def code(
    token: str, *, at_s: float = 1.0, decision: str = "d1", by: TokenSigner | None = None
) -> str:
    with pytest.raises(TokenError) as caught:
        (by or signer()).verify(token, decision, MADE_US + round(at_s * MICROSECONDS))
    assert caught.value.hint
    return caught.value.code


def test_a_token_is_valid_for_its_decision_and_always_the_same() -> None:
    token = signer().sign("d1", MADE_US)
    signer().verify(token, "d1", MADE_US)
    assert token == signer().sign("d1", MADE_US)
    assert token != signer().sign("d2", MADE_US)


@pytest.mark.parametrize("at_s", [-86_400.0, -5.0, 0.0, 3599.0, 3609.0])
def test_tokens_live_to_the_leeway_past_their_age_though_clocks_step_back(at_s: float) -> None:
    signer().verify(signer().sign("d1", MADE_US), "d1", MADE_US + round(at_s * MICROSECONDS))


def test_too_old_ones_are_refused() -> None:
    assert code(signer().sign("d1", MADE_US), at_s=3611.0) == "token_expired"


def test_another_decision_or_tenant_is_refused() -> None:
    assert code(signer().sign("d1", MADE_US), decision="d2") == "token_invalid"
    assert code(signer(tenant="rival").sign("d1", MADE_US)) == "token_invalid"


def test_forged_truncated_and_garbled_tokens_are_refused() -> None:
    token = signer().sign("d1", MADE_US)
    forged = signer(OTHER).sign("d1", MADE_US)
    swapped = signer().sign("d2", MADE_US).rpartition(".")[0] + "." + token.rpartition(".")[2]
    for wrong in (forged, swapped, token[:-1], token[:10], "", ".", "a.b", "ü.ü", token + "\x00"):
        assert code(wrong) == "token_invalid", wrong


def test_every_changed_character_is_noticed() -> None:
    token = signer().sign("d1", MADE_US)
    # The last character of a base64 signature carries padding bits that decode to the same bytes.
    for index in range(len(token) - 1):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        assert code(changed) == "token_invalid"


def test_a_signed_value_of_another_shape_is_refused() -> None:
    other = URLSafeSerializer([NEW], salt=b"marquee.decision", signer_kwargs=_signer_kwargs())
    for payload in ([], ["d1"], {"d": 1}, "d1", [1, 2, 3], ["d1", "now", "acme"]):
        assert code(str(other.dumps(payload))) == "token_invalid"


@given(st.from_regex(r"[A-Za-z0-9_.:@/-]{1,256}", fullmatch=True), st.integers(0, 2**50), TENANTS)
def test_tokens_are_those_that_itsdangerous_makes(decision: str, at_us: int, tenant: str) -> None:
    made = signer(OLD, NEW, tenant=tenant).sign(decision, at_us)
    other = URLSafeSerializer([NEW], salt=b"marquee.decision", signer_kwargs=_signer_kwargs())
    payload = [decision, at_us // MICROSECONDS, tenant]
    theirs = str(other.dumps(payload))
    # What they compress they mark by a dot, and stands as it is in ours.
    assert made == theirs or theirs.startswith(".")
    assert other.loads(made) == payload
    signer(OLD, NEW, tenant=tenant).verify(theirs, decision, at_us)


def test_a_huge_token_is_refused_by_its_length_alone() -> None:
    huge = "A" * 10_000_000
    started = time.process_time()
    assert code(huge) == "token_too_large"
    assert time.process_time() - started < 0.05


def test_keys_rotate() -> None:
    by_old = signer(OLD).sign("d1", MADE_US)
    signer(OLD, NEW).verify(by_old, "d1", MADE_US)
    assert signer(OLD, NEW).sign("d1", MADE_US) == signer(NEW).sign("d1", MADE_US)
    assert code(by_old, by=signer(NEW)) == "token_invalid"


def _signer_kwargs() -> dict[str, object]:
    return {"key_derivation": "hmac", "digest_method": hashlib.sha256}
