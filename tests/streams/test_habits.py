"""What a brand's desk is used to do: learned by the hour, whoever told of a reply and when."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from streams.as_usual import NEUTRAL_MS, templates_of
from streams.canned import recurrence, signature
from streams.habits import LAG_MS, Habits, Known, learned, said_of
from streams.judge import follow
from streams.mention import Mention
from streams.params import ThreadParams
from streams.pulse import Said
from streams.thread import Thread
from streams.usual import Usual
from tests.streams.readers import reader

Make = Callable[..., Mention]
HOUR_MS = 3_600_000
BLOCK = ("please", "send", "us", "a", "message", "with", "your", "number")


def said(hour: float, number: int, words: tuple[str, ...] = BLOCK, *, waited_s: int = 600) -> Said:
    return Said("acme", int(hour * HOUR_MS), number, waited_s, words is BLOCK, signature(words))


def test_the_order_and_the_source_of_an_hours_replies_make_no_difference() -> None:
    replies = [said(0.1 * n, n, BLOCK if n % 3 else (*BLOCK[:6], f"word{n}")) for n in range(9)]
    mixed = [*replies]
    random.Random(2).shuffle(mixed)
    assert learned(Habits(), mixed, HOUR_MS) == learned(Habits(), replies, HOUR_MS)


def test_an_hour_is_learned_once() -> None:
    """What is read again after a crash is in the habits already."""
    once = learned(Habits(), [said(0.5, 1)], HOUR_MS)
    assert learned(once, [said(0.5, 1)], HOUR_MS) is once
    assert once.clock.all.replies == 1


def test_a_template_is_known_from_its_fourth_use_and_an_hour_later() -> None:
    habits = Habits()
    for hour in range(6):
        habits = learned(habits, [said(hour, hour)], (hour + 1) * HOUR_MS)
        assert len(habits.known) == (hour >= 3)
    (known,) = habits.known
    assert known.uses == ((4 * HOUR_MS, 4), (5 * HOUR_MS, 5), (6 * HOUR_MS, 6))
    assert [known.earlier(hour * HOUR_MS) for hour in (4, 5, 6, 7, 99)] == [0, 4, 5, 6, 6]


def test_a_reply_is_held_against_what_was_known_an_hour_before() -> None:
    """In whatever snapshot that stands; and against nothing in a brand's first two days."""
    known = Known("t1", signature(BLOCK), ((100 * HOUR_MS, 4), (101 * HOUR_MS, 5)))
    latest = [Usual(101 * HOUR_MS, 0, 1.0, 28.0, templates=(known,))]
    assert templates_of(latest, 100 * HOUR_MS + LAG_MS - 1) == ()
    assert templates_of(latest, 100 * HOUR_MS + LAG_MS) == (known,)
    seen = recurrence(templates_of(latest, 102 * HOUR_MS), " ".join(BLOCK), 102 * HOUR_MS)
    assert (seen.template_id, seen.earlier, seen.recurs) == ("t1", 5, True)
    young = [replace(latest[0], since_ms=101 * HOUR_MS - NEUTRAL_MS)]
    assert templates_of(young, 101 * HOUR_MS + LAG_MS - 1) == ()
    assert templates_of([], 999 * HOUR_MS) == ()


@pytest.mark.parametrize(
    ("root_by", "number", "waited_s"),
    [("customer", 0, 900), ("customer", 1, -1), ("desk", 0, -1), ("nobody", 0, -1)],
)
def test_only_the_first_reply_to_a_customers_post_teaches_the_clock(
    mention: Make, root_by: str, number: int, waited_s: int
) -> None:
    """What a brand says below its own post, or below one that was never seen, answers nothing."""
    reading, thread = reader(), None
    mentions = [mention(at=60_000 * n, author=f"c{n}") for n in range(3)]
    if root_by != "nobody":
        mentions.insert(
            0, mention("forum:root", parent=None, kind="post", author=root_by, from_brand=root_by == "desk")
        )
    answers = [mention(at=(15 + n) * 60_000, author="desk", from_brand=True, text="dm") for n in range(2)]
    told: list[Said | None] = []
    for one in (*mentions, *answers):
        followed = follow(thread, one, ThreadParams(), reader=reading)
        assert followed is not None
        thread = followed.thread
        if one in answers:
            told.append(said_of(one, thread, followed.reply))
    reply = told[number]
    assert reply is not None
    assert (reply.waited_s, reply.canned) == (waited_s, True)
    assert said_of(answers[0], Thread("acme", "forum", 0, 0, 0), None) is None
