"""Every setting, with its type, default, unit and bounds.

The types are the documentation: ``docs/config.md`` is generated from the descriptions here, and
the loader's errors from the types. Units stand last in names: ``_s`` seconds, ``_ms``
milliseconds, ``_bytes`` bytes, ``_max`` a limit.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from bandit.config.cluster import ClusterConfig
from bandit.config.operations import (
    ChallengerConfig,
    DriftConfig,
    InsightsConfig,
    PagesConfig,
)
from bandit.config.service import (
    AuthConfig,
    Count,
    LimitsConfig,
    RateLimitsConfig,
    ServerConfig,
)
from bandit.config.surfaces import (
    ArtworkSurfaceConfig,
    Fraction,
    ModelConfig,
    Positive,
    RowsSurfaceConfig,
    Section,
    SurfaceConfig,
    SurfacesConfig,
)
from bandit.reward import RewardRule

__all__ = [
    "ArtworkSurfaceConfig",
    "AuthConfig",
    "CatalogConfig",
    "ChallengerConfig",
    "ClusterConfig",
    "Config",
    "ContextConfig",
    "DriftConfig",
    "Fraction",
    "InsightsConfig",
    "LearnerConfig",
    "LimitsConfig",
    "LogConfig",
    "ModelConfig",
    "PagesConfig",
    "PrivacyConfig",
    "RateLimitsConfig",
    "RowsSurfaceConfig",
    "ServerConfig",
    "SnapshotsConfig",
    "SurfaceConfig",
    "SurfacesConfig",
]


class CatalogConfig(Section, frozen=True, kw_only=True):
    """Where titles, artworks and rows come from."""

    directory: Annotated[
        str,
        Meta(
            description="Directory of the catalog's versions. One is removed once it was replaced "
            "longer ago than log.retention_s."
        ),
    ] = "state/catalog"
    source: Annotated[
        str | None,
        Meta(
            description="JSON Lines (.jsonl) or MessagePack (.msgpack) file loaded at start when "
            "no catalog was stored yet; `marquee catalog load` replaces a stored one."
        ),
    ] = None
    poll_interval_s: Annotated[
        Positive, Meta(description="How often workers look for a newer version, in seconds.")
    ] = 0.2


class ContextConfig(Section, frozen=True, kw_only=True):
    """Which context features are used. What is not used is not stored either."""

    allow: Annotated[
        list[str] | None,
        Meta(description="Names of the only context features used; unset allows all."),
    ] = None
    deny: Annotated[
        list[str], Meta(description="Names of context features dropped on arrival.")
    ] = field(default_factory=list)


class LogConfig(Section, frozen=True, kw_only=True):
    """The embedded event log."""

    directory: Annotated[
        str, Meta(description="Directory of the spools, one a scoring process.")
    ] = "state/log"
    queue_max: Annotated[
        Count, Meta(description="Most records that may wait to be made durable in one worker.")
    ] = 20_000
    commit_records_max: Annotated[
        Count, Meta(description="Most records made durable by one commit.")
    ] = 2000
    heartbeat_s: Annotated[
        Positive,
        Meta(description="How often an idle spool's horizon moves forward, in seconds."),
    ] = 0.2
    rank_waits_for_commit: Annotated[
        bool,
        Meta(
            description="Whether a decision is on the disk before it is answered. If not, it is "
            "answered once the operating system holds it: it outlives any process of the service, "
            "and only a crash of the whole machine may lose the last milliseconds."
        ),
    ] = False
    queue_full: Annotated[
        Literal["block", "drop"],
        Meta(
            description="What becomes of decisions while more wait than the disk takes. block: a "
            "page waits for room, rank_commit_timeout_s at most. drop: from half of queue_max on "
            "they are logged with a falling probability, which is kept in those that are. What is "
            "not logged is served, marked unlogged and counted; feedback is never dropped."
        ),
    ] = "block"
    commit_timeout_s: Annotated[
        Positive,
        Meta(description="Longest wait for a commit of feedback, which is then answered 503."),
    ] = 2.0
    rank_commit_timeout_s: Annotated[
        Positive,
        Meta(
            description="Longest wait of a page for room in the log's queue and, where it waits "
            "for that, for its commit; it is then served and marked unlogged. Keep it well below "
            "the deadline of those who ask."
        ),
    ] = 0.15
    retention_s: Annotated[
        Positive | None,
        Meta(
            description="Age in seconds past which records are removed, once they are learned. "
            "Unset keeps all."
        ),
    ] = 2_592_000.0
    disk_free_bytes_min: Annotated[
        int,
        Meta(
            ge=0,
            description="Free space of a disk of the state, in bytes, below which nothing more is "
            "logged, published or changed on it: pages are served unlogged, feedback and catalogs "
            "get 503. It keeps room for what must be written to recover. A quarter more than this "
            "ends it; 0 looks at no disk.",
        ),
    ] = 268_435_456


class PrivacyConfig(Section, frozen=True, kw_only=True):
    """What is kept of viewers."""

    viewer_ids: Annotated[
        Literal["plain", "hashed"],
        Meta(
            description="How viewers' ids stand in the log: as they came, or as a keyed hash that "
            "only this installation's key leads to."
        ),
    ] = "plain"
    viewer_keys_file: Annotated[
        str | None,
        Meta(
            description="File with the key that hashes viewers' ids, the last line counts. Without "
            "it a key is made and kept in auth.secrets_directory."
        ),
    ] = None


class SnapshotsConfig(Section, frozen=True, kw_only=True):
    """Where published models live."""

    directory: Annotated[str, Meta(description="Directory of the snapshots.")] = "state/snapshots"
    signing_keys_file: Annotated[
        str | None,
        Meta(
            description="File with the keys that sign manifests, one a line, oldest first; the "
            "last one signs. Without it a key is made and kept in the state directory."
        ),
    ] = None
    keep: Annotated[int, Meta(ge=2, description="How many snapshots of a surface are kept.")] = 20
    keep_s: Annotated[
        Positive | None,
        Meta(
            description="Age in seconds past which snapshots are removed though they are among "
            "snapshots.keep; the one that is served and the two newest always stay. Unset: age "
            "removes none."
        ),
    ] = None
    poll_interval_s: Annotated[
        Positive, Meta(description="How often workers look for a newer snapshot, in seconds.")
    ] = 0.1


class LearnerConfig(Section, frozen=True, kw_only=True):
    """The process that joins, rewards and learns."""

    batch_records_max: Annotated[
        Count, Meta(description="Most records taken from a spool in one step.")
    ] = 5000
    idle_wait_s: Annotated[
        Positive, Meta(description="Wait before looking again when nothing new came, in seconds.")
    ] = 0.05
    publish_interval_s: Annotated[
        Positive,
        Meta(description="Least time between two snapshots of changed models, in seconds."),
    ] = 0.5
    checkpoint_interval_s: Annotated[
        Positive,
        Meta(
            description="Least time between two checkpoints, in seconds; after a crash so much is "
            "learned anew from the log."
        ),
    ] = 2.0
    directory: Annotated[
        str, Meta(description="Directory of the checkpoint, the lease and the status.")
    ] = "state/learner"
    open_decisions_max: Annotated[
        Count,
        Meta(description="Most decisions awaiting their outcome; past it the oldest close early."),
    ] = 500_000
    events_per_decision_max: Annotated[
        Count,
        Meta(
            description="Most feedback events that one decision is joined with; further ones are "
            "counted as excess."
        ),
    ] = 2000
    attempts_max: Annotated[
        Count,
        Meta(description="Crashes at the same record after which it is set aside."),
    ] = 3
    niceness: Annotated[
        int,
        Meta(
            ge=0,
            le=19,
            description="How far the learner steps back for the scoring processes where cores are "
            "scarce, as `nice` counts it.",
        ),
    ] = 5


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration."""

    server: ServerConfig = ServerConfig()
    auth: AuthConfig = AuthConfig()
    rate_limits: RateLimitsConfig = RateLimitsConfig()
    limits: LimitsConfig = LimitsConfig()
    catalog: CatalogConfig = CatalogConfig()
    context: ContextConfig = ContextConfig()
    surfaces: SurfacesConfig = SurfacesConfig()
    reward: RewardRule = RewardRule()
    log: LogConfig = LogConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    snapshots: SnapshotsConfig = SnapshotsConfig()
    learner: LearnerConfig = LearnerConfig()
    insights: InsightsConfig = InsightsConfig()
    drift: DriftConfig = DriftConfig()
    challenger: ChallengerConfig = ChallengerConfig()
    pages: PagesConfig = PagesConfig()
    cluster: ClusterConfig = ClusterConfig()
