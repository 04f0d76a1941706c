"""The settings of the service around the loop: where it listens, who may call, how much, how often.

The learning core reads none of them but ``limits``, which bounds what a page may ask.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from bandit.config.surfaces import Positive, Section

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
    deaths_max: Annotated[
        Count,
        Meta(
            description="Deaths of a child in quick succession after which it is given up: loudly, "
            "and with the whole service, whose exit code is then 5, where it is what speaks HTTP. "
            "Without the learner pages are served on; SIGHUP tries it again."
        ),
    ] = 20
    requests_waiting_max: Annotated[
        Count,
        Meta(
            description="Most requests that may wait for a thread in one scoring process; further "
            "ones are answered 503 with Retry-After at once. Ranks on the main loop and probes are "
            "answered all the same. granian lets them wait."
        ),
    ] = 256
    admin_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(
            description="Port of its own for admin calls and metrics, which are then answered "
            "there and nowhere else; 0 takes a free one. Unset: they share server.port.",
        ),
    ] = None
    cors_origins: Annotated[
        list[str],
        Meta(
            description="Origins, as in https://www.example.org, whose pages may call from a "
            "browser. None by default."
        ),
    ] = field(default_factory=list)
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


class RateLimitsConfig(Section, frozen=True, kw_only=True):
    """How often each caller may call, as in `100/second` or `5000/minute`; past it 429.

    Without Redis each scoring process counts for itself and grants its equal part.
    """

    client: Annotated[str | None, Meta(description="Of each client key, over all its calls.")] = (
        None
    )
    admin: Annotated[str | None, Meta(description="Of each admin key, over all its calls.")] = None
    address: Annotated[
        str | None,
        Meta(description="Of each network address that sends feedback with tokens and no key."),
    ] = None
    redis_url: Annotated[
        str | None,
        Meta(
            description="Redis through which all processes and hosts count together, as in "
            "redis://host:6379/0. No request waits for it; where it fails, each process counts for "
            "itself meanwhile."
        ),
    ] = None
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="Addresses and networks of the proxies in front, as in 10.0.0.0/8, whose "
            "X-Forwarded-For tells the address. None by default: the connection's other end counts."
        ),
    ] = field(default_factory=list)


class AuthConfig(Section, frozen=True, kw_only=True):
    """Who may call. Keys are best given by file or environment, never in a shared file."""

    client_keys: Annotated[
        list[str],
        Meta(
            description="API keys that may rank and send feedback; each as it is, or as `sha256:` "
            "and the 64 hexadecimal digits of its digest."
        ),
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
