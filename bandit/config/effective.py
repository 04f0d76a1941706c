"""The checked configuration as one file, for the processes of one run to read.

The parent checks the TOML file and the environment once; its children read the outcome, so that
all of them work by the same values whatever happens to the file meanwhile.
"""

from __future__ import annotations

import msgspec

from bandit.config.schema import Config
from bandit.errors import ConfigError

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Config)


def effective_json(config: Config) -> bytes:
    """Encode a configuration. The outcome holds the API keys: keep it private."""
    return _encoder.encode(config)


def from_effective_json(encoded: bytes) -> Config:
    """Decode what :func:`effective_json` made.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return _decoder.decode(encoded)
    except msgspec.DecodeError as error:
        raise ConfigError(
            "", f"not an effective configuration: {error}", hint="start `marquee serve` again"
        ) from error
