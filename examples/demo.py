"""What ``make demo`` runs: the service, viewers who use it, and a table that shows it learn.

The demo homepage and the dashboard are served beside: whoever looks at them is one viewer more.

Ctrl-C ends it. The state is kept in a temporary directory, or in ``--state``, where the next demo
with the same option goes on learning.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bandit.errors import MarqueeError
from bandit.types import SHARES, SURFACES, Share
from examples.catalog_files import CATALOG, HERE
from examples.demo_files import write_all
from examples.ledger import Tally, interval
from examples.simulated_viewers import Viewers, arguments
from server.client import Client, ClientError
from server.local import LocalServer

CONFIG: Final = HERE / "marquee.toml"
REFRESH_S: Final = 0.5
WINDOW_S: Final = 20.0
"""Longer than the configuration's: people look and play slower than simulated viewers, of whose
pages most close with a play anyway."""
NAMES: Final[dict[Share, str]] = {
    "learned": "learned",
    "holdout": "holdout",
    "explore": "random",
}


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def check_catalog() -> None:
    """Check the example catalog as an operator would.

    Raises:
        DemoError: ``marquee`` finds fault with it.
    """
    command = [sys.executable, "-m", "server.cli", "catalog", "check", str(CATALOG)]
    if subprocess.run(command, check=False).returncode:
        raise DemoError("the example catalog is damaged: run `python examples/make_catalog.py`")


def choose_port(wanted: int) -> int:
    """Return the wanted port of 127.0.0.1 if it is free, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no port of 127.0.0.1 can be listened on")


def _percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def lift(tallies: Mapping[Share, Tally]) -> float | None:
    """Return the learned share's take fraction over the holdout's, minus 1."""
    learned, holdout = (tallies[share].take_fraction for share in ("learned", "holdout"))
    return None if learned is None or not holdout else learned / holdout - 1


def _server_take(status: Mapping[str, Any], share: Share) -> float | None:
    report = status.get("shares", {}).get("artwork", {}).get(share, {})
    take: float | None = report.get("take_fraction")
    return take


def shares_table(
    totals: Mapping[Share, Tally], recent: Mapping[Share, Tally], status: Mapping[str, Any]
) -> Table:
    """Return the table of the three shares, as the viewers and as the service counted them."""
    table = Table(
        title="Take fraction: plays per title seen",
        box=box.SIMPLE_HEAD,
        padding=(0, 0),
        caption="30 s: take of the last thirty seconds; service: each title once a page",
    )
    table.add_column("share", no_wrap=True)
    for heading in ("pages", "seen", "plays", "take", "95 % range", "30 s", "service"):
        table.add_column(heading, justify="right", no_wrap=True)
    for share in SHARES:
        tally = totals[share]
        low, high = interval(tally.plays, tally.impressions)
        table.add_row(
            NAMES[share],
            f"{tally.pages:,}",
            f"{tally.impressions:,}",
            f"{tally.plays:,}",
            _percent(tally.take_fraction),
            f"{100 * low:.2f} – {100 * high:.2f}",
            _percent(recent[share].take_fraction),
            _percent(_server_take(status, share)),
            style="bold green" if share == "learned" else "",
        )
    return table


def _versions(status: Mapping[str, Any]) -> str:
    models = status.get("models", {})
    return "; ".join(
        f"{surface} {models[surface]['version']}, {models[surface]['age_s']:.1f} s old"
        if surface in models
        else f"{surface} none yet"
        for surface in SURFACES
    )


def model_lines(
    totals: Mapping[Share, Tally], recent: Mapping[Share, Tally], status: Mapping[str, Any]
) -> Text:
    """Return what the service tells of its learning, in lines."""
    learner = status.get("learner") or {}
    closed = sum(learner.get("outcomes", {}).values())
    examples = sum(learner.get("examples", {}).values())
    lag = learner.get("lag_s")
    return Text(
        f"lift     {_percent(lift(totals), 0)} over the holdout since the start, "
        f"{_percent(lift(recent), 0)} in the last 30 s\n"
        f"models   {_versions(status)}\n"
        f"learner  {closed:,} outcomes joined, {examples:,} examples learned, "
        f"lag {'–' if lag is None else f'{lag:.1f} s'}\n"
        f"verdict  {status.get('verdict', 'no status yet')}\n"
    )


