"""Published experiments run again: load, settings, score; what was published beside ours.

Each module is a command: ``python -m simulator.experiments.open_bandit`` and so on.
"""
