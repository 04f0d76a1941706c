"""Learning in a cluster: from the events of all machines, by whoever holds the lease."""

from bandit.cluster_learning.checkpoints import OwnCheckpoints
from bandit.cluster_learning.running import run_in_cluster

__all__ = ["OwnCheckpoints", "run_in_cluster"]
