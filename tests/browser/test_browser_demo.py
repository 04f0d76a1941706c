"""The demo homepage as a viewer meets it: it shows, reports, learns from plays, and follows."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from examples.catalog_files import read_document
from examples.demo_files import ROWS_SHOWN
from server.client import Client
from server.local import LocalServer
from tests.browser.chromium import PHONE, Browser
from tests.browser.conftest import OpenBrowser
from tests.browser.demo_scene import LIKED, DemoScene, demo_page, teach

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("browser")]

PLAYS_MAX = 4
OWN_BYTES_MAX = 200_000


@pytest.fixture
def demo(service: LocalServer, browser: Browser) -> DemoScene:
    return DemoScene(service, browser)


def title_of(explained: Any, title: str) -> Any:
    return next(one for one in explained["titles"] if one["id"] == title)


def probability(explained: Any, title: str, artwork: str) -> float:
    artworks = title_of(explained, title)["artworks"]
    return float(next(one["probability"] for one in artworks if one["id"] == artwork))


def test_rows_and_pictures_show_and_the_page_stays_within_its_budget(
    service: LocalServer, browser: Browser, demo: DemoScene
) -> None:
    explained = demo.explained(demo.open())
    assert demo.rows() == [row["id"] for row in explained["rows"]]
    assert len(demo.rows()) == ROWS_SHOWN
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
    browser: Browser, demo: DemoScene
) -> None:
    decision = demo.open()
    visible = browser.run(
        "return [...document.querySelectorAll('.card')].filter((card) => {"
        " const box = card.getBoundingClientRect();"
        " const shelf = card.closest('.track').getBoundingClientRect();"
        " return box.bottom < innerHeight && box.right < shelf.right;"
        "}).map((card) => card.dataset.title)"
    )
    assert visible
    browser.wait(
        lambda: set(visible) <= {event["title"] for event in demo.feedback(decision)},
        "impressions",
    )
    told = demo.feedback(decision)
    assert {event["type"] for event in told} == {"impression"}
    assert len(told) == len({(event["row"], event["title"]) for event in told})
    assert demo.rows()[-1] not in {event["row"] for event in told}


def test_a_play_is_logged_and_makes_its_artwork_likelier(browser: Browser, demo: DemoScene) -> None:
    before = demo.explained(demo.open())
    title = demo.long_film()
    artwork = title_of(before, title)["artwork"]
    for _ in range(PLAYS_MAX):
        asked = demo.play(title)
        played = title_of(demo.explained(asked), title)["artwork"]
        told = demo.await_play(asked)
        assert told["title"] == title
        assert told["seconds"] > 500
        assert 0.1 <= told["fraction"] <= 0.9
        assert "click" in {one["type"] for one in demo.feedback(asked)}
        browser.wait(
            lambda: "made since your play" in browser.one("#said").text, "a page by a newer model"
        )
        if played == artwork:
            break
    after = demo.explained(demo.decision())
    assert after["snapshots"]["artwork"] != before["snapshots"].get("artwork")
    assert probability(after, title, artwork) > probability(before, title, artwork)
    browser.wait(lambda: browser.all(".rose"), "the panel to tell of it")
    browser.run("document.querySelector('.rose').scrollIntoView({block: 'center'})")
    browser.shot("demo-after-a-play")


def test_plays_move_the_viewers_taste_and_earn_a_reward(
    service: LocalServer, browser: Browser, demo: DemoScene
) -> None:
    demo.open()
    chosen = "return [...document.querySelectorAll('.chips :checked')].map((one) => one.value)"
    title = demo.long_film(without=browser.run(chosen))
    for _ in range(2):
        demo.await_play(demo.play(title))
    assert set(browser.run(chosen)) & set(demo_page(service).titles[title].genres)
    browser.wait(lambda: "Reward 0." in browser.one("#log").text, "the reward told")


def test_a_page_that_is_left_while_a_film_runs_reports_the_play(
    browser: Browser, demo: DemoScene
) -> None:
    demo.open()
    browser.one("#hero .solid").click()
    browser.wait(lambda: demo.percent_played() > 0, "the film to run")
    asked = demo.decision()
    browser.shot("demo-player")
    browser.open("/livez")
    assert demo.await_play(asked)["seconds"] > 0


def test_a_film_of_a_page_decided_a_while_ago_belongs_to_a_new_decision(
    browser: Browser, demo: DemoScene
) -> None:
    first = demo.open()
    browser.run("const now = performance.now(); performance.now = () => now + 20_000")
    card = browser.one(".card")
    title = card.get_attribute("data-title")
    card.click()
    browser.one("#play")
    second = demo.decision()
    assert second != first
    browser.wait(
        lambda: ("click", title) in [(one["type"], one["title"]) for one in demo.feedback(second)],
        "the click in the log",
    )
    assert "click" not in [one["type"] for one in demo.feedback(first)]
    browser.one(".sheet-close").click()


def liked_first(demo: DemoScene) -> str:
    """Return the part of the day whose rows come first, of those that were taught."""
    return next(part for row in demo.rows() for part, rows in LIKED.items() if row in rows)


def test_moving_a_slider_changes_the_order(
    service: LocalServer, client: Client, browser: Browser, demo: DemoScene
) -> None:
    teach(client, service)
    evening = demo.explained(demo.open())
    assert liked_first(demo) == "evening"
    browser.run("document.querySelector('#hour').focus()")
    browser.press(*[Keys.ARROW_LEFT] * 13)
    assert "08:00, morning" in browser.one("#hour-told").text
    browser.wait(lambda: demo.asked_with()["part_of_day"] == "morning", "a page for the morning")
    morning = demo.explained(demo.decision())
    assert liked_first(demo) == "morning"
    assert demo.rows() == [row["id"] for row in morning["rows"]]
    assert demo.rows() != [row["id"] for row in evening["rows"]]
    browser.wait(lambda: "moved" in browser.one("#said").text, "the change to be told")
    browser.shot("demo-morning")


def test_a_page_that_is_looked_at_follows_newer_models_by_itself(
    service: LocalServer, client: Client, browser: Browser, demo: DemoScene
) -> None:
    first = demo.open(follows=True)
    teach(client, service)
    browser.wait(lambda: demo.decision() != first, "a page by a newer model")
    was, now = demo.explained(first), demo.explained(demo.decision())
    assert now["snapshots"] != was["snapshots"]
    assert now["context"] == was["context"]
    assert now["viewer_id"] == was["viewer_id"]


def test_the_holdout_gets_what_nobody_learned(
    service: LocalServer, browser: Browser, demo: DemoScene
) -> None:
    first = demo.open()
    browser.one("#viewers label:nth-child(5)").click()
    browser.wait(lambda: demo.decision() != first, "a page for another viewer")
    explained = demo.explained(demo.decision())
    assert explained["share"] == {"artwork": "holdout", "rows": "holdout"}
    assert demo.rows() == [row.id for row in demo_page(service).rows][:ROWS_SHOWN]
    firsts = {title.id: title.artworks[0].id for title in read_document().titles}
    assert all(one["artwork"] == firsts[one["id"]] for one in explained["titles"])
    assert "holdout" in browser.one("#share").text


def test_the_keyboard_reaches_everything(browser: Browser, demo: DemoScene) -> None:
    demo.open()
    order = demo.rows()
    browser.press(Keys.TAB)
    assert demo.focused() == "skip"
    browser.press(Keys.ENTER, Keys.TAB)
    first = demo.focused()
    assert first.startswith(f"{order[0]}/")
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    browser.press(Keys.ARROW_RIGHT)
    assert demo.focused().startswith(f"{order[0]}/")
    assert demo.focused() != first
    browser.press(Keys.ARROW_DOWN)
    assert demo.focused().startswith(f"{order[1]}/")
    chosen = demo.focused()
    browser.press(Keys.ENTER)
    browser.wait(lambda: demo.focused() == "play", "the focus on the button that plays")
    browser.press(Keys.ENTER)
    browser.wait(lambda: demo.focused() == "pause", "the focus in the player")
    browser.press(Keys.SPACE)
    assert browser.one("#pause").get_attribute("aria-label") == "Go on"
    browser.press(Keys.TAB)
    assert demo.focused() == "seek"
    browser.press(Keys.ESCAPE)
    browser.wait(lambda: not browser.run("return sheet.open"), "the sheet to close")
    # What was played may bring another page, on which that film's row no longer stands.
    assert demo.focused() in (chosen, "shelves")


def test_arrows_lead_from_the_top_to_the_shelves_and_back(
    browser: Browser, demo: DemoScene
) -> None:
    demo.open()
    browser.run("document.querySelector('#hero .solid').focus()")
    browser.press(Keys.ARROW_DOWN)
    assert demo.focused().startswith(f"{demo.rows()[0]}/")
    browser.press(Keys.END)
    last = "const cards = document.querySelectorAll('.shelf:first-child .card');"
    assert browser.run(f"{last} return document.activeElement === cards[cards.length - 1]")
    browser.press(Keys.HOME, Keys.ARROW_UP)
    assert demo.focused() == "solid"


def test_pointing_tells_why_and_buttons_scroll_a_shelf(browser: Browser, demo: DemoScene) -> None:
    demo.open()
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


def test_less_motion_is_respected(browser: Browser, demo: DemoScene) -> None:
    reduced = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", reduced)
    first = demo.open()
    browser.run(
        "window.moved = 0; const animate = Element.prototype.animate;"
        "Element.prototype.animate = function (...given) {"
        " window.moved += 1; return animate.apply(this, given); }"
    )
    browser.one("#viewers label:nth-child(2)").click()
    browser.wait(lambda: demo.decision() != first, "another page")
    assert browser.run("return window.moved") == 0


def test_a_phone_shows_it_without_sideways_scrolling(
    service: LocalServer, open_browser: OpenBrowser
) -> None:
    browser = open_browser(PHONE)
    demo = DemoScene(service, browser)
    demo.open()
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
    assert demo.focused() == "why"
