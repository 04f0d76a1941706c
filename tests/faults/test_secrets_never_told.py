"""No secret is ever told: not in logs, answers, metrics, command lines or the files of a run.

A real server is given a secret in every place that takes one, at the most talkative level, and is
then used, abused, killed in part and given wrong configurations. Afterwards everything that it said
is searched for each secret, and for what was sent in a secret's place.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3

from server.local import LocalServer, children_of, state_overrides, wait_until

pytestmark = pytest.mark.processes

WAIT_S = 60.0
CLIENT = "client-secret-by-variable-51c0"
CLIENT_FILE = "client-secret-by-file-77ab"
ADMIN = "admin-secret-by-variable-0c3e"
ADMIN_FILE = "admin-secret-by-file-e1d9"
TOKENS = "token-secret-of-many-letters-90aa"
SNAPSHOTS = "snapshot-secret-of-many-letters-3b7f"
VIEWERS = "viewer-secret-of-many-letters-64d2"
REDIS = "redis-secret-2e8c"
WRONG = "somebody-elses-secret-f00d"
SECRETS = (CLIENT, CLIENT_FILE, ADMIN, ADMIN_FILE, TOKENS, SNAPSHOTS, VIEWERS, REDIS, WRONG)

TITLE = {"id": "t", "artworks": [{"id": "a"}, {"id": "b"}]}
PAGE = {"viewer_id": "v", "titles": [TITLE]}
CONFIG = """
[server]
log_level = "debug"
workers = 2
drain_s = 0
admin_port = 0
[auth]
client_keys = {client_keys}
client_keys_file = "{directory}/clients"
admin_keys_file = "{directory}/admins"
token_keys_file = "{directory}/tokens"
[snapshots]
signing_keys_file = "{directory}/snapshots"
[privacy]
viewer_ids = "hashed"
viewer_keys_file = "{directory}/viewers"
[rate_limits]
client = "100000/second"
address = "100000/second"
"""


class Told:
    """Everything that came out of the server, by where it came from."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.tokens: list[str] = []

    def ask(
        self, method: str, url: str, body: object = None, key: str | None = None, **more: str
    ) -> tuple[int, Any]:
        """Call, and keep what is answered."""
        headers = {"Content-Type": "application/json", **more}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = urllib3.request(
            method, url, body=None if method == "GET" else raw, headers=headers,
            timeout=WAIT_S, retries=False,
        )  # fmt: skip
        self.texts[f"{len(self.texts)} {method} {url}"] = f"{answer.headers} {answer.data!r}"
        try:
            return answer.status, json.loads(answer.data)
        except ValueError:
            return answer.status, None

    def look_at(self, server: LocalServer) -> None:
        """Keep what can be seen of the running processes and their files."""
        processes = [server.pid]
        for pid in processes:
            processes += children_of(pid)
            self.texts[f"command line of {pid}"] = command_line(pid)
        seen = [path for path in server.directory.rglob("*") if path.is_file()]
        assert server.directory / "run" / "effective.json" in seen
        for path in seen:
            self.texts[str(path)] = path.read_bytes().decode("latin-1")

    def places(self, secret: str, but: frozenset[str] = frozenset()) -> list[str]:
        return [place for place, text in self.texts.items() if secret in text and place not in but]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def write_secrets(directory: Path) -> None:
    for name, secret in (
        ("clients", CLIENT_FILE),
        ("admins", ADMIN_FILE),
        ("tokens", TOKENS),
        ("snapshots", SNAPSHOTS),
        ("viewers", VIEWERS),
    ):
        (directory / name).write_text(secret + "\n")


def write_config(directory: Path, client_keys: str) -> Path:
    path = directory / "marquee.toml"
    path.write_text(CONFIG.format(directory=directory, client_keys=client_keys))
    return path


