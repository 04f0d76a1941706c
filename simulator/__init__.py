"""What would another policy have earned? Offline evaluation on logs, and simulation.

The simulator judges policies on logs they did not write (:mod:`simulator.estimators`,
:mod:`simulator.rankings`) and in environments whose truth is known
(:mod:`simulator.environments`). It runs production's own code, :mod:`bandit`, never a copy, and
meets a running service through the public client alone.
"""
