"""The HTTP service around the learning core, its supervisor, its command line and its client."""

SERVICE_EXTENSION = "marquee"
"""Where a worker's application keeps its service, in ``Flask.extensions``; closed at its end."""
