"""A public stream that never was: messages in Jetstream's shape, and the brands that some name.

Law of this file: seeded, so that two runs are of the same stream; the words are made up of syllables. Run as
a script it serves the stream: `python -m tests.benchmarks.skies PORT RATE`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

from aiohttp import web

from streams.matching import Terms

__all__ = ["BRANDS", "TERMS_EACH", "Sky", "terms", "toml"]

BRANDS = 200
TERMS_EACH = 25
_SYLLABLES = tuple(one + two for one in "bdfghklmnprstvw" for two in "aeiou")
_TEXTS = 20_000


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _word(dice: random.Random) -> str:
    return "".join(dice.choices(_SYLLABLES, k=dice.randint(2, 4)))


def terms() -> dict[str, Terms]:
    """200 brands of 25 terms each: names, handles, hashtags, domains, phrases, exclusions."""
    dice = random.Random(5)
    found = {}
    for number in range(BRANDS):
        name = f"{_word(dice).title()}{_word(dice)}"
        found[f"brand{number}"] = Terms(
            names=(name, *[f"{name} {_word(dice)}" for _ in range(7)]),
            handles=tuple(f"{name.lower()}{end}.example" for end in ("", "help", "news")),
            hashtags=tuple(f"#{name}{end}" for end in ("", "fail", "down", "hilft")),
            domains=(f"{name.lower()}.example", f"{name.lower()}.shop.example"),
            phrases=tuple(f"my {_word(dice)} {name}" for _ in range(5)),
            exclude=tuple(f"{name} {_word(dice)} street" for _ in range(3)),
        )
    return found


def toml(port: int) -> str:
    """The same as a settings file, with a Bluesky source on this machine."""
    lines = []
    for slug, one in terms().items():
        lines.append(f"[brands.{slug}]")
        lines += [
            f"{kind} = {json.dumps(list(getattr(one, kind)))}"
            for kind in ("names", "handles", "hashtags", "domains", "phrases", "exclude")
        ]
    return "\n".join(lines) + f'\n[sources.sky]\nkind = "bluesky"\nservers = ["ws://127.0.0.1:{port}"]\n'


class Sky:
    """Messages without end: 70 % posts and answers, 18 % reposts, 8 % deletions, 4 % others.

    One post in ten names a brand.
    """

    def __init__(self) -> None:
        self._dice = dice = random.Random(11)
        words = [_word(dice) for _ in range(5_000)]
        names = [one.names[0] for one in terms().values()]
        self._texts = []
        for number in range(_TEXTS):
            said = dice.choices(words, k=dice.randint(3, 45))
            if number % 10 == 0:
                said.insert(dice.randrange(len(said)), dice.choice(names))
            self._texts.append(json.dumps(" ".join(said)))
        self._number = 0
        self._roots: list[str] = ["at://did:plc:none/app.bsky.feed.post/3knone"] * 2_000

    def messages(self, now_us: Callable[[], int]) -> Iterator[str]:
        """Messages of this moment, ever on."""
        dice, random_ = self._dice, self._dice.random
        while True:
            self._number += 1
            at_us = now_us()
            created = _second(at_us // 1_000_000)
            number = self._number
            did = f"did:plc:{int(random_() * 2_000_000):024d}"
            kind = random_()
            if kind < 0.70:
                text = self._texts[int(random_() * _TEXTS)]
                uri = f"at://{did}/app.bsky.feed.post/3k{number:011d}"
                reply = ""
                if random_() < 0.45:
                    root = self._roots[int(random_() * len(self._roots))]
                    ref = f'{{"cid":"bafyp","uri":"{root}"}}'
                    reply = f',"reply":{{"parent":{ref},"root":{ref}}}'
                else:
                    self._roots[int(random_() * len(self._roots))] = uri
                what = (
                    f'"operation":"create","collection":"app.bsky.feed.post","rkey":"3k{number:011d}","record":{{'
                    f'"$type":"app.bsky.feed.post","createdAt":"{created}","langs":["en"]{reply},'
                    f'"facets":[{{"features":[{{"$type":"app.bsky.richtext.facet#link",'
                    f'"uri":"https://news.example/{number}"}}],"index":{{"byteEnd":9,"byteStart":3}}}}],'
                    f'"text":{text}}},"cid":"bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5"'
                )
            elif kind < 0.88:
                subject = self._roots[int(random_() * len(self._roots))]
                what = (
                    f'"operation":"create","collection":"app.bsky.feed.repost","rkey":"3r{number:011d}","record":{{'
                    f'"$type":"app.bsky.feed.repost","createdAt":"{created}",'
                    f'"subject":{{"cid":"bafys","uri":"{subject}"}}}},"cid":"bafyreib2rxk3rybk3aobmv5cjuql3bm2twh"'
                )
            elif kind < 0.96:
                gone = self._number - dice.randrange(1, 10_000)
                what = (
                    f'"operation":"delete","collection":"app.bsky.feed.post","rkey":"3k{max(0, gone):011d}"'
                )
            else:
                yield (
                    f'{{"did":"{did}","time_us":{at_us},"kind":"identity",'
                    f'"identity":{{"did":"{did}","handle":"h{number}.example","seq":{number}}}}}'
                )
                continue
            commit = f'"kind":"commit","commit":{{"rev":"3kabc",{what}}}'
            yield f'{{"did":"{did}","time_us":{at_us},"cursor":{number},{commit}}}'


async def _serve(port: int, rate: int) -> None:
    async def subscribe(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        messages = Sky().messages(lambda: time.time_ns() // 1000)
        began, sent = time.monotonic(), 0
        while not socket.closed:
            while sent < (time.monotonic() - began) * rate:
                await socket.send_str(next(messages))
                sent += 1
            await asyncio.sleep(0.01)
        return socket

    app = web.Application()
    app.router.add_get("/subscribe", subscribe)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
