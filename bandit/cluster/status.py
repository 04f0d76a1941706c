"""What Redis tells of a cluster: who is there, who learns, how far, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from bandit.clock import MICROSECONDS
from bandit.cluster.names import Names, Origin, PartitionNames
from bandit.cluster.wire import HostTold
from bandit.snapshots import Pointer
from bandit.types import SURFACES, Surface

if TYPE_CHECKING:
    from redis import Redis

SILENT_S: Final = 10.0
"""A machine that has told nothing for so long is worth a word."""
_told_decoder = msgspec.msgpack.Decoder(HostTold)


class MachineReport(msgspec.Struct, frozen=True):
    """One machine, as it told last."""

    name: str
    told_s_ago: float
    spools: int
    behind_s: float
    """How far what Redis was told of its spools was behind then."""


class PartitionReport(msgspec.Struct, frozen=True):
    """The events of one partition, and their learner."""

    number: int
    learner: str | None
    """The machine that holds the lease; None while nobody does."""
    changes: int
    """How often the lease changed hands."""
    streams: int
    entries: int
    """What the streams hold; learned entries go with the second checkpoint after."""
    bytes: int | None
    """Their room in Redis; None where its user may not ask for that."""
    checkpoint_s_ago: float | None
    """How far the newest checkpoint's log clock is behind the present; None without one."""
    dead_letters: int


class ClusterStatus(msgspec.Struct, frozen=True):
    """A whole cluster."""

    problems: list[str]
    """What is wrong, and what to do; empty where nothing is."""
    redis: dict[str, str]
    machines: list[MachineReport]
    partitions: list[PartitionReport]
    pointers: dict[Surface, str]
    """Which snapshot is served."""
    catalog: str | None


def look(redis: Redis, names: Names, now_us: int) -> ClusterStatus:
    """Return how a cluster stands.

    Raises:
        RedisError: Redis does not answer.
    """
    client: Any = redis
    partitions = [
        _partition(client, number, keys, now_us)
        for number, keys in enumerate(names.all_partitions())
    ]
    machines = _machines(client, names.partition(0), now_us)
    facts = client.info()
    chosen = ("redis_version", "role", "used_memory_human", "maxmemory_human", "maxmemory_policy")
    told = {name: str(facts.get(name, "")) for name in chosen}
    catalog = client.get(names.catalog)
    pointers = {surface: client.get(names.pointer(surface)) for surface in SURFACES}
    return ClusterStatus(
        problems=[*_of_redis(told), *_of_partitions(partitions), *_of_machines(machines)],
        redis=told,
        machines=machines,
        partitions=partitions,
        pointers={
            surface: msgspec.json.decode(body, type=Pointer).version
            for surface, body in pointers.items()
            if body is not None
        },
        catalog=None if catalog is None else catalog.decode(),
    )


def forget(redis: Redis, names: Names, host: str, now_us: int) -> bool:
    """Forget a machine that is gone for good, with what Redis holds of its; tell if it was known.

    It is told to have no spools any more, so that learners wait for nothing of it. One that comes
    back nevertheless tells everything anew that it has not seen learned.

    Raises:
        RedisError: Redis does not answer.
    """
    client: Any = redis
    known = False
    for keys in names.all_partitions():
        body = client.hget(keys.hosts, host)
        places = {} if body is None else _told_decoder.decode(body).spools
        known |= bool(places)
        pipeline = client.pipeline(transaction=True)
        pipeline.hset(keys.hosts, host, msgspec.msgpack.encode(HostTold(now_us, {})))
        for place in places:
            pipeline.delete(keys.stream(Origin(host, *place.split("/"))))
        if places:
            pipeline.execute()
    client.hdel(names.machines, host)
    return known


def _partition(client: Any, number: int, keys: PartitionNames, now_us: int) -> PartitionReport:
    hosts = client.hgetall(keys.hosts)
    streams = [
        keys.stream(Origin(host.decode(), *place.split("/")))
        for host, body in hosts.items()
        for place in _told_decoder.decode(body).spools
    ]
    lengths = [client.xlen(stream) for stream in streams]
    holder = client.get(keys.lease)
    clock_us = client.hget(keys.checkpoint, "clock")
    return PartitionReport(
        number=number,
        learner=None if holder is None else holder.decode().rpartition("/")[0],
        changes=int(client.get(keys.fence) or 0),
        streams=sum(1 for length in lengths if length),
        entries=sum(lengths),
        bytes=_bytes(
            client,
            [stream for stream, length in zip(streams, lengths, strict=True) if length],
        ),
        checkpoint_s_ago=None if clock_us is None else _ago_s(int(clock_us), now_us),
        dead_letters=client.xlen(keys.dead_letters),
    )


def _bytes(client: Any, streams: list[str]) -> int | None:
    from redis.exceptions import NoPermissionError

    try:
        return sum(client.memory_usage(stream) or 0 for stream in streams)
    except NoPermissionError:
        return None


def _machines(client: Any, keys: PartitionNames, now_us: int) -> list[MachineReport]:
    found = []
    for host, body in sorted(client.hgetall(keys.hosts).items()):
        told = _told_decoder.decode(body)
        if not told.spools:
            # Forgotten, or it has not served a page yet.
            continue
        oldest_us = min((spool.horizon_us for spool in told.spools.values()), default=told.at_us)
        behind_s = max(0.0, (told.at_us - oldest_us) / MICROSECONDS)
        found.append(
            MachineReport(host.decode(), _ago_s(told.at_us, now_us), len(told.spools), behind_s)
        )
    return found


def _of_redis(told: dict[str, str]) -> list[str]:
    problems = []
    if told["maxmemory_policy"] != "noeviction":
        problems.append(
            f"Redis may throw away what was not learned: maxmemory-policy is "
            f"{told['maxmemory_policy']}; set it to noeviction"
        )
    if told["role"] != "master":
        problems.append(
            "this Redis is a replica, which takes no events: set cluster.redis_url to the master"
        )
    return problems


def _of_partitions(partitions: list[PartitionReport]) -> list[str]:
    problems = []
    for one in partitions:
        if one.learner is None:
            problems.append(
                f"nobody learns partition {one.number}: start a machine with cluster.learns, or "
                "raise cluster.learners"
            )
        if one.dead_letters:
            problems.append(
                f"partition {one.number} has dead letters, {one.dead_letters}: see what "
                "`marquee status` says was refused last"
            )
    return problems


def _of_machines(machines: list[MachineReport]) -> list[str]:
    if not machines:
        return ["no machine has told anything: is `marquee serve` running with this redis_url?"]
    return [
        f"{one.name} has told nothing for {one.told_s_ago:.0f} s: look at its service, and at the "
        f"network between it and Redis; if it is gone for good, `marquee cluster forget {one.name}`"
        for one in machines
        if one.told_s_ago > SILENT_S
    ]


def _ago_s(at_us: int, now_us: int) -> float:
    return max(0.0, (now_us - at_us) / MICROSECONDS)
