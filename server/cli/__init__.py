"""The command line ``marquee``: one file a group of commands."""

from server.cli.root import main

__all__ = ["main"]
