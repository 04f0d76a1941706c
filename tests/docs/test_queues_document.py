"""The table of queues names bounds and metrics that exist, and numbers as they are."""

from __future__ import annotations

import inspect
import re

from bandit.config.keys import walk
from bandit.config.schema import Config
from bandit.disk_room import RECOVERS_AT
from bandit.eventlog.commit_queue import PATIENT_MAX
from bandit.eventlog.journal import SEGMENT_BYTES
from bandit.metrics import METRICS
from server.catalog_admin import LARGE_AT_ONCE
from server.children import RESTART_LONGEST_S
from server.client import Client
from server.client_socket import PATIENCE_S
from server.exit_codes import GAVE_UP
from server.explainer import AT_ONCE, BUSY_S
from server.listening import BACKLOG
from server.open_files import CONNECTIONS_MAX
from server.pool_gate import LONG_SHARE
from server.slow_clients import DISCARDED_MAX, LINGER_S
from server.whole_requests import REQUEST_BYTES_MAX
from server.worker_watch import SPENT_S
from tests.docs.markdown import ROOT

TEXT = (ROOT / "docs" / "queues.md").read_text()
TABLE = [line for line in TEXT.splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE]
KEYS = {path for path, _ in walk(Config)}
SECTIONS = {path.partition(".")[0] for path in KEYS}


def test_every_metric_exists_and_every_queue_can_be_seen() -> None:
    named = set(re.findall(r"marquee_\w+", TEXT))
    assert named <= set(METRICS)
    assert len(ROWS) > 15
    for queue, _, _, seen in ROWS:
        assert re.search(r"`marquee_\w+`|`feedback_counts\(\)`", seen), queue


def test_every_gauge_of_a_queue_is_in_the_table() -> None:
    seen = " ".join(row[3] for row in ROWS)
    others = {
        "marquee_snapshot_created_timestamp_seconds",
        "marquee_log_oldest_record_seconds",
        "marquee_log_spool_bytes",
        "marquee_challenger_serving",
        "marquee_challenger_decisions",
        "marquee_challenger_lift",
        "marquee_drift_alarm",
    }
    gauges = {name for name, definition in METRICS.items() if definition.kind == "gauge"}
    assert {name for name in gauges - others if f"`{name}`" not in seen} == set()


def test_every_key_exists() -> None:
    named = {
        name
        for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", TEXT)
        if name.partition(".")[0] in SECTIONS
    }
    assert len(named) > 10
    assert named <= KEYS


def test_the_numbers_are_as_they_are() -> None:
    said = {queue: bound for queue, bound, _, _ in ROWS}
    assert f"{BACKLOG} in the kernel" in said["connections nobody has accepted yet"]
    assert f"{BACKLOG} connections between its workers" in TEXT.replace("\n", " ")
    assert f"{CONNECTIONS_MAX} a worker" in said["open connections"]
    slow = said["connections that only wait for their client"]
    assert f"{PATIENCE_S:.0f} s and 1 Mbit/s" in slow
    assert f"{LINGER_S:.0f} s and {DISCARDED_MAX >> 20} MB" in slow
    long = next(queue for queue in said if queue.startswith("long requests"))
    assert f"over {REQUEST_BYTES_MAX >> 10} kB" in long
    assert (LONG_SHARE, said[long].startswith("half of")) == (0.5, True)
    assert f"{LARGE_AT_ONCE} a worker" in next(
        bound for queue, bound in said.items() if queue.startswith("large catalogs")
    )
    explanations = next(bound for queue, bound in said.items() if queue.startswith("explanations"))
    assert f"{AT_ONCE} a worker" in explanations
    assert f"{BUSY_S:.0f} s at most" in explanations
    assert f"{PATIENT_MAX} a worker" in next(
        bound for queue, bound in said.items() if queue.startswith("pages that wait")
    )
    assert f"{SEGMENT_BYTES >> 20} MiB" in said["journal of decisions before their commit"]
    assert f"to {RESTART_LONGEST_S:.0f} s" in said["starts of a child that dies"]
    text = TEXT.replace("\n", " ")
    assert (RECOVERS_AT, "a quarter more than the minimum" in text) == (1.25, True)
    assert f"code is {GAVE_UP}," in text
    assert f"ends in order after {SPENT_S:.0f} s" in text


def test_the_clients_own_queue_is_as_it_is_named() -> None:
    assert "feedback_queue_max" in inspect.signature(Client.__init__).parameters
    assert hasattr(Client, "feedback_counts")
