"""Failure case 26 at length: every route by its description, in both encodings, as everybody."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from server.local import LocalServer
from server.openapi import openapi_json
from tests.faults.api_trials import Role, is_needed_role, trials_of, try_route
from tests.faults.hostile_storm import ADMIN_KEY, CLIENT_KEY, SETTINGS, processes_of
from tests.faults.torture.rows import Options, Row

EXAMPLES, QUICK_EXAMPLES = 20, 3
"""Valid requests a trial, and as many invalid ones; a quarter as callers of too few rights."""


def run(options: Options) -> Iterator[Row]:
    """Try all routes, and count the answers."""
    examples = QUICK_EXAMPLES if options.quick else EXAMPLES
    keys: dict[Role, str] = {"client": CLIENT_KEY, "admin": ADMIN_KEY}
    statuses: Counter[int] = Counter()
    troubles: list[str] = []
    trials = trials_of(json.loads(openapi_json()))
    with LocalServer(options.directory, settings=SETTINGS) as server:
        before = processes_of(server)
        for trial in trials:
            count = examples if is_needed_role(trial) else max(1, examples // 4)
            try:
                statuses += try_route(trial, server.url, keys, count, options.seed)
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - it has its own
                troubles.append(f"{trial}: {type(error).__name__} {error}")
        after = processes_of(server)
    figures: dict[str, float | str] = {
        "routes × callers × encodings": len(trials),
        "requests": statuses.total(),
        "trials with a failure": len(troubles),
        **{f"answered {status}": count for status, count in sorted(statuses.items())},
    }
    if troubles:
        figures["first trouble"] = troubles[0][:1000]
    yield Row("26", "tests/faults/torture/api.py", not troubles and before == after, figures)
