"""API keys, roles, and the one case in which none is needed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bandit.config.schema import AuthConfig, Config, ServerConfig
from bandit.errors import ConfigError
from server.auth import Authenticator, Role
from server.errors import ForbiddenError, UnauthenticatedError


def config(host: str = "127.0.0.1", **auth: object) -> Config:
    return Config(server=ServerConfig(host=host), auth=msgspec.convert(auth, AuthConfig))


@pytest.fixture
def keyed() -> Authenticator:
    return Authenticator(["c-one", "c-two", "both"], ["a-one", "both"])


@pytest.mark.parametrize(
    ("key", "role"),
    [("c-one", "client"), ("c-two", "client"), ("a-one", "admin"), ("both", "admin")],
)
def test_a_key_has_its_role_in_either_header(keyed: Authenticator, key: str, role: Role) -> None:
    assert keyed.role(f"Bearer {key}", None) == role
    assert keyed.role(f"bearer  {key} ", None) == role
    assert keyed.role(None, key) == role


@pytest.mark.parametrize("wrong", ["c-on", "c-one ", "C-ONE", "", "c-one\x00", "ключ", "\udcff"])
def test_unknown_keys_are_refused(keyed: Authenticator, wrong: str) -> None:
    with pytest.raises(UnauthenticatedError):
        keyed.role(None, wrong)


@pytest.mark.parametrize("header", ["c-one", "Basic c-one", "Bearer", "Bearer ", ""])
def test_other_schemes_are_refused(keyed: Authenticator, header: str) -> None:
    with pytest.raises(UnauthenticatedError):
        keyed.role(header, None)


def test_roles_suffice_or_not(keyed: Authenticator) -> None:
    assert keyed.role(None, None) is None
    keyed.require("client", "client")
    keyed.require("client", "admin")
    keyed.require("admin", "admin")
    with pytest.raises(ForbiddenError):
        keyed.require("admin", "client")
    with pytest.raises(UnauthenticatedError):
        keyed.require("client", None)


def test_without_keys_everyone_is_admin_on_loopback_only() -> None:
    assert Authenticator.from_config(config()).role(None, "anything") == "admin"
    for refused in (config("0.0.0.0"), config("10.0.0.1"), config(open_on_loopback=False)):
        with pytest.raises(ConfigError, match="API key"):
            Authenticator.from_config(refused)


def test_one_key_closes_the_door_on_loopback_too() -> None:
    authenticator = Authenticator.from_config(config(client_keys=["c"]))
    assert authenticator.role(None, None) is None
    assert authenticator.role(None, "c") == "client"


def test_keys_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours\nfirst\n\n  second  \n")
    authenticator = Authenticator.from_config(
        config("0.0.0.0", client_keys=["zero"], client_keys_file=str(path))
    )
    assert [authenticator.role(None, key) for key in ("zero", "first", "second")] == ["client"] * 3
    for wrong in ("# ours", ""):
        with pytest.raises(UnauthenticatedError):
            authenticator.role(None, wrong)


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
