"""What ``make cluster`` runs: Redis, a machine that learns and two that serve, all on this one.

Simulated viewers use the two scorers by turns, and a table shows how what they did reaches all:
which machine serves which model and catalog, and how far each is in step. Ctrl-C ends everything.
The state is kept in a temporary directory, or in ``--state``, where the next run goes on.

It takes ``redis-server`` (Debian: ``apt-get install redis-server``).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples.catalog_files import CATALOG
from examples.demo import (
    CONFIG,
    REFRESH_S,
    WINDOW_S,
    DemoError,
    check_catalog,
    choose_port,
    until_ended,
)
from examples.demo_files import write_all
from examples.simulated_viewers import Viewers, arguments
from server.client import Client, ClientError
from server.local import LocalServer
from server.local_cluster import LocalCluster, LocalRedis

LEARNER: Final = "learner"
SCORERS: Final = ("scorer-a", "scorer-b")
SETTINGS: Final = {
    # One worker each: three services share this machine's cores.
    "MARQUEE__SERVER__WORKERS": "1",
    "MARQUEE__REWARD__WINDOW_S": str(WINDOW_S),
    # Nobody who watches waits ten seconds for the first learner, or for another to take over.
    "MARQUEE__CLUSTER__LEASE_S": "2",
}


def settings_of(host: str, port: int, shown: Path) -> dict[str, str]:
    """Return what one machine is told beside the configuration."""
    settings = {"MARQUEE__SERVER__PORT": str(port), "MARQUEE__PAGES__DEMO_DIRECTORY": str(shown)}
    # One machine brings the catalog; the others are told of it.
    return settings | ({"MARQUEE__CATALOG__SOURCE": str(CATALOG)} if host == LEARNER else {})


def machines_table(statuses: Mapping[str, Mapping[str, Any]], urls: Mapping[str, str]) -> Table:
    """Return the table of what each machine serves and how it is in step."""
    table = Table(title="Machines", box=box.SIMPLE_HEAD, padding=(0, 0))
    for heading in ("machine", "dashboard", "catalog", "model of artworks", "in step"):
        table.add_column(heading, no_wrap=True)
    for host, url in urls.items():
        status = statuses.get(host, {})
        model = status.get("models", {}).get("artwork", {})
        cluster = status.get("cluster") or {}
        failing = ", ".join(cluster.get("failing", {}))
        age = f", {model['age_s']:.1f} s old" if model else ""
        table.add_row(
            host,
            url.removeprefix("http://"),
            str(status.get("catalog", "–"))[:8],
            f"{model.get('version', 'none yet')}{age}",
            "yes" if cluster.get("in_step") else f"not: {failing or 'no answer'}",
        )
    return table


def learner_lines(status: Mapping[str, Any], pages: int) -> Text:
    """Return what is told of learning, the same on every machine, in lines."""
    learner = status.get("learner") or {}
    closed = sum(learner.get("outcomes", {}).values())
    lag = learner.get("lag_s")
    return Text(
        f"viewers  {pages:,} pages shown by the scorers\n"
        f"learner  {closed:,} outcomes joined, lag {'–' if lag is None else f'{lag:.1f} s'}\n"
        f"verdict  {status.get('verdict', 'no status yet')}\n"
    )


def watch(
    viewers: Sequence[Viewers],
    machines: Mapping[str, LocalServer],
    console: Console,
    seconds: float | None,
) -> None:
    """Show the live table until the time is over, Ctrl-C, or a failure.

    Raises:
        DemoError: the viewers stopped.
        ServerDownError: a machine stopped.
    """
    start = time.monotonic()
    urls = {host: server.url for host, server in machines.items()}
    with ExitStack() as stack:
        clients = {host: stack.enter_context(Client(url)) for host, url in urls.items()}
        live = stack.enter_context(Live(console=console, auto_refresh=False))
        while seconds is None or time.monotonic() - start < seconds:
            statuses = {host: _status(client) for host, client in clients.items()}
            pages = sum(tally.pages for one in viewers for tally in one.ledger.totals().values())
            told = learner_lines(statuses[SCORERS[0]], pages)
            live.update(Group(machines_table(statuses, urls), told), refresh=True)
            for server in machines.values():
                server.check_alive()
            for one in viewers:
                if one.wait(REFRESH_S / len(viewers)):
                    raise DemoError(f"the viewers stopped: {one.failure}")


def _status(client: Client) -> Mapping[str, Any]:
    try:
        return client.status()
    except ClientError as error:
        return {"verdict": f"the status did not answer: {error}"}


def run(options: argparse.Namespace, console: Console) -> None:
    """Bring the cluster up, and watch it.

    Raises:
        DemoError: something stopped on its own.
        RedisMissingError: ``redis-server`` is not installed.
        ServerDownError: a machine does not start.
    """
    check_catalog()
    with ExitStack() as stack:
        if options.state is None:
            state = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-cluster-"))
            )
        else:
            state = options.state.resolve()
        shown = state / "demo"
        shown.parent.mkdir(parents=True, exist_ok=True)
        write_all(shown)
        redis = stack.enter_context(LocalRedis(state / "redis"))
        cluster = stack.enter_context(LocalCluster(state, redis, config=CONFIG, settings=SETTINGS))
        console.print(f"Redis      {redis.url}")
        for number, host in enumerate((LEARNER, *SCORERS)):
            port = choose_port(options.port + number if options.port else 0)
            server = cluster.add(
                host, learns=host == LEARNER, settings=settings_of(host, port, shown)
            )
            console.print(
                f"{host:10} [bold green]{server.url}/demo[/] (homepage), {server.url}/ (dashboard)"
            )
        console.print(f"State and logs in {state}. Ctrl-C ends.")
        viewers = [
            Viewers(
                cluster.hosts[host].url,
                pages_per_second=options.pages_per_second / len(SCORERS),
                threads=options.threads,
                seed=options.seed + number,
            )
            for number, host in enumerate(SCORERS)
        ]
        try:
            for one in viewers:
                one.start()
            watch(viewers, cluster.hosts, console, options.seconds)
        except KeyboardInterrupt:
            console.print("Stopping.")
        finally:
            for one in viewers:
                one.stop()


def main() -> int:
    """Parse the command line and run the cluster."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()])
    parser.add_argument(
        "--port", type=int, default=8080, help="the first machine's; 0 takes free ones"
    )
    parser.add_argument("--state", type=Path, help="directory to keep the state in")
    options = parser.parse_args()
    return until_ended(lambda console: run(options, console))


if __name__ == "__main__":
    sys.exit(main())
