"""``python -m server.cli`` is ``marquee``."""

from server.cli.root import main

main(prog_name="marquee")
