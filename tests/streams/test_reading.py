"""What is read in texts, what of it is kept, and what it may not do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alert import Alert, encode_alert
from streams.judge import follow
from streams.levels import Level
from streams.mask import MaskRules
from streams.mention import Mention
from streams.params import AlertReason, ThreadParams
from streams.reading import TITLE_LENGTH, VOICE_LENGTH, VOICES, Reader, shown
from streams.thread import Thread
from tests.streams.readers import DAY_MS, Scorer, reader
from tests.threads import changed

Make = Callable[..., Mention]
MIN, HOUR = 60_000, 3_600_000
EAGER = ThreadParams(viral_at=30, min_mentions=3, min_authors=3)
BAD = "this is bad, and it is the third time in a row"


def walked(
    mentions: Iterable[Mention],
    params: ThreadParams = EAGER,
    reading: Reader | None = None,
    thread: Thread | None = None,
) -> tuple[Thread, list[Alert]]:
    reading = reading or reader()
    alerts: list[Alert] = []
    for one in mentions:
        followed = follow(thread, one, params, reader=reading)
        if followed is not None:
            thread = followed.thread
            alerts += [followed.alert] if followed.alert else []
    assert thread is not None
    return thread, alerts


def crowd(mention: Make, size: int, text: str = BAD, every_ms: int = 10_000, start: int = 0) -> list[Mention]:
    """`{n}` in the text is the number of who says it."""
    return [
        mention(
            f"c:{start}-{n}", start + n * every_ms, author=f"u{start}-{n}", text=text.replace("{n}", str(n))
        )
        for n in range(size)
    ]


def test_only_threads_that_have_left_calm_are_read(mention: Make) -> None:
    """What a calm thread says costs nothing; the mention that raises it is read first."""
    scorer = Scorer()
    thread, alerts = walked(crowd(mention, 20), reading=reader(scorer))
    calm = alerts[0].mentions - 1
    assert calm >= 2
    assert len(scorer.texts) == 20 - calm == thread.scored == thread.negative


def test_what_can_not_be_read_is_unknown_and_a_share_says_nothing(mention: Make) -> None:
    hot = crowd(mention, 8)
    thread, _ = walked(hot)
    scored = thread.scored
    more = [
        mention(at=HOUR, author="x", text="hm, hm, hm"),
        mention(at=HOUR, author="y", text=" \n", kind="share"),
        mention(at=HOUR, author="z", text="all fine"),
    ]
    thread, _ = walked(more, thread=thread)
    assert (thread.unread, thread.scored, thread.negative) == (1, scored + 1, scored)


def test_no_text_moves_a_level(mention: Make) -> None:
    """The same times with angry, friendly and unreadable texts: the same levels at the same moments."""
    told = []
    for text in ("bad bad bad, you should be ashamed", "all is fine", "hm", ""):
        _, alerts = walked(crowd(mention, 60, text))
        told.append([(one.level, one.raised_at, one.reason) for one in alerts])
    assert told[0]
    assert all(one == other for one, other in pairwise(told))


def test_a_root_leaves_a_masked_title_and_its_url(mention: Make) -> None:
    root = mention(
        "forum:root",
        parent=None,
        kind="post",
        author="op",
        text="Call me: +49 170 1234567, or jo@example.org!\n\tYour hotline hung up. " + "Again. " * 40,
        url="https://forum.example/root",
    )
    _, alerts = walked([root, *crowd(mention, 10, start=1000)])
    assert alerts[0].title.startswith("Call me: [phone], or [e-mail]! Your hotline hung up. Again")
    assert len(alerts[0].title) <= TITLE_LENGTH
    assert alerts[0].title.endswith("…")
    assert alerts[0].url == "https://forum.example/root"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.example/\u202ex", "https://" + "a" * 3000, "data:text/html,x"]
)
def test_an_address_that_is_none_is_not_kept(mention: Make, url: str) -> None:
    thread, _ = walked([mention("forum:root", parent=None, kind="post", text="Hello", url=url)])
    assert thread.url == ""


def test_voices_are_masked_few_and_one_a_person(mention: Make) -> None:
    said = [
        *crowd(mention, 40, "bad: {n} times I gave you my number 0170 1234567 and nothing came"),
        *[mention(at=HOUR + n, author="loud", text=f"bad, bad, bad, says {n}") for n in range(99)],
    ]
    thread, alerts = walked(said)
    assert len(thread.voices) == VOICES
    assert len({voice.author for voice in thread.voices}) == VOICES
    assert all("[phone]" in one or "bad, bad" in one for one in alerts[-1].voices)
    assert "1234567" not in encode_alert(alerts[-1]).decode()


def test_voices_do_not_depend_on_the_order(mention: Make) -> None:
    """Whoever is drawn is drawn, whatever the disorder."""
    thread, _ = walked(crowd(mention, 10, "all fine with me, thank you"))
    said = crowd(mention, 50, "{n} bad things I have to say about this", every_ms=1000, start=HOUR)
    mixed = [*said]
    random.Random(1).shuffle(mixed)
    one = walked(said, thread=thread)[0].voices
    other = walked(mixed, thread=walked(crowd(mention, 10, "all fine with me, thank you"))[0])[0].voices
    assert one == other


def test_texts_leave_after_their_time(mention: Make) -> None:
    """The first mention later than that lets them go; until then they stay."""
    short = reader(keep_ms=DAY_MS)
    root = mention("forum:root", parent=None, kind="post", author="op", text="The lift is broken")
    thread, _ = walked([root, *crowd(mention, 10, start=MIN)], reading=short)
    assert thread.title
    assert thread.voices
    thread, _ = walked([mention(at=DAY_MS - MIN, author="x")], reading=short, thread=thread)
    assert thread.title
    thread, _ = walked([mention(at=DAY_MS + HOUR, author="x")], reading=short, thread=thread)
    assert (thread.title, thread.voices) == ("", ())


_SECRETS = ("+49 170 1234567", "jo@example.org", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111")


@given(st.text(max_size=300), st.sampled_from(_SECRETS), st.text(max_size=300))
def test_no_personal_value_is_kept_wherever_the_cut_goes(before: str, secret: str, after: str) -> None:
    """Also where the text is cut in the middle of one."""
    kept = shown(f"{before} {secret} {after}", VOICE_LENGTH, MaskRules())
    assert secret not in kept
    digits = "".join(one for one in secret if one.isdigit())
    if len(digits) >= 7 and not any(one.isdigit() for one in before + after):
        assert sum(one.isdigit() for one in kept) < 7
    assert len(kept) <= VOICE_LENGTH
    assert "\n" not in kept
    assert "\u202e" not in kept


def reply(mention: Make, at: int, text: str) -> Mention:
    return mention(at=at, author="desk", from_brand=True, text=text)


def test_a_text_block_into_a_hot_thread_raises_it_by_one_and_a_second_again(mention: Make) -> None:
    slow = ThreadParams(viral_at=300, watch=0.01, warn=0.98, page=0.99, min_mentions=3, min_authors=3)
    thread, alerts = walked(crowd(mention, 6, every_ms=5 * MIN), slow)
    assert thread.level is Level.WATCH
    thread, more = walked([reply(mention, HOUR, "Please send a dm")], slow, thread=thread)
    (first,) = more
    assert (first.previous_level, first.level, first.reason) == ("watch", "warn", AlertReason.CANNED_REPLY)
    assert first.reply.state == "canned"
    assert first.evidence[0].signal == "dm: ask-for-dm"
    assert first.evidence[0].weight == 1.0
    thread, more = walked([reply(mention, HOUR + MIN, "A dm, please")], slow, thread=thread)
    assert [(one.previous_level, one.level) for one in more] == [("warn", "page")]
    thread, more = walked([reply(mention, HOUR + 2 * MIN, "dm?")], slow, thread=thread)
    assert [(one.previous_level, one.level) for one in more] == [("page", "page")]
    assert thread.canned_replies == 3
    assert len({one.id for one in (*alerts, first, *more)}) == len(alerts) + 2


def test_what_a_reply_raised_holds_for_an_hour(mention: Make) -> None:
    """The thread's own growth lowers it, and not at once."""
    slow = ThreadParams(viral_at=300, watch=0.01, warn=0.98, page=0.99, min_mentions=3, min_authors=3)
    thread, _ = walked(crowd(mention, 6, every_ms=5 * MIN), slow)
    thread, _ = walked([reply(mention, HOUR, "Please send a dm")], slow, thread=thread)
    thread, _ = walked([mention(at=2 * HOUR - MIN, author="x")], slow, thread=thread)
    assert thread.level is Level.WARN
    thread, _ = walked([mention(at=2 * HOUR + MIN, author="y")], slow, thread=thread)
    assert thread.level is Level.WATCH


