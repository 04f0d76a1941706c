"""A hundred thousand hostile bodies against a whole service: nothing dies, fails or swells.

Memory is measured from when all bounded caches are full to the end, at rest both times. What fills
them is part of the warm-up: pages whose features nobody has seen before, and then hostile requests
for as long as the allocator still settles: workers gain some 10 MB in the first 75,000 of them, and
1 MB in the next 50,000. Halves of what is measured come from two seeds.
"""

from __future__ import annotations

from collections.abc import Iterator

from server.local import LocalServer
from tests.faults.hostile_storm import (
    CLOSED,
    SETTINGS,
    Storm,
    fill_caches,
    memory_kb,
    processes_of,
    together,
    wait_for_rest,
)
from tests.faults.torture.rows import Options, Row

WARM_UP, MEASURED = 75_000, 100_000
QUICK_WARM_UP, QUICK_MEASURED = 1_000, 4_000
CONNECTIONS = 4
SEEDS = 2
GROWTH_MAX = 0.05


def run(options: Options) -> Iterator[Row]:
    """Send them all and look at what is left."""
    warm_up, measured = (QUICK_WARM_UP, QUICK_MEASURED) if options.quick else (WARM_UP, MEASURED)
    with LocalServer(options.directory, settings=SETTINGS) as server:
        storms = [Storm(server, 2 * options.seed + part, CONNECTIONS) for part in range(SEEDS)]
        before = processes_of(server)
        fill_caches(server.url, pages=100 if options.quick else 2_000)
        storms[0].blow(warm_up)
        wait_for_rest(server.url)
        memory_before = {name: memory_kb(pid) for name, pid in before.items()}
        for storm in storms:
            storm.blow(measured // SEEDS)
        wait_for_rest(server.url)
        after = processes_of(server)
        memory_after = {name: memory_kb(pid) for name, pid in after.items()}
    seen = together(storms)
    growth = {
        name: memory_after[name] / memory_before[name] - 1 for name in before.keys() & after.keys()
    }
    figures: dict[str, float | str] = {
        "bodies": sum(seen.statuses.values()),
        "processes replaced": len(set(before.values()) - set(after.values())),
        "5xx": sum(count for status, count in seen.statuses.items() if status >= 500),
        "good requests between": len(seen.goods),
        "of these not well": len(seen.bad_goods),
        **{f"memory growth of {name}": round(one, 4) for name, one in growth.items()},
        **{f"MB of {name}": round(kb / 1024, 1) for name, kb in memory_after.items()},
        **{
            f"answered {status}" if status != CLOSED else "closed unanswered": count
            for status, count in sorted(seen.statuses.items())
        },
    }
    if seen.server_errors or seen.bad_goods:
        figures["first trouble"] = [*seen.server_errors, *seen.bad_goods][0][:400]
    passed = (
        before == after
        and not seen.server_errors
        and not seen.bad_goods
        and max(growth.values()) < GROWTH_MAX
    )
    yield Row("hostile bodies", "tests/faults/torture/hostile_bodies.py", passed, figures)
