"""The demo homepage in a browser, and what the service tells of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import urllib3

from examples.demo_files import DemoPage
from server.client import Client
from server.local import LocalServer
from server.wire import FeedbackEvent, RankRequest
from simulator.live import closed_decisions, send, wait_until_served
from tests.browser.chromium import Browser

PICTURES_MIN: Final = 8
TAUGHT: Final = 120
LIKED: Final = {
    "evening": ["horror", "film-noir", "thrillers", "midnight-movies"],
    "morning": ["silent-comedy", "by-buster-keaton", "short-films", "by-charlie-chaplin"],
}


class DemoScene:
    """What a viewer does and sees, beside what is logged of it."""

    def __init__(self, service: LocalServer, browser: Browser) -> None:
        self._service = service
        self._browser = browser

    def open(self, *, follows: bool = False) -> str:
        """Open the page and wait until it shows; return its decision.

        Unless it ``follows`` newer models, it changes for what the test does alone.
        """
        browser = self._browser
        browser.open("/demo")
        browser.wait(self.decision, "a decision")
        if not follows:
            browser.run("document.querySelector('#live').click()")
        browser.wait(lambda: self._pictures() > PICTURES_MIN, "pictures")
        return self.decision()

    def decision(self) -> str:
        """Return the id of the decision that is shown."""
        script = "return document.querySelector('#page').dataset.decision ?? ''"
        return str(self._browser.run(script))

    def _pictures(self) -> int:
        script = "return [...document.images].filter((one) => one.naturalWidth > 0).length"
        return int(self._browser.run(script))

    def rows(self) -> list[str]:
        """Return the rows as they stand."""
        script = "return [...document.querySelectorAll('.shelf')].map((one) => one.dataset.row)"
        return [str(row) for row in self._browser.run(script)]

    def focused(self) -> str:
        """Return what has the focus: a card as ``row/title``, else an id or a class."""
        script = (
            "const one = document.activeElement;"
            "return one.dataset.title ? `${one.dataset.row}/${one.dataset.title}` :"
            " one.id || one.className || one.tagName"
        )
        return str(self._browser.run(script))

    def asked_with(self) -> Any:
        """Return the context of the decision that is shown."""
        return self.explained(self.decision())["context"]

    def explained(self, decision_id: str) -> Any:
        """Return the explanation of a decision."""
        return ask(self._service, f"/v1/decisions/{decision_id}/explain")

    def feedback(self, decision_id: str) -> list[Any]:
        """Return what the log holds of a decision's feedback."""
        return list(self.explained(decision_id)["feedback"]["events"])

    def long_film(self, without: Sequence[str] = ()) -> str:
        """Return a film on the page that does not end while a test watches it, of no such genre."""
        titles = demo_page(self._service).titles
        script = "return [...document.querySelectorAll('.card')].map((one) => one.dataset.title)"
        return next(
            str(title)
            for title in self._browser.run(script)
            if titles[title].minutes >= 90 and not set(titles[title].genres) & set(without)
        )

    def play(self, title: str) -> str:
        """Click on a film, play some of it, and go back; return the decision that it belongs to."""
        browser = self._browser
        card = browser.one(f".card[data-title='{title}']")
        browser.run("arguments[0].scrollIntoView({block: 'center'})", card)
        card.click()
        browser.one("#play").click()
        browser.wait(lambda: self.percent_played() >= 10, "a tenth to be played")
        decision = self.decision()
        browser.one(".sheet-close").click()
        browser.wait(lambda: not browser.run("return sheet.open"), "the sheet to close")
        return decision

    def percent_played(self) -> float:
        """Return what the sheet says of how much was played."""
        told = re.search(r"played: ([0-9.]+)", self._browser.one("#sheet-told").text)
        return float(told.group(1).rstrip(".")) if told else 0.0

    def await_play(self, decision_id: str) -> Any:
        """Wait until a play is in the log, and return what is told of it."""

        def plays() -> list[Any]:
            return [one for one in self.feedback(decision_id) if one["type"] == "play"]

        self._browser.wait(plays, "the play in the log")
        (told,) = plays()
        return told


def ask(service: LocalServer, path: str) -> Any:
    """Return the answer to a GET."""
    answer = urllib3.request("GET", service.url + path, timeout=20)
    assert answer.status == 200, answer.data
    return answer.json()


def demo_page(service: LocalServer) -> DemoPage:
    """Return what the page is made from."""
    return msgspec.convert(ask(service, "/demo/files/page.json"), DemoPage)


def teach(client: Client, service: LocalServer) -> None:
    """Play dark films in the evening and comedies in the morning, as viewers would."""
    page = demo_page(service)
    titles = {row.id: row.titles for row in page.rows}
    asked = [{"id": row, "titles": held} for row, held in titles.items()]
    closed = closed_decisions(client.status())
    events = []
    for number in range(TAUGHT):
        part = ("evening", "morning")[number % 2]
        request = {
            "viewer_id": f"taught-{number}",
            "context": {**page.viewers[0].context, "part_of_day": part},
            "rows": asked,
        }
        answer = client.rank(msgspec.convert(request, RankRequest)).answer
        played = LIKED[part][number // 2 % 4]
        seen = [(row, titles[row][number // 8 % 6]) for rows in LIKED.values() for row in rows]
        # The play last: it closes the decision.
        for row, title in sorted(seen, key=lambda one: one[0] == played):
            is_played = row == played
            events.append(
                FeedbackEvent(
                    event_id=f"{answer.decision_id}.{row}",
                    decision_id=answer.decision_id,
                    token=answer.token,
                    type="play" if is_played else "impression",
                    title=title,
                    row=row,
                    seconds=5000 if is_played else None,
                    fraction=1.0 if is_played else None,
                )
            )
    send(client, events, 20)
    wait_until_served(client, closed + TAUGHT, 30)
