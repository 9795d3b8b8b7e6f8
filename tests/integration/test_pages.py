"""The pages in a real browser: by keyboard, by touch, light and dark; what strangers wrote stays text."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from streams.alert import Evidence, Reply
from streams.incident import Incident, State
from streams.levels import Level
from tests.agents.web.house import ACT, ADMIN, House, open_house
from tests.agents.web.test_doors import a_link, now_ms
from tests.agents.web.test_pages import HOSTILE
from tests.integration.browser import DESK, PHONE, browser
from tests.streams.incidents import case, ident

pytestmark = pytest.mark.integration

#: Everything that is pressed has 44 px in each direction, but for links within a sentence.
SMALL = """
const pressed = 'button, input:not([type=hidden]), select, textarea, summary, nav a, .cover';
return [...document.querySelectorAll(pressed)]
  .filter(one => one.offsetParent !== null)
  .map(one => [(one.closest('label') || one).getBoundingClientRect(), one])
  .filter(([area, one]) => area.height < 43.5 || area.width < 43.5)
  .map(([_, one]) => one.outerHTML.slice(0, 120))
"""
#: Texts whose contrast to what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3).
PALE = """
const parts = text => (text.match(/[0-9.]+/g) || []).map(Number);
const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
const behind = one => {
  for (let e = one; e; e = e.parentElement) {
    const colour = parts(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] > .99) return colour;
  }
  return [255, 255, 255];
};
const says = one => [...one.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
return [...document.querySelectorAll('body *')]
  .filter(one => one.offsetParent !== null && says(one))
  .map(one => {
    const a = light(parts(getComputedStyle(one).color)), b = light(behind(one));
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), one.outerHTML.slice(0, 120)];
  })
  .filter(([ratio]) => ratio < 4.5)
