"""One TOML file, one frozen typed Config."""

from bandit.config.loading import load_config, parse_config
from bandit.config.schema import Config, ModelConfig, SurfaceConfig

__all__ = ["Config", "ModelConfig", "SurfaceConfig", "load_config", "parse_config"]
