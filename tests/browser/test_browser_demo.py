"""The demo homepage as a viewer meets it: it shows, reports, learns from plays, and follows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import urllib3
from selenium.webdriver.common.keys import Keys

from examples.catalog_files import read_document
from examples.demo_files import ROWS_SHOWN, DemoPage
from server.client import Client
from server.local import LocalServer
from server.wire import FeedbackEvent, RankRequest
from simulator.live import closed_decisions, send, wait_until_served
from tests.browser.chromium import PHONE, Browser
from tests.browser.conftest import OpenBrowser

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("browser")]

PLAYS_MAX = 4
TAUGHT = 120
LIKED = {
    "evening": ["horror", "film-noir", "thrillers", "midnight-movies"],
    "morning": ["silent-comedy", "by-buster-keaton", "short-films", "by-charlie-chaplin"],
}
OWN_BYTES_MAX = 200_000


def ask(service: LocalServer, path: str) -> Any:
    answer = urllib3.request("GET", service.url + path, timeout=20)
    assert answer.status == 200, answer.data
    return answer.json()


def demo_page(service: LocalServer) -> DemoPage:
    return msgspec.convert(ask(service, "/demo/files/page.json"), DemoPage)


def decision(browser: Browser) -> str:
    return str(browser.run("return document.querySelector('#page').dataset.decision ?? ''"))


def open_demo(browser: Browser, *, follows: bool = False) -> str:
    """Open the page and wait until it shows; return its decision.

    Unless it ``follows`` newer models, it changes for what the test does alone.
    """
    browser.open("/demo")
    browser.wait(lambda: decision(browser), "a decision")
    if not follows:
        browser.run("document.querySelector('#live').click()")
    browser.wait(lambda: shown_images(browser) > 8, "pictures")
    return decision(browser)


def shown_images(browser: Browser) -> int:
    script = "return [...document.images].filter((one) => one.naturalWidth > 0).length"
    return int(browser.run(script))


def rows_shown(browser: Browser) -> list[str]:
    script = "return [...document.querySelectorAll('.shelf')].map((one) => one.dataset.row)"
    return [str(row) for row in browser.run(script)]


def title_of(explained: Any, title: str) -> Any:
    return next(one for one in explained["titles"] if one["id"] == title)


def probability(explained: Any, title: str, artwork: str) -> float:
    artworks = title_of(explained, title)["artworks"]
    return float(next(one["probability"] for one in artworks if one["id"] == artwork))


def feedback(service: LocalServer, decision_id: str) -> list[Any]:
    return list(ask(service, f"/v1/decisions/{decision_id}/explain")["feedback"]["events"])


def long_film(service: LocalServer, browser: Browser, without: Sequence[str] = ()) -> str:
    """Return a film on the page that does not end while a test watches it, of no such genre."""
    titles = demo_page(service).titles
    cards = browser.run("return [...document.querySelectorAll('.card')].map(c => c.dataset.title)")
    return next(
        str(title)
        for title in cards
        if titles[title].minutes >= 90 and not set(titles[title].genres) & set(without)
    )


def percent_played(browser: Browser) -> float:
    told = re.search(r"played: ([0-9.]+)", browser.one("#sheet-told").text)
    return float(told.group(1).rstrip(".")) if told else 0.0


def await_play(service: LocalServer, browser: Browser, decision_id: str) -> Any:
    """Wait until a play is in the log, joined with its decision; return what is told of it."""

    def plays() -> list[Any]:
        return [one for one in feedback(service, decision_id) if one["type"] == "play"]

    browser.wait(plays, "the play in the log")
    (told,) = plays()
    return told


def play(browser: Browser, title: str) -> None:
    """Click on a film, play some of it, and go back to the page."""
    card = browser.one(f".card[data-title='{title}']")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", card)
    card.click()
    browser.one("#play").click()
    browser.wait(lambda: percent_played(browser) >= 10, "a tenth to be played")
    browser.one(".sheet-close").click()
    browser.wait(lambda: not browser.run("return sheet.open"), "the sheet to close")


def test_rows_and_pictures_show_and_the_page_stays_within_its_budget(
    service: LocalServer, browser: Browser
) -> None:
    explained = ask(service, f"/v1/decisions/{open_demo(browser)}/explain")
    assert rows_shown(browser) == [row["id"] for row in explained["rows"]]
    assert len(rows_shown(browser)) == ROWS_SHOWN
    titles = demo_page(service).titles
    cards = browser.run(
        "return [...document.querySelectorAll('.card')].map((card) =>"
        " [card.dataset.title, card.dataset.artwork, card.querySelector('img').alt])"
    )
    assert len(cards) > 8 * ROWS_SHOWN
    for title, artwork, alt in cards:
        assert alt == titles[title].name
        assert artwork == title_of(explained, title)["artwork"]
    sizes = browser.run(
        "return performance.getEntriesByType('resource').concat(performance."
        "getEntriesByType('navigation')).map((one) => [new URL(one.name).pathname, "
        "one.decodedBodySize])"
    )
    own = {path: size for path, size in sizes if not path.startswith(("/demo/files/", "/v1/"))}
    assert {"/demo", "/static/demo/main.js", "/static/shared/theme.css"} < set(own)
    assert sum(own.values()) < OWN_BYTES_MAX
    browser.shot("demo-fresh")


def test_what_was_seen_for_a_second_is_told_and_nothing_else(
    service: LocalServer, browser: Browser
) -> None:
    decision_id = open_demo(browser)
    visible = browser.run(
        "return [...document.querySelectorAll('.card')].filter((card) => {"
        " const box = card.getBoundingClientRect();"
        " const shelf = card.closest('.track').getBoundingClientRect();"
        " return box.bottom < innerHeight && box.right < shelf.right;"
        "}).map((card) => card.dataset.title)"
    )
    assert visible
    browser.wait(
        lambda: set(visible) <= {event["title"] for event in feedback(service, decision_id)},
        "impressions",
    )
    told = feedback(service, decision_id)
    assert {event["type"] for event in told} == {"impression"}
    assert len(told) == len({(event["row"], event["title"]) for event in told})
    last = rows_shown(browser)[-1]
    assert last not in {event["row"] for event in told}


def test_a_play_is_logged_and_makes_its_artwork_likelier(
    service: LocalServer, browser: Browser
) -> None:
    before = ask(service, f"/v1/decisions/{open_demo(browser)}/explain")
    title = long_film(service, browser)
    artwork = title_of(before, title)["artwork"]
    for _ in range(PLAYS_MAX):
        asked = decision(browser)
        played = title_of(ask(service, f"/v1/decisions/{asked}/explain"), title)["artwork"]
        play(browser, title)
        told = await_play(service, browser, asked)
        assert told["title"] == title
        assert told["seconds"] > 500
        assert 0.1 <= told["fraction"] <= 0.5
        assert "click" in {one["type"] for one in feedback(service, asked)}
        browser.wait(
            lambda: "made since your play" in browser.one("#said").text,
            "a page by a newer model",
        )
        if played == artwork:
            break
    after = ask(service, f"/v1/decisions/{decision(browser)}/explain")
    assert after["snapshots"]["artwork"] != before["snapshots"].get("artwork")
    assert probability(after, title, artwork) > probability(before, title, artwork)
    browser.wait(lambda: browser.all(".rose"), "the panel to tell of it")
    browser.run("document.querySelector('.rose').scrollIntoView({block: 'center'})")
    browser.shot("demo-after-a-play")


def part_of_day(service: LocalServer, browser: Browser) -> str:
    """Return what the page that is shown was asked for with."""
    context = ask(service, f"/v1/decisions/{decision(browser)}/explain")["context"]
    return str(context["part_of_day"])


def test_plays_move_the_viewers_taste_and_earn_a_reward(
    service: LocalServer, browser: Browser
) -> None:
    open_demo(browser)
    chosen = "return [...document.querySelectorAll('.chips :checked')].map((one) => one.value)"
    title = long_film(service, browser, without=browser.run(chosen))
    for _ in range(2):
        asked = decision(browser)
        play(browser, title)
        await_play(service, browser, asked)
    assert set(browser.run(chosen)) & set(demo_page(service).titles[title].genres)
    browser.wait(lambda: "Reward 0." in browser.one("#log").text, "the reward told")


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


def test_moving_a_slider_changes_the_order(
    service: LocalServer, client: Client, browser: Browser
) -> None:
    teach(client, service)
    evening = open_demo(browser)
    shown = rows_shown(browser)
    browser.run("document.querySelector('#hour').focus()")
    browser.press(*[Keys.ARROW_LEFT] * 13)
    assert "08:00, morning" in browser.one("#hour-told").text
    browser.wait(lambda: part_of_day(service, browser) == "morning", "a page for the morning")
    assert rows_shown(browser) != shown
    assert shown[0] in LIKED["evening"]
    assert rows_shown(browser)[0] in LIKED["morning"]
    morning = decision(browser)
    top = [ask(service, f"/v1/decisions/{one}/explain")["rows"][0] for one in (evening, morning)]
    assert [one["id"] for one in top] == [shown[0], rows_shown(browser)[0]]
    assert "moved" in browser.one("#said").text
    browser.shot("demo-morning")


def test_a_page_that_is_looked_at_follows_newer_models_by_itself(
    service: LocalServer, client: Client, browser: Browser
) -> None:
    first = open_demo(browser, follows=True)
    teach(client, service)
    browser.wait(lambda: decision(browser) != first, "a page by a newer model")
    was, now = (ask(service, f"/v1/decisions/{one}/explain") for one in (first, decision(browser)))
    assert now["snapshots"] != was["snapshots"]
    assert now["context"] == was["context"]
    assert now["viewer_id"] == was["viewer_id"]


def test_the_holdout_gets_what_nobody_learned(service: LocalServer, browser: Browser) -> None:
    first = open_demo(browser)
    browser.one("#viewers label:nth-child(5)").click()
    browser.wait(lambda: decision(browser) != first, "a page for another viewer")
    explained = ask(service, f"/v1/decisions/{decision(browser)}/explain")
    assert explained["share"] == {"artwork": "holdout", "rows": "holdout"}
    assert rows_shown(browser) == [row.id for row in demo_page(service).rows][:ROWS_SHOWN]
    firsts = {title.id: title.artworks[0].id for title in read_document().titles}
    assert all(one["artwork"] == firsts[one["id"]] for one in explained["titles"])
    assert "holdout" in browser.one("#share").text


def focused(browser: Browser) -> str:
    script = (
        "const one = document.activeElement;"
        "return one.dataset.title ? `${one.dataset.row}/${one.dataset.title}` :"
        " one.id || one.className || one.tagName"
    )
    return str(browser.run(script))


def test_the_keyboard_reaches_everything(service: LocalServer, browser: Browser) -> None:
    explained = ask(service, f"/v1/decisions/{open_demo(browser)}/explain")
    order = [row["id"] for row in explained["rows"]]
    browser.press(Keys.TAB)
    assert focused(browser) == "skip"
    browser.press(Keys.ENTER, Keys.TAB)
    first = focused(browser)
    assert first.startswith(f"{order[0]}/")
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    browser.press(Keys.ARROW_RIGHT)
    assert focused(browser).startswith(f"{order[0]}/")
    assert focused(browser) != first
    browser.press(Keys.ARROW_DOWN)
    assert focused(browser).startswith(f"{order[1]}/")
    chosen = focused(browser)
    browser.press(Keys.ENTER)
    browser.wait(lambda: focused(browser) == "play", "the focus on the button that plays")
    browser.press(Keys.ENTER)
    browser.wait(lambda: focused(browser) == "pause", "the focus in the player")
    browser.press(Keys.SPACE)
    assert browser.one("#pause").get_attribute("aria-label") == "Go on"
    browser.press(Keys.TAB)
    assert focused(browser) == "seek"
    browser.press(Keys.ESCAPE)
    browser.wait(lambda: not browser.run("return sheet.open"), "the sheet to close")
    assert focused(browser) == chosen
    browser.press(Keys.ARROW_UP)
    browser.wait(lambda: focused(browser).startswith(f"{rows_shown(browser)[0]}/"), "the top shelf")


def test_pointing_tells_why_and_buttons_scroll_a_shelf(browser: Browser) -> None:
    open_demo(browser)
    card = browser.one(".shelf:nth-child(2) .card")
    name = card.find_element("css selector", "img").get_attribute("alt")
    browser.point(card)
    browser.wait(lambda: browser.one("#title-why").text.startswith(str(name)), "why this title")
    assert browser.all("#title-why .shown")
    assert browser.run("return getComputedStyle(arguments[0]).transform", card) != "none"
    left = "return document.querySelector('.shelf:nth-child(2) .track').scrollLeft"
    assert browser.run(left) == 0
    browser.one(".shelf:nth-child(2) .scroll.on").click()
    browser.wait(lambda: browser.run(left) > 100, "the shelf to scroll")


def test_less_motion_is_respected(browser: Browser) -> None:
    reduced = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", reduced)
    first = open_demo(browser)
    browser.run(
        "window.moved = 0; const animate = Element.prototype.animate;"
        "Element.prototype.animate = function (...given) {"
        " window.moved += 1; return animate.apply(this, given); }"
    )
    browser.one("#viewers label:nth-child(2)").click()
    browser.wait(lambda: decision(browser) != first, "another page")
    assert browser.run("return window.moved") == 0


def test_a_phone_shows_it_without_sideways_scrolling(open_browser: OpenBrowser) -> None:
    browser = open_browser(PHONE)
    open_demo(browser)
    width = "return document.documentElement.scrollWidth"
    assert browser.run(width) == PHONE.width
    browser.shot("demo-home")
    assert not browser.one("#panel").is_displayed()
    browser.one("#why").click()
    browser.wait(lambda: browser.all(".artworks img"), "the artworks in the panel")
    assert browser.run(width) == PHONE.width
    box = browser.one("#panel").rect
    assert (box["x"], box["width"]) == (0, PHONE.width)
    assert box["height"] < 0.75 * PHONE.height
    browser.shot("demo-panel")
    browser.press(Keys.ESCAPE)
    assert not browser.one("#panel").is_displayed()
    assert focused(browser) == "why"


def test_a_page_that_is_left_while_a_film_runs_reports_the_play(
    service: LocalServer, browser: Browser
) -> None:
    asked = open_demo(browser)
    browser.one("#hero .solid").click()
    browser.wait(lambda: percent_played(browser) > 0, "the film to run")
    browser.open("/livez")
    told = await_play(service, browser, asked)
    assert told["seconds"] > 0
