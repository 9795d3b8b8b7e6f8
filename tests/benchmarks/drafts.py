"""How long `POST /api/replies/check` takes: over HTTP, one request after the other, all on one core.

The texts are drafts of the kind that a desk writes, short and long, in both languages, into hot, calm and
unknown threads by turns; the language is told by half of the callers and detected for the others. 20,000
threads are known. What is measured is wall clock, from the request to its decoded answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter

from aiohttp import ClientSession

from streams.levels import Level
from tests.agents.web.house import READ, House, bearer, open_house
from tests.streams.incidents import case

_REQUESTS = 3_000
_THREADS = 20_000
_TARGET_MS = 20.0
_DRAFTS = (
    ("de", "Hallo Frau Muster, bitte schicke uns eine DM mit deiner Kundennummer. LG, das Team"),
    ("de", "Ich habe den Vertrag eben gekündigt; die letzte Rechnung ist storniert. Es tut mir sehr leid."),
    ("en", "We're sorry to hear that! Please send us a direct message with your booking reference."),
    (
        "en",
        "I have refunded both tickets just now, and the airport has your wheelchair: gate B4, ask for me.",
    ),
    ("en", "Thank you for your patience. " * 60),
)


async def main() -> None:
    """Print the median and the tail, beside the target."""
    now_ms, dice = time.time_ns() // 1_000_000, random.Random(7)
    house = House()
    for number in range(_THREADS):
        if number % 100 == 1:
            house.alert(case(1, f"t{number}"), now_ms)
        house.thread(f"t{number}", now_ms, Level.PAGE if number % 100 == 1 else Level.CALM)
    took_ms: list[float] = []
    decisions: Counter[str] = Counter()
    async with open_house(house) as visitor, ClientSession(visitor.address, headers=bearer(READ)) as session:
        for number in range(-100, _REQUESTS):  # the first hundred warm up
            lang, text = dice.choice(_DRAFTS)
            kind = dice.randrange(3)  # hot, calm, never seen
            thread = 1 + 100 * dice.randrange(_THREADS // 100) if kind == 0 else dice.randrange(_THREADS)
            body = {"brand": "acme", "thread_id": f"t{thread}" if kind < 2 else f"new{thread}", "text": text}
            body |= {"lang": lang} if number % 2 else {}
            began = time.perf_counter()
            async with session.post("/api/replies/check", json=body) as answer:
                told = json.loads(await answer.read())
            if number >= 0:
                took_ms.append((time.perf_counter() - began) * 1000)
                decisions[told["decision"]] += 1
    took_ms.sort()
    median, tail = took_ms[len(took_ms) // 2], took_ms[int(len(took_ms) * 0.99)]
    said = ", ".join(f"{count} {word}" for word, count in decisions.most_common())
    print(f"drafts checked    {_REQUESTS:,}: {said}")
    print(f"median            {median:.2f} ms   target < {_TARGET_MS:g} ms")
    print(f"99th percentile   {tail:.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