def test_a_text_block_into_a_calm_thread_is_counted_and_raises_nothing(mention: Make) -> None:
    thread, alerts = walked([mention(at=0), reply(mention, MIN, "Please send a dm")])
    assert (thread.canned_replies, thread.level, alerts) == (1, Level.CALM, [])


def test_own_words_raise_and_lower_nothing(mention: Make) -> None:
    thread, _ = walked(crowd(mention, 5))
    level = thread.level
    assert Level.CALM < level < Level.PAGE
    own = reply(mention, 5 * MIN, "Your contract ends today. We are sorry.")
    thread, alerts = walked([own], thread=thread)
    assert (thread.level, alerts, thread.canned_replies) == (level, [], 0)
    _, alerts = walked(crowd(mention, 40, start=6 * MIN), thread=thread)
    assert alerts[-1].reply.state == "own-words"


def test_one_persons_flood_is_not_paged_for_a_text_block(mention: Make) -> None:
    few = ThreadParams(viral_at=12, min_mentions=3, min_authors=2)
    flood = [mention(at=n * 5000, author="troll" if n > 1 else f"u{n}") for n in range(60)]
    thread, _ = walked(flood, few)
    thread, alerts = walked([reply(mention, HOUR, "dm"), reply(mention, HOUR, "dm!")], few, thread=thread)
    assert alerts
    assert "page" not in [one.level for one in alerts]


