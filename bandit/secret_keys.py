"""Which keys sign, or hash, what, as the configuration says.

Keys that no file names are made once and kept in ``auth.secrets_directory``, apart from what they
sign.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bandit.config.schema import Config
from bandit.keys import KeyRing, load_or_create_keys, read_keys

_SNAPSHOTS: Final = "snapshots.keys"
_VIEWERS: Final = "viewers.keys"


def snapshot_keys(config: Config) -> KeyRing:
    """Return the keys that sign snapshots.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    return load_or_create_keys(config.snapshots.signing_keys_file, _default(config, _SNAPSHOTS))


def known_snapshot_keys(config: Config) -> KeyRing | None:
    """Return the same for one who only looks: None where no key was made yet, nor makes one.

    Raises:
        ConfigError: the keys cannot be read.
    """
    return _known(config.snapshots.signing_keys_file, _default(config, _SNAPSHOTS))


def token_keys(config: Config) -> KeyRing:
    """Return the keys that sign decision tokens.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    return load_or_create_keys(config.auth.token_keys_file, _default(config, "tokens.keys"))


def viewer_keys(config: Config) -> KeyRing:
    """Return the keys that hash viewers' ids; the last one is in use.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    return load_or_create_keys(config.privacy.viewer_keys_file, _default(config, _VIEWERS))


def known_viewer_keys(config: Config) -> KeyRing | None:
    """Return the same for one who only looks: None where no key was made yet, nor makes one.

    Raises:
        ConfigError: the keys cannot be read.
    """
    return _known(config.privacy.viewer_keys_file, _default(config, _VIEWERS))


def _default(config: Config, name: str) -> Path:
    return Path(config.auth.secrets_directory) / name


def _known(named: str | None, default: Path) -> KeyRing | None:
    """Read the file that is named, which must be there, or the default one, which may not be."""
    if named is not None:
        return read_keys(Path(named))
    return read_keys(default) if default.exists() else None
