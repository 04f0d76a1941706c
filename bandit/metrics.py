"""The metrics: every name, its kind, its labels and its meaning, in one table.

The core counts through the :class:`Metrics` protocol and knows no exporter. ``docs/metrics.md`` is
generated from the table.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol

MetricName = Literal[
    "marquee_requests_total",
    "marquee_request_seconds",
    "marquee_stage_seconds",
    "marquee_connections_open",
    "marquee_connections_slow",
    "marquee_connections_queued",
    "marquee_requests_waiting",
    "marquee_requests_refused_total",
    "marquee_worker_deaths_total",
    "marquee_rate_limit_store_failures_total",
    "marquee_decisions_total",
    "marquee_decisions_unlogged_total",
    "marquee_titles_decided_total",
    "marquee_feedback_total",
    "marquee_entropy_bits",
    "marquee_model_unusable_total",
    "marquee_log_queue_records",
    "marquee_log_disk_free_bytes",
    "marquee_log_disk_low",
    "marquee_log_commit_seconds",
    "marquee_log_committed_records_total",
    "marquee_log_removed_records_total",
    "marquee_log_oldest_record_seconds",
    "marquee_log_spool_bytes",
    "marquee_catalog_rejected_total",
    "marquee_snapshot_rejected_total",
    "marquee_snapshot_loaded_total",
    "marquee_snapshot_created_timestamp_seconds",
    "marquee_join_events_total",
    "marquee_outcomes_total",
    "marquee_examples_learned_total",
    "marquee_learner_lag_seconds",
    "marquee_learner_step_seconds",
    "marquee_learner_dead_letters_total",
    "marquee_open_decisions",
    "marquee_learner_given_up",
    "marquee_drift_alarm",
    "marquee_drift_alarms_total",
    "marquee_challenger_serving",
    "marquee_challenger_decisions",
    "marquee_challenger_lift",
    "marquee_challenger_lag_seconds",
    "marquee_challenger_given_up",
    "marquee_cluster_duty_failing",
    "marquee_cluster_forwarded_records_total",
    "marquee_cluster_forward_lag_seconds",
]

Kind = Literal["counter", "gauge", "histogram"]


class MetricDefinition(NamedTuple):
    """What a metric counts and how it is cut."""

    kind: Kind
    labels: tuple[str, ...]
    help: str


METRICS: Final[dict[MetricName, MetricDefinition]] = {
    "marquee_requests_total": MetricDefinition(
        "counter", ("route", "status"), "Requests answered, by route and HTTP status."
    ),
    "marquee_request_seconds": MetricDefinition(
        "histogram",
        ("route",),
        "Time from the request's headers read to the answer built, by route.",
    ),
    "marquee_stage_seconds": MetricDefinition(
        "histogram", ("stage",), "Time a rank request spends in decode, decide, log and encode."
    ),
    "marquee_rate_limit_store_failures_total": MetricDefinition(
        "counter",
        (),
        "Times that Redis took no counts of rate limits; each process counts for itself meanwhile.",
    ),
    "marquee_connections_open": MetricDefinition(
        "gauge", (), "Open connections of all workers; gunicorn's alone."
    ),
    "marquee_connections_slow": MetricDefinition(
        "gauge",
        (),
        "Open connections that only wait for their client to take an answer, or to hang up; "
        "gunicorn's alone.",
    ),
    "marquee_connections_queued": MetricDefinition(
        "gauge", (), "Connections that wait for a worker to accept them; gunicorn's alone."
    ),
    "marquee_requests_waiting": MetricDefinition(
        "gauge", (), "Requests that wait for a thread, over all workers; gunicorn's alone."
    ),
    "marquee_requests_refused_total": MetricDefinition(
        "counter",
        ("reason",),
        "Requests answered 503 since too much waited already: for a thread (not among "
        "marquee_requests_total), or for another change of the catalog.",
    ),
    "marquee_worker_deaths_total": MetricDefinition(
        "counter",
        ("moment",),
        "Workers that ended otherwise than in order, at_start or at_work; gunicorn's alone.",
    ),
    "marquee_decisions_total": MetricDefinition(
        "counter", ("share",), "Pages decided, by the viewer's share."
    ),
    "marquee_decisions_unlogged_total": MetricDefinition(
        "counter",
        ("reason",),
        "Decisions served without being logged: the log was unavailable, its queue was full, its "
        "disk was low on room, or they were dropped by a draw.",
    ),
    "marquee_titles_decided_total": MetricDefinition(
        "counter", (), "Titles for which an artwork was chosen."
    ),
    "marquee_feedback_total": MetricDefinition(
        "counter", ("result",), "Feedback events received: accepted, duplicate or rejected."
    ),
    "marquee_entropy_bits": MetricDefinition(
        "histogram",
        ("surface",),
        "How open what the learned share gets is, in bits, mean over a page: of artworks the "
        "entropy of each title's probabilities, of rows the surprisal of each place's row.",
    ),
    "marquee_model_unusable_total": MetricDefinition(
        "counter",
        ("surface",),
        "Pages for which the model's scores were not finite; the cold policy served the surface.",
    ),
    "marquee_log_queue_records": MetricDefinition(
        "gauge", (), "Records waiting to be made durable, over all workers."
    ),
    "marquee_log_disk_free_bytes": MetricDefinition(
        "gauge", (), "Free space on the log's disk, in bytes."
    ),
    "marquee_log_disk_low": MetricDefinition(
        "gauge", (), "1 while less is free than log.disk_free_bytes_min, and nothing is logged."
    ),
    "marquee_log_commit_seconds": MetricDefinition("histogram", (), "Time of one group commit."),
    "marquee_log_committed_records_total": MetricDefinition("counter", (), "Records made durable."),
    "marquee_log_removed_records_total": MetricDefinition(
        "counter", (), "Records removed because they were older than log.retention_s, and learned."
    ),
    "marquee_log_oldest_record_seconds": MetricDefinition(
        "gauge", (), "Age of the oldest record in any spool that is being written."
    ),
    "marquee_log_spool_bytes": MetricDefinition(
        "gauge", (), "Size of the spools that are being written, with their journals."
    ),
    "marquee_catalog_rejected_total": MetricDefinition(
        "counter", (), "Stored catalog versions that could not be loaded; the last good one serves."
    ),
    "marquee_snapshot_rejected_total": MetricDefinition(
        "counter", ("surface",), "Snapshots refused as damaged or unsigned; the last good serves."
    ),
    "marquee_snapshot_loaded_total": MetricDefinition(
        "counter", ("surface",), "Snapshots verified and swapped in, over all workers."
    ),
    "marquee_snapshot_created_timestamp_seconds": MetricDefinition(
        "gauge", ("surface",), "Unix time at which the served snapshot was made."
    ),
    "marquee_join_events_total": MetricDefinition(
        "counter", ("disposition",), "What the joiner made of each record."
    ),
    "marquee_outcomes_total": MetricDefinition(
        "counter", ("closed_by",), "Decisions whose outcome closed, by what closed them."
    ),
    "marquee_examples_learned_total": MetricDefinition(
        "counter", ("surface",), "Training examples learned."
    ),
    "marquee_learner_lag_seconds": MetricDefinition(
        "gauge", (), "How far the learner's log clock is behind the present."
    ),
    "marquee_learner_step_seconds": MetricDefinition(
        "histogram", (), "Time of one learner step that had something to do."
    ),
    "marquee_learner_dead_letters_total": MetricDefinition(
        "counter", (), "Records set aside because they could not be read or learned."
    ),
    "marquee_open_decisions": MetricDefinition(
        "gauge", (), "Decisions whose outcome is still open."
    ),
    "marquee_learner_given_up": MetricDefinition(
        "gauge", (), "1 while the learner is given up, as it died again and again."
    ),
    "marquee_drift_alarm": MetricDefinition(
        "gauge", ("name", "surface"), "1 while a drift alarm is raised."
    ),
    "marquee_drift_alarms_total": MetricDefinition(
        "counter", ("name", "surface"), "Drift alarms raised."
    ),
    "marquee_challenger_serving": MetricDefinition(
        "gauge", (), "1 while the challenger serves in the champion's place."
    ),
    "marquee_challenger_decisions": MetricDefinition(
        "gauge", (), "Pages judged under both lines since the last promotion or demotion."
    ),
    "marquee_challenger_lift": MetricDefinition(
        "gauge",
        ("bound",),
        "The challenger's lift over the champion, as a share of the champion's reward: value, and "
        "low and high, which hold at all times at once. NaN where there is none.",
    ),
    "marquee_challenger_lag_seconds": MetricDefinition(
        "gauge", (), "How far the log clock of the challenger's learner is behind the present."
    ),
    "marquee_challenger_given_up": MetricDefinition(
        "gauge", (), "1 while the challenger's learner is given up, as it died again and again."
    ),
    "marquee_cluster_duty_failing": MetricDefinition(
        "gauge",
        ("duty",),
        "1 while this machine cannot do its part in the cluster, mostly as Redis does not answer.",
    ),
    "marquee_cluster_forwarded_records_total": MetricDefinition(
        "counter", (), "Records of this machine's spools that were handed to Redis."
    ),
    "marquee_cluster_forward_lag_seconds": MetricDefinition(
        "gauge", (), "How far what Redis was told of this machine's spools is behind the present."
    ),
}


class Metrics(Protocol):
    """Where the core reports what it does. Labels are given in the table's order."""

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        ...

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: MetricName, *labels: str, value: float) -> None:
        """Add an observation to a histogram."""
        ...


class NoMetrics:
    """Metrics for whoever does not want any."""

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        """Forget the count."""

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        """Forget the value."""

    def observe(self, name: MetricName, *labels: str, value: float) -> None:
        """Forget the observation."""
