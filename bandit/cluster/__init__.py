"""What machines of one service share through Redis: events, models, catalogs, and who learns.

Everything local stays as it is on a machine that is alone: workers spool to its disk, scorers map
snapshots from it. Beside them one process, the agent, keeps the local stores and Redis in step, so
that no request ever waits for Redis. Whatever Redis holds can be lost without loss: events stay in
the spools until a checkpoint has learned them, models and catalogs lie on the machines as well.
"""
