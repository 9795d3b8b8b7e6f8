"""What followed the replies of a recording, by template and by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from streams.aftermath import BrandReplies, Replies
from streams.judge import follow
from streams.mention import Mention
from streams.params import ThreadParams
from streams.thread import DAY_MS, Thread
from tests.mentions import altered
from tests.streams.readers import reader

Make = Callable[..., Mention]
MIN = 60_000
SOLVED = "Your contract ends today, we are sorry, and the fee is refunded."
BLOCK = "Hello, please send us a dm with your number, thank you."


def told(mentions: Iterator[Mention]) -> dict[str, BrandReplies]:
    reading, threads = reader(), dict[str, Thread]()
    watch = Replies(reading, 100)
    for one in mentions:
        followed = follow(threads.get(one.thread_id), one, ThreadParams(), reader=reading)
        if followed is not None:
            threads[one.thread_id] = followed.thread
            watch.add(one, followed)
    return {one.brand: one for one in watch.finish()}


def days(mention: Make, size: int, more: dict[str, int]) -> Iterator[Mention]:
    """A thread a day: `size` customers, a reply, and so many more customers as follow that reply."""
    for day in range(16):
        root, text = f"forum:{day}", list(more)[day % len(more)]

        def said(
            n: int, at: int, text: str, *, desk: bool = False, day: int = day, root: str = root
        ) -> Mention:
            one = mention(
                f"{root}-{n}" if n else root,
                at=day * DAY_MS + at,
                author="desk" if desk else f"{day}-{n}",
                from_brand=desk,
                text=text,
            )
            return altered(one, thread_id=root)

        for n in range(size):
            yield said(n, n * MIN, "this is bad" if n % 2 else "fine")
        yield said(5000, size * MIN, text, desk=True)
        for n in range(more[text]):
            yield said(6000 + n, (size + 1 + n) * MIN, "bad" if text == BLOCK else "fine")
    yield mention(at=20 * DAY_MS, author="last")


def test_templates_are_told_apart_by_what_followed(mention: Make) -> None:
    """After the text block ever more came, and angrier; after the solution hardly any."""
    one = told(days(mention, 20, {SOLVED: 2, BLOCK: 900}))["acme"]
    assert one.replies == 16
    block, solved = sorted(one.templates, key=lambda each: each.text)
    assert (block.text, block.uses, block.kind, block.rules) == (BLOCK, 8, "canned", ("ask-for-dm",))
    assert (solved.text, solved.uses, solved.rules) == (SOLVED, 8, ())
    assert block.followed.growth_ratio is not None
    assert solved.followed.growth_ratio is not None
    assert block.followed.growth_ratio.low > 1.5
    assert solved.followed.growth_ratio.high < 0.5
    assert block.followed.negative_change is not None
    assert block.followed.negative_change.low > 0.2
    assert solved.followed.negative_change is None  # two texts after it are too few
    assert "association" in block.followed.sentence


def test_kinds_are_told_of_beside_templates(mention: Make) -> None:
    """What recurs without a rule is recurring from its fifth use on."""
    one = told(days(mention, 20, {SOLVED: 2, BLOCK: 900}))["acme"]
    assert [(kind, count) for kind, count, _ in one.by_kind] == [
        ("canned", 8),
        ("recurring", 4),
        ("own-words", 4),
    ]


def test_small_threads_late_replies_and_open_days_say_nothing(mention: Make) -> None:
    small = told(days(mention, 5, {BLOCK: 40}))["acme"]
    assert small.templates[0].uses == 16
    assert small.templates[0].followed.replies == 0
    late = told(days(mention, 1400, {BLOCK: 1}))["acme"]  # after more than 23 hours
    assert late.templates[0].followed.replies == 0
    whole = list(days(mention, 20, {BLOCK: 40}))
    cut = told(iter([one for one in whole if one.created_ms < whole[0].created_ms + 6.5 * DAY_MS]))["acme"]
    assert cut.templates[0].uses == 7
    assert cut.templates[0].followed.replies == 6  # the seventh day is not over


def test_a_sample_is_masked(mention: Make) -> None:
    text = "Dear @jo_doe, we have written to jo@example.org and called 0170 1234567, see your dm"
    (template,) = told(days(mention, 12, {text: 1}))["acme"].templates
    assert template.text == "Dear @[handle], we have written to [e-mail] and called [phone], see your dm"