"""
WIDER = "return document.scrollingElement.scrollWidth - window.innerWidth"


def burning() -> House:
    house = House()
    began_ms = now_ms() - 7_200_000
    house.thread("t1", began_ms, Level.PAGE, 61)
    told = case(
        title="My mother died, and they want HER signature to end the contract",
        voices=("Just cancel it.", "The same with us."),
        url="https://social.example/1",
        authors=21,
        reach=48_210,
        negative_share=0.71,
        reply=Reply("canned", "2026-07-01T12:00:00Z", 0.8),
    )
    evidence = [Evidence("new_people_2h", 21.3, "people, fading", 6.2, 0.6)]
    house.alert(told, now_ms() - 5_400_000, evidence)
    house.alert(case(1, "t2"), now_ms() - 60_000)
    return house


@contextmanager
def served(house: House) -> Iterator[str]:
    """The pages on a thread of their own, for the length of a `with`; yields their address."""
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    address: list[str] = []

    async def serve() -> None:
        async with open_house(house) as visitor:
            address.append(visitor.address)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def press(chrome: Chrome, *keys: str) -> None:
    ActionChains(chrome).send_keys(*keys).perform()


def tab_to(chrome: Chrome, selector: str) -> None:
    """As somebody without a mouse: on, until it has the focus."""
    for _ in range(60):
        press(chrome, Keys.TAB)
        if chrome.execute_script("return document.activeElement.matches(arguments[0])", selector):
            return
    pytest.fail(f"{selector} is not to be reached by keyboard")


def sign_in(chrome: Chrome, address: str, token: str = ACT) -> None:
    chrome.get(f"{address}/incidents")
    assert chrome.switch_to.active_element.get_attribute("name") == "token"
    press(chrome, token, Keys.ENTER)
    shown(chrome, ".head")
    assert chrome.current_url == f"{address}/incidents"


def incident(house: House) -> Incident:
    return house.known.incidents[ident()]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_case_is_taken_and_resolved_by_keyboard(dark: bool) -> None:
    house = burning()
    with served(house) as address, browser(DESK, dark=dark) as chrome:
        sign_in(chrome, address)
        tab_to(chrome, f"a.cover[href='/incidents/{ident()}']")
        press(chrome, Keys.ENTER)
        shown(chrome, "#take")
        tab_to(chrome, "#take")
        press(chrome, Keys.ENTER)
        assert "Done." in shown(chrome, "[role=status]")
        assert (incident(house).state, incident(house).owner) == (State.ACKNOWLEDGED, "duty-lead")
        assert incident(house).hold is not None
        tab_to(chrome, "input[value=handled]")
        press(chrome, " ")
        tab_to(chrome, "textarea[name=note]")
        press(chrome, "cancelled", Keys.TAB, Keys.ENTER)
        assert "handled" in shown(chrome, ".badge.resolved")
        assert (incident(house).state, incident(house).resolution) == (State.RESOLVED, "handled")
        assert incident(house).history[-1].note == "handled: cancelled"


def touch(chrome: Chrome, selector: str) -> None:
    """A finger on the middle of it."""
    one = chrome.find_element(By.CSS_SELECTOR, selector)
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", one)
    box = chrome.execute_script(
        "const b = arguments[0].getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]", one
    )
    point = {"x": box[0], "y": box[1]}
    chrome.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    chrome.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def shown(chrome: Chrome, selector: str) -> str:
    """The text of an element, waited for."""
    return chrome.find_element(By.CSS_SELECTOR, selector).text


def count(chrome: Chrome, selector: str) -> int:
    """How many there are at this moment."""
    found: int = chrome.execute_script("return document.querySelectorAll(arguments[0]).length", selector)
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_case_is_taken_and_resolved_by_touch(dark: bool) -> None:
    """On a phone, where nothing is too small or too wide, and everything can be read."""
    house = burning()
    with served(house) as address, browser(PHONE, dark=dark) as chrome:
        sign_in(chrome, address)
        checks(chrome)
        touch(chrome, f"a.cover[href='/incidents/{ident()}']")
        assert "My mother died" in shown(chrome, "h1[dir]")
        checks(chrome)
        touch(chrome, "#take")
        assert "Done." in shown(chrome, "[role=status]")
        checks(chrome)
        touch(chrome, "input[value='false-alarm']")
        touch(chrome, "#resolve")
        assert "false alarm" in shown(chrome, ".badge.resolved")
        assert incident(house).resolution == "false-alarm"


def checks(chrome: Chrome) -> None:
    chrome.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert chrome.execute_script(SMALL) == []
    assert chrome.execute_script(PALE) == []
    assert chrome.execute_script(WIDER) <= 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_can_be_read_at_a_desk(dark: bool) -> None:
    house = burning()
    with served(house) as address, browser(DESK, dark=dark, lang="de") as chrome:
        chrome.get(f"{address}/sign-in")
        checks(chrome)
        sign_in(chrome, address, ADMIN)
        for path in ("/incidents?lang=de", f"/incidents/{ident()}", "/nowhere", a_link()):
            chrome.get(address + path)
            checks(chrome)


def test_a_link_from_a_page_takes_the_case_with_one_touch() -> None:
    """Opened twice and reloaded it does nothing; touched once it acts, and then no more."""
    house = burning()
    with served(house) as address, browser(PHONE) as chrome:
        for _ in range(2):
            chrome.get(address + a_link())
        chrome.refresh()
        assert house.commands == []
        checks(chrome)
        touch(chrome, "#press")
        assert "Done." in shown(chrome, "[role=status]")
        assert incident(house).owner == "lead"
        chrome.get(address + a_link())
        assert "done before" in shown(chrome, "[role=status]")
        assert count(chrome, "#press") == 0


def test_a_hostile_post_is_shown_and_does_nothing() -> None:
    """No dialog, no element of its own, no reading order turned, nothing loaded from elsewhere."""
    house = House()
    told: dict[str, Any] = {
        "title": HOSTILE,
        "summary": HOSTILE,
        "voices": (HOSTILE,),
        "url": f"https://x/{HOSTILE}",
    }
    house.alert(case(**told), now_ms(), [Evidence(HOSTILE, 1.0, HOSTILE, None, 0.5)])
    with served(house) as address, browser(PHONE) as chrome:
        sign_in(chrome, address)
        for path in ("/incidents", f"/incidents/{ident()}"):
            chrome.get(address + path)
            assert "<script>alert(1)</script>" in chrome.find_element(By.TAG_NAME, "main").text
            assert count(chrome, "script, img, iframe, [onerror]") == 0
            assert "\\u202e" in chrome.title or path == "/incidents"
            checks(chrome)
        loaded = chrome.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
        assert all(one.startswith(address) for one in loaded)
