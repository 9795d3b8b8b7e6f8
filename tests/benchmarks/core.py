"""What one mention costs in the core, and what one thread weighs.

Microseconds of processor time per call, the median of several rounds over the same mentions, and bytes
of a thread's state, encoded and in memory. Reads `threads.jsonl.gz` below the folder that FLASHOVER_DATA
names if it is there, else mentions made up in the same shape.

    python tests/benchmarks/core.py
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

import msgspec

from streams.canned import shipped_rules
from streams.judge import follow, judge
from streams.language import detect_language
from streams.mask import MaskRules
from streams.mention import Decoder, Mention
from streams.params import ThreadParams
from streams.reading import Reader, answered
from streams.sentiment import LexiconScorer
from streams.thread import State, Thread, step
from tests.mentions import altered

MENTIONS = 20_000
ROUNDS = 7
PARAMS = ThreadParams()
READER = Reader(LexiconScorer(), detect_language, shipped_rules, MaskRules(), 7 * 86_400_000)
TEXTS = (  # made up, some 150 characters each; every other one with a handle, a number or both
    "My router has been blinking red since Tuesday, and the app says that all is well. "
    "Is anybody else without a line in the north of the town today?",
    "@acme_helps I have called three times now, 40 minutes each, order 4711882, and nobody "
    "can tell me where the parcel is. This is terrible service.",
    "Seit drei Wochen warte ich auf die Rückerstattung, und jedes Mal heißt es, das dauere "
    "noch ein paar Tage. Wer ist denn da zuständig?",
    "@acme_hilft Der Techniker war da, pünktlich und freundlich. Seit gestern läuft alles "
    "wieder, danke dafür, Auftrag 88-2041!",
)
REPLY = (
    "Hi there, we are sorry to hear that. Please send us a DM with your account number so we "
    "can look into it."
)
FAR_MS = 4_102_444_800_000  # 2100-01-01: nothing here lies in the future


def lines() -> Iterator[bytes]:
    """Recorded mentions if there are any, else made-up ones."""
    recorded = Path(os.environ.get("FLASHOVER_DATA", "../shared/data")) / "threads.jsonl.gz"
    if not recorded.exists():
        yield from made_up()
        return
    with gzip.open(recorded) as file:
        yield from islice(file, MENTIONS)


def made_up() -> Iterator[bytes]:
    """A day of threads with sizes of a long tail (median 4), interleaved by time, always the same."""
    rng = random.Random(7)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows: list[tuple[float, int, int]] = []
    for thread in range(MENTIONS):
        began = rng.uniform(0, 86_400)
        size = min(2_000, int(3 * rng.paretovariate(1.0)))
        rows += [(began + (rng.expovariate(1 / 7_200) if n else 0), thread, n) for n in range(size)]
        if len(rows) >= MENTIONS:
            break
    for second, thread, n in sorted(rows):
        yield json.dumps(
            {
                "id": f"forum:c{thread}-{n}" if n else f"forum:t{thread}",
                "brand": f"brand-{thread % 8}",
                "platform": "forum",
                "thread_id": f"forum:t{thread}",
                "parent_id": f"forum:t{thread}" if n else None,
                "kind": "reply" if n else "post",
                "author": {"id": f"u{rng.randrange(1 + n):012x}"},
                "text": "",
                "created_at": f"{start + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}",
            },
            separators=(",", ":"),
        ).encode()


def per_call_us(calls: int, run: Callable[[], object]) -> float:
    """Median processor time of one of the `calls` calls that `run` makes."""
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        before = time.process_time()
        run()
        rounds.append((time.process_time() - before) / calls * 1e6)
    return median(rounds)


def storm(mentions: int) -> Iterator[Mention]:
    """One thread of so many mentions, each by a new author, three to a branch, one every 5 s."""
    decoder = Decoder()
    for n in range(mentions):
        raw = {
            "id": f"forum:c{n}" if n else "forum:t0",
            "brand": "acme",
            "platform": "forum",
            "thread_id": "forum:t0",
            "parent_id": None if n == 0 else "forum:t0" if n % 3 == 1 else f"forum:c{n - 1}",
            "author": {"id": f"u{n}", "followers": 250},
            "created_at": 1_704_067_200_000 + n * 5_000,
        }
        mention = decoder.decode(json.dumps(raw).encode(), FAR_MS)
        assert isinstance(mention, Mention)
        yield mention


def followed(mentions: Iterable[Mention]) -> dict[str, Thread]:
    """All threads, after all mentions, by the road that live, replay and tuning take."""
    threads: dict[str, Thread] = {}
    for mention in mentions:
        if (after := follow(threads.get(mention.thread_id), mention, PARAMS, reader=READER)) is not None:
            threads[mention.thread_id] = after.thread
    return threads


def stepped(mentions: list[Mention]) -> dict[str, Thread]:
    """The same without the judgement."""
    threads: dict[str, Thread] = {}
    for mention in mentions:
        if (after := step(threads.get(mention.thread_id), mention)) is not None:
            threads[mention.thread_id] = after
    return threads


def with_texts(mentions: Iterable[Mention]) -> list[Mention]:
    """The same mentions, each with a text."""
    return [altered(one, text=TEXTS[number % len(TEXTS)]) for number, one in enumerate(mentions)]


def calm(mentions: Iterable[Mention]) -> list[Mention]:
    """Those of threads that never leave calm."""
    several = list(mentions)
    threads = followed(several)
    return [one for one in several if not threads[one.thread_id].alerts]


def main() -> None:
    """Measure and print."""
    READER.warm()
    raw = list(islice(lines(), MENTIONS))
    decoder = Decoder(b"benchmark")
    mentions = [
        mention for mention in (decoder.decode(one, FAR_MS) for one in raw) if isinstance(mention, Mention)
    ]
    states = list(followed(mentions).values())
    pack = msgspec.msgpack.Encoder().encode
    unpack = msgspec.msgpack.Decoder(State).decode
    packed = [pack(state.state()) for state in states]
    burst = list(storm(1_000))
    quiet = calm(mentions)
    spoken, loud = with_texts(quiet), with_texts(burst)
    thread = next(iter(states))
    said = altered(burst[0], from_brand=True, text=REPLY)

    print(f"{len(mentions)} mentions in {len(states)} threads; processor time, median of {ROUNDS} rounds\n")
    for name, calls, run in (
        ("decode", len(raw), lambda: [decoder.decode(one, FAR_MS) for one in raw]),
        ("step", len(mentions), lambda: stepped(mentions)),
        ("judge", len(states), lambda: [judge(state, PARAMS) for state in states]),
        ("follow", len(mentions), lambda: followed(mentions)),
        ("follow, a storm of 1,000", len(burst), lambda: followed(burst)),
        ("follow, calm threads", len(quiet), lambda: followed(quiet)),
        ("  with a text each", len(spoken), lambda: followed(spoken)),
        ("  a storm, with texts", len(loud), lambda: followed(loud)),
        ("judge a brand's reply", 100, lambda: [answered(thread, said, READER) for _ in range(100)]),
        ("encode state", len(states), lambda: [pack(state.state()) for state in states]),
        ("decode state", len(packed), lambda: [Thread.restored(unpack(one)) for one in packed]),
    ):
        print(f"{name:26}{per_call_us(calls, run):8.2f} us")

    print()
    for size in (1, 9, 10, 100, 1_000, 10_000):
        tracemalloc.start()
        (state,) = followed(storm(size)).values()
        gc.collect()  # also empties the interpreter's free lists, which would count as held
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        print(f"{size:7,} mentions {len(pack(state.state())):9,} bytes encoded {held:10,} bytes in memory")
    print(f"   mean of all {sum(map(len, packed)) / len(packed):10,.0f} bytes encoded")


if __name__ == "__main__":
    main()
