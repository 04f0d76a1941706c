"""The HTTP service around the learning core, its supervisor, its command line and its client."""
