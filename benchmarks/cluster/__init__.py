"""Several machines around one Redis, measured on one: ``python -m benchmarks.cluster``."""
