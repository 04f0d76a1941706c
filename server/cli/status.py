"""``marquee status`` tells whether it is learning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import urllib3

from bandit.config import Config
from bandit.errors import MarqueeError
from bandit.status import read_status
from server.cli.shared import config_option, print_table, read_config

KEY_VARIABLE = "MARQUEE_API_KEY"
TIMEOUT_S = 5.0


class NoStatusError(MarqueeError):
    """Neither a server nor a learner has told a status."""


@click.command()
@click.option("--url", metavar="URL", help="Ask a running server, as in http://127.0.0.1:8080.")
@config_option
def status(url: str | None, config_path: Path | None) -> None:
    """Tell whether it is learning.

    With --url a running server is asked (the variable MARQUEE_API_KEY holds the key, where one is
    needed); otherwise the learner's last report is read from its directory.

    \b
    Example:
      marquee status --url http://127.0.0.1:8080
    """
    told = _from_learner(read_config(config_path)) if url is None else _from_server(url)
    print_table(("what", "value"), list(_lines(told, "")))


def _from_server(url: str) -> Any:
    key = os.environ.get(KEY_VARIABLE)
    headers = {"Accept": "application/json", **({"X-API-Key": key} if key else {})}
    address = f"{url.rstrip('/')}/v1/status"
    try:
        answer = urllib3.request("GET", address, headers=headers, timeout=TIMEOUT_S, retries=False)
        content = msgspec.json.decode(answer.data)
    except (urllib3.exceptions.HTTPError, msgspec.DecodeError) as error:
        raise NoStatusError(
            f"{address} gave no status: {error}", hint="is `marquee serve` running there?"
        ) from error
    if answer.status != 200:
        raise NoStatusError(
            f"{address} answered {answer.status}: {content.get('detail', '')}",
            hint=content.get("hint", "") or f"set {KEY_VARIABLE} to an API key",
        )
    return content


def _from_learner(config: Config) -> Any:
    report = read_status(Path(config.learner.directory))
    if report is None:
        raise NoStatusError(
            f"no learner has reported in {config.learner.directory}",
            hint="start `marquee serve`, or give the same --config as it has",
        )
    return msgspec.to_builtins(report)


def _lines(told: Any, prefix: str) -> Iterator[tuple[str, object]]:
    if isinstance(told, dict):
        for name, value in told.items():
            yield from _lines(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(told, float):
        yield prefix, f"{told:.4g}"
    else:
        yield prefix, "" if told is None else told