def pages_line(url: str) -> Text:
    """Return where to look."""
    return Text(f"look at  {url}/demo (homepage) and {url}/ (dashboard)", style="bold green")


def watch(viewers: Viewers, server: LocalServer, console: Console, seconds: float | None) -> None:
    """Show the live table until the time is over, Ctrl-C, or a failure.

    Raises:
        DemoError: the service or the viewers stopped.
    """
    start = time.monotonic()
    status: dict[str, Any] = {}
    with Client(server.url) as client, Live(console=console, auto_refresh=False) as live:
        while seconds is None or time.monotonic() - start < seconds:
            try:
                status = client.status()
            except ClientError as error:
                status = {**status, "verdict": f"the status did not answer: {error}"}
            totals = viewers.ledger.totals()
            recent = viewers.ledger.recent(time.monotonic())
            told = model_lines(totals, recent, status)
            table = shares_table(totals, recent, status)
            live.update(Group(table, told, pages_line(server.url)), refresh=True)
            server.check_alive()
            if viewers.wait(REFRESH_S):
                raise DemoError(f"the viewers stopped: {viewers.failure}")


def summarise(viewers: Viewers, console: Console, seconds: float) -> None:
    """Print what was achieved."""
    totals = viewers.ledger.totals()
    console.print(
        f"After {seconds:.0f} s: take fraction "
        f"{_percent(totals['learned'].take_fraction)} learned, "
        f"{_percent(totals['holdout'].take_fraction)} holdout, "
        f"{_percent(totals['explore'].take_fraction)} random; "
        f"lift over holdout {_percent(lift(totals), 0)}."
    )
    if viewers.ledger.defaults:
        console.print(f"{viewers.ledger.defaults} pages were not answered in time.")


def run(options: argparse.Namespace, console: Console) -> None:
    """Run the demo.

    Raises:
        DemoError: something did not start, or stopped on its own.
    """
    check_catalog()
    with ExitStack() as stack:
        if options.state is None:
            state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-demo-")))
        else:
            state = options.state.resolve()
            state.mkdir(parents=True, exist_ok=True)
        port = choose_port(options.port)
        if options.port not in (0, port):
            console.print(f"[yellow]Port {options.port} is taken; using {port} instead.[/]")
        shown = state / "demo"
        settings = {
            "MARQUEE__SERVER__PORT": str(port),
            "MARQUEE__CATALOG__SOURCE": str(CATALOG),
            "MARQUEE__PAGES__DEMO_DIRECTORY": str(shown),
            "MARQUEE__REWARD__WINDOW_S": str(WINDOW_S),
        }
        write_all(shown)
        server = stack.enter_context(LocalServer(state, config=CONFIG, settings=settings))
        console.print(
            f"Homepage   [bold green]{server.url}/demo[/]\n"
            f"Dashboard  [bold green]{server.url}/[/]\n"
            f"Serving at {server.url}; state and log in {state}. Ctrl-C ends."
        )
        start = time.monotonic()
        viewers = Viewers(
            server.url,
            pages_per_second=options.pages_per_second,
            threads=options.threads,
            seed=options.seed,
        )
        try:
            viewers.start()
            watch(viewers, server, console, options.seconds)
        except KeyboardInterrupt:
            console.print("Stopping.")
        finally:
            viewers.stop()
            summarise(viewers, console, time.monotonic() - start)


def main() -> int:
    """Parse the command line and run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()])
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument("--state", type=Path, help="directory to keep the state in")
    options = parser.parse_args()
    return until_ended(lambda console: run(options, console))


def until_ended(show: Callable[[Console], None]) -> int:
    """Show something until it ends or Ctrl-C comes; return the exit code."""
    console = Console()
    # Also where a shell started us in the background, which means "ignore Ctrl-C" to a child.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        show(console)
    except (DemoError, MarqueeError) as error:
        console.print(f"[red]{error}[/]")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