SETTINGS = {
    "MARQUEE__AUTH__ADMIN_KEYS": json.dumps([ADMIN]),
    # Nobody listens there, so that what fails is told as well.
    "MARQUEE__RATE_LIMITS__REDIS_URL": f"redis://:{REDIS}@127.0.0.1:1/0",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    write_secrets(tmp_path)
    config = write_config(tmp_path, json.dumps([CLIENT]))
    # The state lies apart from the files of secrets.
    with LocalServer(tmp_path / "served", config=config, settings=SETTINGS) as running:
        yield running


def use(told: Told, url: str, inner: str) -> None:
    """Call as those may who know a secret."""
    for number, key in enumerate((CLIENT, CLIENT_FILE, ADMIN, ADMIN_FILE)):
        status, page = told.ask("POST", f"{url}/v1/rank", PAGE, key)
        assert status == 201
        told.tokens.append(page["token"])
        event = {"event_id": f"e{number}", "decision_id": page["decision_id"], "type": "click",
                 "title": "t", "token": page["token"]}  # fmt: skip
        assert told.ask("POST", f"{url}/v1/feedback", {"events": [event]})[0] == 202
        assert told.ask("GET", f"{url}/v1/status", key=key)[0] == 200
    assert told.ask("PUT", f"{inner}/v1/catalog", {"titles": [TITLE]}, ADMIN)[0] == 200
    for path in ("/metrics", "/openapi.json", "/readyz", "/v1/nothing"):
        told.ask("GET", inner + path)


def abuse(told: Told, url: str, inner: str) -> None:
    """Call as those do who do not, or do it wrong."""
    for key in (WRONG, CLIENT + " ", CLIENT[:-1]):
        assert told.ask("POST", f"{url}/v1/rank", PAGE, key)[0] in (201, 401)
    told.ask("POST", f"{url}/v1/rank", PAGE, Authorization=f"Basic {WRONG}")
    told.ask("POST", f"{url}/v1/rank", PAGE, **{"X-API-Key": WRONG})
    assert told.ask("PUT", f"{inner}/v1/catalog", {"titles": []}, CLIENT)[0] == 403
    told.ask("GET", f"{url}/v1/rank", key=CLIENT)
    for body in (b"{", b"", b'{"titles": [{"id": 1}]}', b"[" * 10_000, b'{"titles": [], "x": NaN}'):
        told.ask("POST", f"{url}/v1/rank", body, CLIENT)
        told.ask("POST", f"{url}/v1/feedback", body)
    token = told.tokens[0]
    for forged in (token[:-1] + ("A" if token[-1] != "A" else "B"), token + "x", WRONG):
        told.tokens.append(forged)
        event = {"event_id": "f", "decision_id": "d", "type": "click", "title": "t",
                 "token": forged}  # fmt: skip
        assert told.ask("POST", f"{url}/v1/feedback", {"events": [event]})[0] == 401


def wait_for(server: LocalServer, text: str, times: int) -> None:
    wait_until(lambda: server.output.read_text().count(text) >= times, WAIT_S, text)


def misconfigure(server: LocalServer, directory: Path) -> None:
    """Reload configurations that are wrong in what is secret, then the good one."""
    wrong = (
        # No list; not TOML, right after a secret; no key of ours.
        json.dumps(CLIENT),
        f'["{CLIENT}" "{WRONG}"]',
        f'["{CLIENT}"]\nkeys = "{WRONG}"',
        "7",
    )
    for number, client_keys in enumerate(wrong, 1):
        write_config(directory, client_keys)
        server.signal(signal.SIGHUP)
        wait_for(server, "configuration refused", number)
    (directory / "tokens").write_text("short-one\n")
    write_config(directory, json.dumps([CLIENT]))
    server.signal(signal.SIGHUP)
    wait_for(server, "configuration refused", len(wrong) + 1)
    write_secrets(directory)
    server.signal(signal.SIGHUP)
    wait_for(server, "configuration taken over", 1)


def kill_all_children(server: LocalServer) -> None:
    """End workers, HTTP server and learner without warning, and wait for others."""
    before = children_of(server.pid)
    for pid in [*(worker for child in before for worker in children_of(child)), *before]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_until(
        lambda: (
            len(children_of(server.pid)) == 2 and not set(before) & set(children_of(server.pid))
        ),
        WAIT_S,
        "other children",
    )


def test_no_secret_is_told_whatever_happens(server: LocalServer, tmp_path: Path) -> None:
    told = Told()
    (inner,) = re.findall(r"admin calls and metrics at (http://\S+)", server.output.read_text())
    use(told, server.url, inner)
    abuse(told, server.url, inner)
    told.look_at(server)
    misconfigure(server, tmp_path)
    kill_all_children(server)
    wait_until(lambda: answers(server.url), WAIT_S, "an answer after the kill")
    abuse(told, server.url, inner)
    told.look_at(server)
    effective = server.directory / "run" / "effective.json"
    assert effective.stat().st_mode & 0o077 == 0
    server.stop()
    assert not effective.exists()
    told.texts["the log"] = server.output.read_text(errors="replace")
    assert '"level":"debug"' in told.texts["the log"]
    assert "Redis failed" in told.texts["the log"]
    # What the run must know to reach Redis is in the one file that only its owner may read.
    private = frozenset({str(effective)})
    for secret in SECRETS:
        assert told.places(secret, private if secret == REDIS else frozenset()) == [], secret
    answered = frozenset(place for place in told.texts if "/v1/rank" in place)
    for token in told.tokens:
        if token != WRONG:
            # The answer that gives it away is its one place; in the log it is nothing.
            assert told.places(token, answered) == []


def answers(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/livez", timeout=5, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@pytest.mark.parametrize("command", [["config", "show"], ["config", "check"], ["status"]])
def test_commands_tell_none_either(tmp_path: Path, command: list[str]) -> None:
    write_secrets(tmp_path)
    good = write_config(tmp_path, json.dumps([CLIENT]))
    for client_keys in (json.dumps([CLIENT]), json.dumps(CLIENT), f'["{CLIENT}" "{WRONG}"]'):
        write_config(tmp_path, client_keys)
        if command == ["status"]:
            settings: Mapping[str, str] = {**SETTINGS, "MARQUEE__AUTH__CLIENT_KEYS": CLIENT}
        else:
            settings = SETTINGS
        done = subprocess.run(
            [sys.executable, "-m", "server.cli", *command, "--config", str(good)],
            env={**os.environ, **state_overrides(tmp_path), **settings},
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.stdout + done.stderr
        for secret in SECRETS:
            assert secret not in done.stdout + done.stderr
