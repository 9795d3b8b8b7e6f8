"""Draws the pictures of the pages for the docs: `python -m tests.integration.pages_picture`.

An invented case of an invented brand, over the same pages that people see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By

from streams.alert import Evidence, Reply
from streams.forecast import Forecast
from streams.incident import Resolve, Take
from streams.levels import Level
from streams.mention import rfc3339
from tests.agents.web.house import ACT, House
from tests.agents.web.test_doors import now_ms
from tests.integration.browser import DESK, PHONE, browser, picture
from tests.integration.test_pages import served, sign_in
from tests.streams.incidents import case, command, ident

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
MINUTE = 60_000
EVIDENCE = (
    Evidence("new_people_2h", 21.3, "people, fading", 6.2, 0.52),
    Evidence("mentions_30min", 14.1, "mentions, fading", 5.5, 0.31),
    Evidence("brand_tempo", 1.7, "times usual", 1.0, 0.09),
    Evidence("day_left", 0.93, "share", 0.9, -0.05),
)


def invented() -> House:
    """Two storms, one of them taken, one that is over, one that is warming up."""
    house, now = House(), now_ms()
    house.thread("mastodon:1138", now - 120 * MINUTE, Level.PAGE, 61)

    def alert(thread: str | None, brand: str, ago: int, **more: Any) -> None:
        at_ms = now - ago * MINUTE
        told = case(1, thread, brand, raised_at=rfc3339(at_ms), **({"reason": "viral-forecast"} | more))
        house.alert(told, at_ms, EVIDENCE)

    alert(
        "mastodon:1138",
        "murmeltel",
        70,
        summary=(
            "23 mentions by 21 people in 50 min; some 612 expected within a day (91% chance of 100); "
            "the brand has not answered: take the case before its text block does"
        ),
        title="My mother died in March. They want HER signature to end the contract.",
        authors=21,
        mentions=23,
        reach=48_210,
        negative_share=0.71,
        voices=("Just cancel it.", "The same with us: [phone], three weeks on hold, no answer."),
        url="https://social.example/@somebody/1138",
        forecast=Forecast(612, 180, 1400, 0.91, 100),
        reply=Reply("none", rfc3339(now + 20 * MINUTE), 0.82),
    )
    alert(
        "bluesky:3k",
        "thistledown-air",
        25,
        title="They left my wheelchair at the other airport, and the desk says: send us a DM",
        authors=40,
        mentions=52,
        forecast=Forecast(240, 120, 700, 0.83, 80),
        reply=Reply("canned"),
    )
    alert("t9", "murmeltel", 150, title="Charged twice, and the hotline hangs up", mentions=44, authors=30)
    house.thread("t7", now - 30 * MINUTE, Level.WARN)
    alert("t7", "murmeltel", 20, level="warn", title="The app has logged everybody out again", mentions=17)
    other, over = ident("bluesky:3k", "thistledown-air"), ident("t9", "murmeltel")
    took = command(Take, now, "service-lead", incident=other, brand="thistledown-air", reason="at the gate")
    house.desk.command(took, now - 15 * MINUTE)
    done = command(Resolve, now, "service-lead", incident=over, brand="murmeltel", resolution="handled")
    house.desk.command(done, now - 12 * MINUTE)
    house.publish()
    return house


def main() -> None:
    """Draw them all."""
    with served(invented()) as address:
        with browser(PHONE) as chrome:
            sign_in(chrome, address, ACT)
            chrome.get(f"{address}/incidents/{ident('mastodon:1138', 'murmeltel')}")
            picture(chrome, FOLDER / "incident-phone.png", 1420)
        with browser(DESK, dark=True) as chrome:
            sign_in(chrome, address, ACT)
            assert chrome.find_element(By.TAG_NAME, "h1")
            picture(chrome, FOLDER / "incidents-board.png", 1060)


if __name__ == "__main__":
    main()
