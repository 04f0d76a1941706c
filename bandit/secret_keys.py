"""Which keys sign, or hash, what, as the configuration says.

Keys that no file names are made once and kept in ``auth.secrets_directory``, apart from what they
sign.
"""

from __future__ import annotations

from pathlib import Path

from bandit.config.schema import Config
from bandit.keys import KeyRing, load_or_create_keys, read_keys


def snapshot_keys(config: Config) -> KeyRing:
    """Return the keys that sign snapshots.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    return load_or_create_keys(config.snapshots.signing_keys_file, _snapshot_default(config))


def known_snapshot_keys(config: Config) -> KeyRing | None:
    """Return the same for one who only looks: None where no key was made yet, nor makes one.

    Raises:
        ConfigError: the keys cannot be read.
    """
    path = Path(config.snapshots.signing_keys_file or _snapshot_default(config))
    return read_keys(path) if config.snapshots.signing_keys_file or path.exists() else None


def token_keys(config: Config) -> KeyRing:
    """Return the keys that sign decision tokens.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    default = Path(config.auth.secrets_directory) / "tokens.keys"
    return load_or_create_keys(config.auth.token_keys_file, default)


def viewer_keys(config: Config) -> KeyRing:
    """Return the keys that hash viewers' ids; the last one is in use.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    return load_or_create_keys(config.privacy.viewer_keys_file, _viewer_default(config))


def known_viewer_keys(config: Config) -> KeyRing | None:
    """Return the same for one who only looks: None where no key was made yet, nor makes one.

    Raises:
        ConfigError: the keys cannot be read.
    """
    path = Path(config.privacy.viewer_keys_file or _viewer_default(config))
    return read_keys(path) if config.privacy.viewer_keys_file or path.exists() else None


def _viewer_default(config: Config) -> Path:
    return Path(config.auth.secrets_directory) / "viewers.keys"


def _snapshot_default(config: Config) -> Path:
    return Path(config.auth.secrets_directory) / "snapshots.keys"
