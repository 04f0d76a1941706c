"""Worlds whose truth is known: one contract (:class:`simulator.pages.Environment`), by name.

``homepage`` (viewers of a streaming homepage), ``carousel`` (Deezer's published model),
``supervised`` (classification data) and ``logged`` (real logs, by rejection).
"""

from simulator.environments.registry import ENVIRONMENTS, EnvironmentSpec, make_environment
from simulator.environments.truth import truth

__all__ = ["ENVIRONMENTS", "EnvironmentSpec", "make_environment", "truth"]