def warm(mention: Make, chance: float = 0.001, **fields: object) -> tuple[Thread, ThreadParams]:
    """A thread at warn by its forecast, whose brand answers after an hour, nine of ten times from a block."""
    thread, _ = walked(crowd(mention, 10, every_ms=5 * MIN))
    known = {"reply_due_ms": thread.started_ms + 100 * MIN, "canned_share": 0.9, "level": Level.WARN}
    params = ThreadParams(
        viral_at=300,
        watch=0.0001,
        warn=0.0002,
        page=0.9999,
        release=0.01,
        min_mentions=3,
        min_authors=3,
        page_when_due=chance,
    )
    return changed(thread, **{**known, **fields}), params


@pytest.mark.parametrize(
    ("at_min", "fields", "paged"),
    [
        (80, {}, False),  # not yet
        (86, {}, True),
        (114, {}, True),
        (120, {}, False),  # the desk seems to be away
        (100, {"canned_share": 0.7}, False),
        (100, {"brand_replies": 1}, False),
        (100, {"reply_due_ms": 0}, False),
        (100, {"chance": 0.99}, False),  # not likely enough to wake a person for
    ],
)
def test_a_warning_becomes_a_page_before_the_text_block_comes(
    mention: Make, at_min: int, fields: dict[str, object], paged: bool
) -> None:
    thread, params = warm(mention, **fields)  # type: ignore[arg-type]
    _, alerts = walked([mention(at=at_min * MIN, author="one more")], params, thread=thread)
    assert [(one.level, one.reason) for one in alerts] == (
        [("page", AlertReason.CANNED_REPLY_DUE)] if paged else []
    )
    if paged:
        assert alerts[0].reply.expected_at is not None
        assert alerts[0].reply.expected_at >= alerts[0].raised_at
        assert alerts[0].reply.canned_share == 0.9
        assert "is to answer at 01:4" in alerts[0].summary or at_min > 100
