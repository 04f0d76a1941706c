"""A checkpoint's place in the log, taken along into a cluster and out of it."""

from __future__ import annotations

from bandit.cluster_learning.positions import alone, in_cluster
from bandit.merge import LateRecord, MergePosition

OWN = MergePosition(
    clock_us=9,
    sequences={"spool-000": 4, "spool-001": 2, "unread": 0},
    files={"spool-000": "aa", "spool-001": "bb", "unread": ""},
    late=[LateRecord("spool-001", 2, 5)],
)
SHARED = MergePosition(
    clock_us=9,
    sequences={"a/spool-000/aa": 4, "a/spool-001/bb": 2},
    files={"a/spool-000/aa": "aa", "a/spool-001/bb": "bb"},
    late=[LateRecord("a/spool-001/bb", 2, 5)],
)


def test_own_spools_become_origins_and_origins_stay() -> None:
    assert in_cluster(OWN, "a") == SHARED
    assert in_cluster(SHARED, "b") == SHARED


def test_of_the_cluster_s_log_that_remains_which_is_our_own_and_there() -> None:
    files = {"spool-000": "aa", "spool-001": "cc"}
    kept = MergePosition(9, {"spool-000": 4}, {"spool-000": "aa"})
    assert alone(SHARED, "a", files) == kept
    assert alone(SHARED, "b", files) == MergePosition(9)
    assert alone(OWN, "a", {}) == OWN


def test_there_and_back_is_where_it_was() -> None:
    files = {"spool-000": "aa", "spool-001": "bb"}
    back = alone(in_cluster(OWN, "a"), "a", files)
    assert back.sequences == {"spool-000": 4, "spool-001": 2}
    assert back.late == OWN.late
