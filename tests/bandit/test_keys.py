"""Key rings: what signs, what verifies, where keys come from, and that none ever shows."""

from __future__ import annotations

import hashlib
import hmac
import stat
import threading
from pathlib import Path

import pytest

from bandit.errors import ConfigError
from bandit.keys import KeyRing, Signature, key_id, load_or_create_keys

OLD = b"the older secret key"
NEW = b"the newer secret key"


def test_the_newest_key_signs_with_hmac_sha256() -> None:
    signature = KeyRing((OLD, NEW)).sign(b"data")

    assert signature.digest == hmac.new(NEW, b"data", hashlib.sha256).hexdigest()
    assert signature.key_id == hashlib.sha256(NEW).hexdigest()[:8]


def test_every_key_of_the_ring_verifies_and_no_other() -> None:
    ring = KeyRing((OLD, NEW))

    assert ring.verify(b"data", KeyRing((OLD,)).sign(b"data"))
    assert ring.verify(b"data", KeyRing((NEW,)).sign(b"data"))
    assert not KeyRing((NEW,)).verify(b"data", KeyRing((OLD,)).sign(b"data"))


@pytest.mark.parametrize("digest", ["", "0" * 64, "ü" * 64])
def test_a_wrong_signature_data_or_key_name_does_not_verify(digest: str) -> None:
    ring = KeyRing((OLD, NEW))
    good = ring.sign(b"data")

    assert not ring.verify(b"data", Signature(good.key_id, digest))
    assert not ring.verify(b"Data", good)
    assert not ring.verify(b"data", Signature(key_id(OLD), good.digest))


def test_keys_never_show() -> None:
    ring = KeyRing((OLD, NEW))
    for shown in (repr(ring), str(ring), f"{ring}"):
        assert OLD.decode() not in shown
        assert NEW.decode() not in shown
        assert key_id(NEW) in shown


def test_a_file_s_comments_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# rotated yearly\n\n  {OLD.decode()}  \n   # indented\n{NEW.decode()}\n")

    ring = load_or_create_keys(str(path), tmp_path / "unused")

    assert ring == KeyRing((OLD, NEW))
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("content", ["", "# nothing\n\n", "too short\n", "\xff\xfe"])
def test_a_file_without_a_usable_key_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(ConfigError, match="keys") as raised:
        load_or_create_keys(str(path), tmp_path / "unused")

    assert raised.value.hint
    assert "too short" not in str(raised.value)


def test_a_missing_file_that_was_named_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "keys"

    with pytest.raises(ConfigError) as raised:
        load_or_create_keys(str(path), tmp_path / "unused")

    assert raised.value.hint
    assert not path.exists()


def test_a_default_key_is_made_once_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys"

    made = load_or_create_keys(None, path)

    assert load_or_create_keys(None, path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(made.keys[0]) >= 40
    assert made != load_or_create_keys(None, tmp_path / "other")
    assert list(path.parent.iterdir()) == [path]


def test_racing_makers_end_with_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    start = threading.Barrier(8)
    rings: list[KeyRing] = []

    def make() -> None:
        start.wait(30)
        rings.append(load_or_create_keys(None, path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(rings) == 8
    assert len({ring.keys for ring in rings}) == 1


def test_a_default_key_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    with pytest.raises(ConfigError) as raised:
        load_or_create_keys(None, tmp_path / "file" / "keys")

    assert raised.value.hint
