"""``python -m simulator.cli`` is ``marquee-sim``."""

from simulator.cli.root import main

# Spawned workers import this module again, under another name.
if __name__ == "__main__":
    main(prog_name="marquee-sim")
