"""Exit codes of ``marquee-sim``."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""All was well asked, and no estimate could be made; the verdicts say why."""

MISCONFIGURED: Final = 2
"""What was asked for is wrong; a hint on standard error says how to mend it."""

INTERRUPTED: Final = 130
"""Ctrl-C: what was done until then was printed and written (128 + SIGINT, as shells have it)."""
