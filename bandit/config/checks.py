"""What keys must fulfil together, and what must hold on this machine."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bandit.config.model_rules import (
    DROP_WEIGHT_MAX,
    find_model_problems,
    importance_max,
    weight_max,
)
from bandit.config.schema import Config, LogConfig, SurfaceConfig
from bandit.config.validating import Problem
from bandit.config.vw_arguments import UPDATE_RULES
from bandit.errors import ConfigError
from bandit.keys import read_keys
from bandit.thinning import untouched_weight
from bandit.types import Surface

_ORIGIN: Final = re.compile(r"\Ahttps?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?\Z")

_FILE_KEYS = (
    ("auth", "client_keys_file"),
    ("auth", "admin_keys_file"),
    ("catalog", "source"),
)
_SECRET_FILE_KEYS = (
    ("auth", "token_keys_file"),
    ("snapshots", "signing_keys_file"),
)

RETENTION_PER_WINDOW: Final = 2
"""Least log.retention_s, by the time for which decisions stay open."""

RATE_PER_SHARE_MAX: Final = 1.0
"""Largest learning_rate / zero_reward_share.

Up to it predictions were found to be off by 5 % of the mean reward at most after 3,000 displays, at
2 by 12 %: the table is that of :mod:`bandit.thinning`.
"""


def find_contradictions(config: Config) -> list[Problem]:
    """Return what single values do not show to be wrong."""
    return [
        *_surface("artwork", config.surfaces.artwork, config.log),
        *_surface("rows", config.surfaces.rows, config.log),
        *_server(config),
        *_auth(config),
        *_context(config),
        *_retention(config),
        *_directories(config),
        *_cluster(config),
    ]


def check_files(config: Config) -> None:
    """Check that the files which the configuration names can be read and used.

    Raises:
        ConfigError: one cannot, or one of those that sign holds no key that is good for it.
    """
    for section, name in (*_FILE_KEYS, *_SECRET_FILE_KEYS):
        given = getattr(getattr(config, section), name)
        if given is None:
            continue
        try:
            with Path(given).open("rb"):
                pass
        except OSError as error:
            raise ConfigError(
                f"{section}.{name}",
                f"{given} cannot be read: {error.strerror}",
                hint="paths are taken from the directory in which `marquee` was started",
            ) from error
        if (section, name) in _SECRET_FILE_KEYS:
            _check_secret_keys(f"{section}.{name}", Path(given))


def _check_secret_keys(path: str, file: Path) -> None:
    try:
        read_keys(file)
    except ConfigError as error:
        raise ConfigError(path, error.message, hint=error.hint) from error


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def needs_keys(config: Config) -> bool:
    """Tell whether any API key is configured, itself or by the name of a file."""
    auth = config.auth
    return bool(
        auth.client_keys or auth.client_keys_file or auth.admin_keys or auth.admin_keys_file
    )


def _surface(surface: Surface, config: SurfaceConfig, log: LogConfig) -> Iterator[Problem]:
    path = f"surfaces.{surface}"
    if config.holdout + config.explore > 1:
        yield Problem(
            f"{path}.holdout",
            f"holdout {config.holdout:g} and explore {config.explore:g} are more than 1 together",
        )
    if config.mode != "log_only" and not config.learn_from:
        yield Problem(
            f"{path}.learn_from", f'is empty in mode {config.mode}; mode = "log_only" says that'
        )
    yield from find_model_problems(surface, config.model)
    if config.mode != "log_only":
        yield from _weights(path, config, log)


def _weights(path: str, config: SurfaceConfig, log: LogConfig) -> Iterator[Problem]:
    """Tell what of the weights, for all reasons together, the model cannot learn from."""
    share, model = config.zero_reward_share, config.model
    dropped = DROP_WEIGHT_MAX if log.queue_full == "drop" else 1.0
    told = [f"{path}.zero_reward_share"] if share < 1.0 else []
    told += ["log.queue_full"] if dropped > 1.0 else []
    rule = next((rule for rule in UPDATE_RULES if rule in model.arguments), None)
    if rule is not None:
        for where in told:
            yield Problem(
                where,
                f"{rule} does not learn from one example of weight 10 what it learns from ten: "
                f"rewards would be estimated wrong; leave out {rule} in {path}.model.arguments, "
                'or weigh all alike by zero_reward_share = 1.0 and log.queue_full = "block"',
            )
    heaviest = importance_max(model) * dropped * untouched_weight(share)
    most = weight_max(model)
    if told and heaviest > most:
        yield Problem(
            told[0],
            f"one example would weigh up to {heaviest:.4g} for all reasons together, and "
            f"{most:.4g} is the most with {path}.model's learning_rate and l2: raise "
            'zero_reward_share, lower l2 or importance_max, or set log.queue_full = "block"',
        )
    least = model.learning_rate / RATE_PER_SHARE_MAX
    if share < min(1.0, least):
        mend = f"give at least {least:.2g}" if least < 1.0 else "give 1.0"
        yield Problem(
            f"{path}.zero_reward_share",
            f"{share:g} is too small with learning_rate {model.learning_rate:g}: rewards would be "
            f"estimated too high; {mend}, or lower learning_rate",
        )


def _server(config: Config) -> Iterator[Problem]:
    host = config.server.host
    if host.startswith("["):
        yield Problem("server.host", f"{host} is a URL's spelling: write {host.strip('[]')}")
    yield from _edge(config)
    for origin in config.server.cors_origins:
        if not _ORIGIN.match(origin):
            yield Problem(
                "server.cors_origins",
                f"{origin!r} is no origin: write scheme, host and port if any, as browsers do, "
                "such as https://www.example.org",
            )
    most, room = config.limits.feedback_events_max, config.log.queue_max
    if most > room:
        yield Problem(
            "limits.feedback_events_max",
            f"{most} is more than log.queue_max, {room}: such a request would be answered 503 for "
            "ever",
        )


def _edge(config: Config) -> Iterator[Problem]:
    server = config.server
    if server.http_server == "granian" and config.rate_limits.trusted_proxies:
        yield Problem(
            "rate_limits.trusted_proxies",
            "granian takes a client's X_Forwarded_For for the proxy's X-Forwarded-For, so that "
            'addresses could be invented: set server.http_server = "gunicorn"',
        )
    if server.admin_port is None:
        return
    if server.admin_port and server.admin_port == server.port:
        yield Problem("server.admin_port", f"{server.admin_port} is server.port as well")
    if server.http_server == "granian":
        yield Problem(
            "server.admin_port",
            "granian listens on one port: leave the key out, or set server.http_server = "
            '"gunicorn"',
        )


def _auth(config: Config) -> Iterator[Problem]:
    auth = config.auth
    for name in ("client", "admin"):
        if getattr(config.rate_limits, name) is not None and not needs_keys(config):
            yield Problem(
                f"rate_limits.{name}", "is counted by API key, and auth has none: set its keys"
            )
    for name, keys in (("client_keys", auth.client_keys), ("admin_keys", auth.admin_keys)):
        if not all(key.strip() for key in keys):
            yield Problem(f"auth.{name}", "holds an empty key")
    if not needs_keys(config) and not is_loopback(config.server.host):
        yield Problem(
            "server.host",
            f"{config.server.host} is reached from other machines, and auth has no key: set "
            "auth.client_keys_file and auth.admin_keys_file, or listen on 127.0.0.1",
        )
    needed = config.reward.window_s
    if auth.token_age_max_s < needed:
        yield Problem(
            "auth.token_age_max_s",
            f"{auth.token_age_max_s:g} is less than reward.window_s, {needed:g}: feedback would "
            "be refused while it is waited for",
        )


def _context(config: Config) -> Iterator[Problem]:
    both = sorted(set(config.context.allow or ()) & set(config.context.deny))
    if both:
        yield Problem("context.deny", f"{', '.join(both)}: allowed and denied at once")


def _retention(config: Config) -> Iterator[Problem]:
    kept_s = config.log.retention_s
    open_s = config.reward.window_s + config.reward.clock_leeway_s
    if kept_s is not None and kept_s < RETENTION_PER_WINDOW * open_s:
        yield Problem(
            "log.retention_s",
            f"{kept_s:g} s is less than twice the {open_s:g} s for which decisions stay open "
            "(reward.window_s and reward.clock_leeway_s): a backup could lack what its own "
            "checkpoint still needs",
        )


def _directories(config: Config) -> Iterator[Problem]:
    named = {
        "server.run_directory": config.server.run_directory,
        "catalog.directory": config.catalog.directory,
        "log.directory": config.log.directory,
        "snapshots.directory": config.snapshots.directory,
        "learner.directory": config.learner.directory,
        "challenger.directory": config.challenger.directory,
    }
    times = Counter(Path(directory).resolve() for directory in named.values())
    for path, directory in named.items():
        if times[Path(directory).resolve()] > 1:
            yield Problem(path, f"{directory} is used for something else as well")


def _cluster(config: Config) -> Iterator[Problem]:
    if config.cluster.redis_url is not None and config.challenger.config is not None:
        yield Problem(
            "challenger.config",
            "a challenger cannot learn in a cluster yet: its events lie on several machines; leave "
            "it out, or cluster.redis_url",
        )
