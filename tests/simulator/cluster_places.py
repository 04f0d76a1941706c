"""A cluster of real processes on free ports of 127.0.0.1, for the tests of fanning out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import LocalCluster


@contextmanager
def local_cluster(workers: int, *, nanny: bool = True) -> Iterator[Any]:
    """Start a scheduler in this process and workers of one thread in processes of their own.

    With ``nanny`` a worker that is killed is started anew.
    """
    with warnings.catch_warnings():
        # Dask's own sockets and processes, where a worker was killed.
        warnings.simplefilter("ignore", ResourceWarning)
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=nanny,
            host="127.0.0.1",
            scheduler_port=0,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
        try:
            yield cluster
        finally:
            cluster.close(timeout=20)
