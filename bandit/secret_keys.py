"""Which keys sign what, as the configuration says.

Keys that no file names are made once and kept in ``auth.secrets_directory``, apart from what they
sign.
"""

from __future__ import annotations

from pathlib import Path

from bandit.config.schema import Config
from bandit.keys import KeyRing, load_or_create_keys


def snapshot_keys(config: Config) -> KeyRing:
    """Return the keys that sign snapshots.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    default = Path(config.auth.secrets_directory) / "snapshots.keys"
    return load_or_create_keys(config.snapshots.signing_keys_file, default)


def token_keys(config: Config) -> KeyRing:
    """Return the keys that sign decision tokens.

    Raises:
        ConfigError: the keys cannot be read or made.
    """
    default = Path(config.auth.secrets_directory) / "tokens.keys"
    return load_or_create_keys(config.auth.token_keys_file, default)
