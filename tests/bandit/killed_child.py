"""A child that is killed before it answers."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    print("begun", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
