"""Whole studies: evaluate, simulate, search, compare."""
