"""Policies to compare: production's own from TOML, and the baselines of the literature.

All speak :class:`simulator.pages.PagePolicy`; :mod:`simulator.policies.registry` makes them by
name. :mod:`simulator.policies.targets` makes the same policies judge logs that others wrote.
"""
