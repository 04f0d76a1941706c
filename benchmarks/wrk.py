"""Throughput at saturation, by wrk (Glozer 2012; Debian's package ``wrk``).

One thread of wrk, which a core of its own can feed: it sends each of its connections' requests as
soon as the last is answered. A Lua script that is written for each target rotates over its bodies
and gives each request an id of its own. The script is told a nonce of the run, so that no id comes
twice in any number of runs.

Why wrk is started again where connections are uneven: stock gunicorn's workers race for new
connections, and with sixteen of them one worker may get all or none. What a server can do would
then be a matter of luck, for the floor more than for ours, which deals them out.

Where wrk is missing, the closed loop of :mod:`benchmarks.load` takes its place, which costs more
CPU time beside the server; the figures' work says so.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks.connections import spread
from benchmarks.load import GRACE_S, ID_PLACE, Pace, Target, run_load

PROGRAM: Final = "wrk"
SETTLED_S: Final = 0.4
"""When the connections' spread over workers is looked at, after the start."""

UNEVEN: Final = 1.6
"""A worker with more than this many times its share of the connections: wrk is started again."""

STARTS_MAX: Final = 12
"""After so many short tries the round is measured as it is, and told to be uneven."""

_MARK: Final = "result: "
_NONCE_BYTES: Final = 8
_COUNT_DIGITS: Final = len(ID_PLACE) - 2 * _NONCE_BYTES

# The counter's digits follow the nonce's; together they are as long as what they replace.
_SCRIPT: Final = """
local place = "{place}"
local parts = {{}}
for number, body in ipairs(bodies) do
  local pieces, from = {{}}, 1
  local first, last = body:find(place, from, true)
  while first do
    pieces[#pieces + 1] = body:sub(from, first - 1)
    from = last + 1
    first, last = body:find(place, from, true)
  end
  pieces[#pieces + 1] = body:sub(from)
  parts[number] = pieces
end
local nonce, count = "", 0
function init(args) nonce = args[1] end
function request()
  count = count + 1
  local name = nonce .. string.format("%0{digits}x", count)
  return wrk.format(nil, nil, nil, table.concat(parts[count % #parts + 1], name))
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{mark}{{"requests":%d,"micros":%d,"status":%d,"socket":%d,"p50":%d,"p99":%d}}\\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


class Summary(msgspec.Struct, frozen=True):
    """What the script prints when wrk is done; times in microseconds."""

    requests: int
    micros: int
    status: int
    """Answers of 400 and more."""
    socket: int
    """Connections that failed, reads, writes and time-outs."""
    p50: int
    p99: int


class Saturation(NamedTuple):
    """What a server did with a fixed number of connections that never rest."""

    per_second: float
    p50_ms: float
    p99_ms: float
    spread: list[int]
    """Connections of each worker, most first; empty where that was not looked at."""

    @property
    def even(self) -> bool:
        """Whether no worker had too many connections, as far as was looked at."""
        return _is_even(self.spread)


def generator_name(connections: int) -> str:
    """Say what generated the load, for a figure's work."""
    if shutil.which(PROGRAM) is None:
        return f"closed loop of our generator (wrk is not installed), {connections} connections"
    return f"wrk -t1 -c{connections}"


def saturate(target: Target, connections: int, seconds: float) -> Saturation:
    """Keep the connections busy for so long.

    Raises:
        RuntimeError: a request failed, or was answered by another status than 2xx.
    """
    if shutil.which(PROGRAM) is None:
        result = run_load(target, Pace(connections, seconds)).checked()
        return Saturation(result.per_second, result.percentile_ms(50), result.percentile_ms(99), [])
    with tempfile.TemporaryDirectory(prefix="marquee-bench-wrk-") as directory:
        script = Path(directory) / "requests.lua"
        script.write_text(lua_script(target), encoding="ascii")
        output, shares = _run_wrk(script, target, connections, seconds)
    found = parse(output)
    if found.status or found.socket or not found.requests:
        raise RuntimeError(
            f"of {found.requests} requests {found.status} were refused and {found.socket} failed"
        )
    return Saturation(found.requests / found.micros * 1e6, found.p50 / 1e3, found.p99 / 1e3, shares)


def _run_wrk(
    script: Path, target: Target, connections: int, seconds: float
) -> tuple[str, list[int]]:
    # wrk counts whole seconds only.
    command = [
        PROGRAM, "--threads", "1", "--connections", str(connections),
        "--duration", str(max(1, round(seconds))), "--timeout", "10", "--script", str(script),
        f"http://127.0.0.1:{target.port}{target.path}",
    ]  # fmt: skip
    for start in range(STARTS_MAX):
        process = subprocess.Popen(
            [*command, secrets.token_hex(_NONCE_BYTES)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            shares = _spread_after_start(target)
            if _is_even(shares) or start == STARTS_MAX - 1:
                output, _ = process.communicate(timeout=seconds + GRACE_S + 30)
                break
        finally:
            process.kill()
            process.communicate()
    return output, shares


def _spread_after_start(target: Target) -> list[int]:
    if not target.workers:
        return []
    time.sleep(SETTLED_S)
    return spread(target.port, target.workers)


def _is_even(shares: list[int]) -> bool:
    return not shares or max(shares) <= UNEVEN * sum(shares) / len(shares)


def parse(output: str) -> Summary:
    """Return the summary among what wrk printed.

    Raises:
        RuntimeError: there is none; with what there is.
    """
    for line in output.splitlines():
        if line.startswith(_MARK):
            return msgspec.json.decode(line.removeprefix(_MARK), type=Summary)
    raise RuntimeError(f"wrk told no result: {output.strip()[-500:]}")


def lua_script(target: Target) -> str:
    """Write the requests of a target as a script for wrk, in ASCII."""
    lines = [f'wrk.method = "{target.method}"']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in target.headers.items()]
    lines.append("local bodies = {}")
    lines += [f"bodies[#bodies + 1] = {_literal(body)}" for body in target.bodies or (b"",)]
    script = _SCRIPT.format(place=ID_PLACE.decode(), digits=_COUNT_DIGITS, mark=_MARK)
    return "\n".join(lines) + script


def _literal(content: bytes) -> str:
    """Write bytes as a string of Lua."""
    return '"' + "".join(f"\\{byte:03}" for byte in content) + '"'
