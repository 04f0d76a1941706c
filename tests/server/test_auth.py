"""API keys, roles, and the one case in which none is needed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from bandit.config.schema import AuthConfig, Config, ServerConfig
from bandit.errors import ConfigError
from server.auth import Authenticator, Role, without_keys
from server.errors import ForbiddenError, UnauthenticatedError


def config(host: str = "127.0.0.1", **auth: object) -> Config:
    return Config(server=ServerConfig(host=host), auth=msgspec.convert(auth, AuthConfig))


def role_of(
    authenticator: Authenticator, authorization: str | None, key: str | None = None
) -> Role | None:
    found = authenticator.caller(authorization, key)
    return None if found is None else found.role


@pytest.fixture
def keyed() -> Authenticator:
    return Authenticator(["c-one", "c-two", "both"], ["a-one", "both"])


@pytest.mark.parametrize(
    ("key", "role"),
    [("c-one", "client"), ("c-two", "client"), ("a-one", "admin"), ("both", "admin")],
)
def test_a_key_has_its_role_in_either_header(keyed: Authenticator, key: str, role: Role) -> None:
    assert role_of(keyed, f"Bearer {key}") == role
    assert role_of(keyed, f"bearer  {key} ") == role
    assert role_of(keyed, None, key) == role


@pytest.mark.parametrize("wrong", ["c-on", "c-one ", "C-ONE", "", "c-one\x00", "ключ", "\udcff"])
def test_unknown_keys_are_refused(keyed: Authenticator, wrong: str) -> None:
    with pytest.raises(UnauthenticatedError):
        keyed.caller(None, wrong)


@pytest.mark.parametrize("header", ["c-one", "Basic c-one", "Bearer", "Bearer ", ""])
def test_other_schemes_are_refused(keyed: Authenticator, header: str) -> None:
    with pytest.raises(UnauthenticatedError):
        keyed.caller(header, None)


def test_roles_suffice_or_not(keyed: Authenticator) -> None:
    assert keyed.caller(None, None) is None
    keyed.require("client", "client")
    keyed.require("client", "admin")
    keyed.require("admin", "admin")
    with pytest.raises(ForbiddenError):
        keyed.require("admin", "client")
    with pytest.raises(UnauthenticatedError):
        keyed.require("client", None)


def test_without_keys_everyone_is_admin_on_loopback_only() -> None:
    assert role_of(Authenticator.from_config(config()), None, "anything") == "admin"
    for refused in (config("0.0.0.0"), config("10.0.0.1"), config(open_on_loopback=False)):
        with pytest.raises(ConfigError, match="API key"):
            Authenticator.from_config(refused)


def test_one_key_closes_the_door_on_loopback_too() -> None:
    authenticator = Authenticator.from_config(config(client_keys=["c"]))
    assert authenticator.caller(None, None) is None
    assert role_of(authenticator, None, "c") == "client"


def test_keys_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours\nfirst\n\n  second  \n")
    authenticator = Authenticator.from_config(
        config("0.0.0.0", client_keys=["zero"], client_keys_file=str(path))
    )
    assert [role_of(authenticator, None, key) for key in ("zero", "first", "second")] == [
        "client"
    ] * 3
    for wrong in ("# ours", ""):
        with pytest.raises(UnauthenticatedError):
            authenticator.caller(None, wrong)


def test_a_key_file_that_cannot_be_read_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Authenticator.from_config(config(admin_keys_file=str(tmp_path / "none")))
    assert caught.value.path == "auth.admin_keys_file"


@pytest.mark.parametrize("content", ["", "# to be filled in\n\n"])
@pytest.mark.parametrize("names", [["client"], ["admin"], ["client", "admin"]])
def test_files_without_a_key_let_nobody_in(tmp_path: Path, names: list[str], content: str) -> None:
    for name in names:
        (tmp_path / name).write_text(content)
    keyed = config(**{f"{name}_keys_file": str(tmp_path / name) for name in names})
    with pytest.raises(ConfigError, match="holds a key") as caught:
        Authenticator.from_config(keyed)
    assert caught.value.path == f"auth.{names[0]}_keys_file"
    assert caught.value.hint


def test_callers_are_told_apart_by_their_keys_and_the_keys_are_not_told(
    keyed: Authenticator,
) -> None:
    names = [keyed.caller(None, key) for key in ("c-one", "c-two", "a-one")]
    assert len(set(names)) == 3
    for caller, key in zip(names, ("c-one", "c-two", "a-one"), strict=True):
        assert caller is not None
        assert key not in caller.name
    assert keyed.caller("Bearer c-one", None) == names[0]


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("https://ours.example", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("null", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_without_keys_pages_of_other_sites_are_refused(origin: str | None, is_let_in: bool) -> None:
    server = ServerConfig(cors_origins=["https://ours.example"])
    authenticator = Authenticator.from_config(Config(server=server))
    if is_let_in:
        assert authenticator.caller(None, None, origin) is not None
    else:
        with pytest.raises(ForbiddenError):
            authenticator.caller(None, None, origin)


def test_with_keys_the_key_decides_wherever_the_page_comes_from(keyed: Authenticator) -> None:
    assert keyed.caller(None, "c-one", "https://evil.example") is not None
    assert keyed.caller(None, None, "https://evil.example") is None


def test_a_key_may_be_configured_by_its_digest_which_opens_nothing_itself() -> None:
    digest = "sha256:" + hashlib.sha256(b"c-one").hexdigest()
    authenticator = Authenticator([digest], [])
    assert role_of(authenticator, None, "c-one") == "client"
    with pytest.raises(UnauthenticatedError):
        authenticator.caller(None, digest)


@pytest.mark.parametrize("prefix", ["sha256:", "SHA256:"])
def test_a_digest_in_capitals_is_one_and_opens_nothing_itself(prefix: str) -> None:
    digest = prefix + hashlib.sha256(b"c-one").hexdigest().upper()
    authenticator = Authenticator.from_config(config(client_keys=[digest]))
    assert role_of(authenticator, None, "c-one") == "client"
    with pytest.raises(UnauthenticatedError):
        authenticator.caller(None, digest)


@pytest.mark.parametrize("wrong", ["sha256:abc", "SHA256:", f"sha256:{'ab' * 32}  -"])
@pytest.mark.parametrize("name", ["client", "admin"])
def test_what_only_looks_like_a_digest_is_no_key(tmp_path: Path, name: str, wrong: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"a-key\n{wrong}\n")
    for given in ({f"{name}_keys": ["a-key", wrong]}, {f"{name}_keys_file": str(file)}):
        with pytest.raises(ConfigError, match="key 2 begins with sha256: and is no digest") as told:
            Authenticator.from_config(config(**given))
        assert told.value.path == f"auth.{name}_keys"
        assert wrong[7:] not in str(told.value) or not wrong[7:]


def test_what_a_run_writes_down_knows_the_keys_and_does_not_tell_them() -> None:
    given = config(client_keys=["c-one"], admin_keys=["a-one"])
    written = without_keys(given)
    assert not re.search("[ca]-one", str(written))
    assert without_keys(written) == written
    authenticator = Authenticator.from_config(written)
    for key, role in (("c-one", "client"), ("a-one", "admin")):
        assert role_of(authenticator, None, key) == role
