"""Exit codes with which processes of one run tell each other, and the shell, what happened."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""Something had to be killed, or could not be started."""

MISCONFIGURED: Final = 2
"""What was asked for is wrong; a hint on standard error says how to mend it."""

BOOT_REFUSED: Final = 3
"""The HTTP server's, whichever it is, when its workers cannot be built."""

GAVE_UP: Final = 5
"""What speaks HTTP died again and again: starting it once more is no use."""

EX_TEMPFAIL: Final = 75
"""The learner's, while another learner is at work (sysexits.h): starting again may be of use."""

EX_CONFIG: Final = 78
"""The learner's, for a configuration that cannot work: starting again is no use."""
