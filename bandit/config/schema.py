"""Every setting, with its type, default, unit and bounds.

The types are the documentation: ``docs/config.md`` is generated from the descriptions here, and
the loader's errors from the types. Units stand last in names: ``_s`` seconds, ``_ms``
milliseconds, ``_bytes`` bytes, ``_max`` a limit.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

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
    "Config",
    "ContextConfig",
    "Fraction",
    "LearnerConfig",
    "LimitsConfig",
    "LogConfig",
    "ModelConfig",
    "RowsSurfaceConfig",
    "ServerConfig",
    "SnapshotsConfig",
    "SurfaceConfig",
    "SurfacesConfig",
]

Count = Annotated[int, Meta(ge=1)]


class ServerConfig(Section, frozen=True, kw_only=True):
    """Where and with how many processes the service listens."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    ] = 8080
    workers: Annotated[int, Meta(ge=1, le=256, description="Scoring processes.")] = 3
    threads: Annotated[
        int, Meta(ge=1, le=256, description="Requests one scoring process handles at once.")
    ] = 8
    http_server: Annotated[
        Literal["gunicorn", "granian"],
        Meta(
            description="What speaks HTTP: gunicorn, with a worker class of ours, or granian, "
            "which does so outside Python (`pip install 'marquee[fast]'`). A reload leaves it as "
            "it is."
        ),
    ] = "gunicorn"
    request_timeout_s: Annotated[
        Positive,
        Meta(description="A worker silent for so long, in seconds, is killed and replaced."),
    ] = 30.0
    keepalive_s: Annotated[
        int, Meta(ge=0, description="How long an idle connection is kept open, in seconds.")
    ] = 15
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            description="On SIGTERM: seconds to answer 'not ready' before the listener closes, "
            "so that load balancers look away first.",
        ),
    ] = 1.0
    graceful_timeout_s: Annotated[
        Positive,
        Meta(description="On SIGTERM: seconds that requests in flight have to finish."),
    ] = 20.0
    restart_backoff_s: Annotated[
        Positive,
        Meta(
            description="Seconds before a dead child is started again; doubles with each death in "
            "quick succession, up to 30."
        ),
    ] = 0.5
    run_directory: Annotated[
        str,
        Meta(
            description="Directory of what belongs to one run of `marquee serve`: its lock and the "
            "effective configuration its processes read."
        ),
    ] = "state/run"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least level of the structured logs on standard error."),
    ] = "info"


class AuthConfig(Section, frozen=True, kw_only=True):
    """Who may call. Keys are best given by file or environment, never in a shared file."""

    client_keys: Annotated[
        list[str], Meta(description="API keys that may rank and send feedback.")
    ] = field(default_factory=list)
    client_keys_file: Annotated[
        str | None, Meta(description="File with further client keys, one a line.")
    ] = None
    admin_keys: Annotated[
        list[str],
        Meta(description="API keys that may also change the catalog and snapshots."),
    ] = field(default_factory=list)
    admin_keys_file: Annotated[
        str | None, Meta(description="File with further admin keys, one a line.")
    ] = None
    open_on_loopback: Annotated[
        bool,
        Meta(
            description="Without any key configured, serve everyone as admin, but only when "
            "listening on a loopback address."
        ),
    ] = True
    token_keys_file: Annotated[
        str | None,
        Meta(
            description="File with the keys that sign decision tokens, one a line, oldest first; "
            "the last one signs. Without it a key is made and kept in the state directory."
        ),
    ] = None
    secrets_directory: Annotated[
        str, Meta(description="Directory in which keys that no file names are made and kept.")
    ] = "state/secrets"
    token_age_max_s: Annotated[
        Positive, Meta(description="Age in seconds past which a decision token is refused.")
    ] = 86_400.0
    clock_leeway_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Added to the greatest age of a token, in seconds, so that nodes whose "
            "clocks differ by so much agree on what is still good.",
        ),
    ] = 10.0
    tenant: Annotated[
        str,
        Meta(
            pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z",
            description="Name bound into tokens: another tenant's tokens are refused.",
        ),
    ] = "default"
    feedback_needs: Annotated[
        Literal["key", "key_or_token"],
        Meta(
            description="What feedback must carry: an API key, or else a valid decision token, as "
            "browsers do."
        ),
    ] = "key_or_token"


class LimitsConfig(Section, frozen=True, kw_only=True):
    """Bounds on what one request may ask."""

    body_bytes_max: Annotated[Count, Meta(description="Largest request body, in bytes.")] = (
        2_000_000
    )
    catalog_bytes_max: Annotated[
        Count, Meta(description="Largest body of a catalog upload, in bytes.")
    ] = 256_000_000
    depth_max: Annotated[
        int, Meta(ge=4, le=64, description="Deepest nesting of arrays and maps in a body.")
    ] = 16
    token_bytes_max: Annotated[Count, Meta(description="Longest decision token, in bytes.")] = 2048
    rows_max: Annotated[Count, Meta(description="Most candidate rows of a page.")] = 200
    titles_max: Annotated[
        Count, Meta(description="Most titles of a page, counted in every row they stand in.")
    ] = 5000
    page_artworks_max: Annotated[
        Count,
        Meta(description="Most artworks that a page's distinct titles may have between them."),
    ] = 20_000
    context_features_max: Annotated[
        Count, Meta(description="Most features of a context, list items counted singly.")
    ] = 256
    item_features_max: Annotated[
        Count,
        Meta(description="Most features of a title, artwork or row, list items counted singly."),
    ] = 128
    batch_pages_max: Annotated[Count, Meta(description="Most pages of one batch.")] = 100
    feedback_events_max: Annotated[
        Count, Meta(description="Most feedback events of one request.")
    ] = 1000


class CatalogConfig(Section, frozen=True, kw_only=True):
    """Where titles, artworks and rows come from."""

    directory: Annotated[
        str,
        Meta(description="Directory in which every catalog version is kept; none is removed."),
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
        str, Meta(description="Directory of the spools, which only grow: no record is removed.")
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
    limits: LimitsConfig = LimitsConfig()
    catalog: CatalogConfig = CatalogConfig()
    context: ContextConfig = ContextConfig()
    surfaces: SurfacesConfig = SurfacesConfig()
    reward: RewardRule = RewardRule()
    log: LogConfig = LogConfig()
    snapshots: SnapshotsConfig = SnapshotsConfig()
    learner: LearnerConfig = LearnerConfig()
