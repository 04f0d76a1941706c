"""The command line ``marquee-sim``: one file a command, heavy imports when a command runs."""

from simulator.cli.root import main

__all__ = ["main"]
