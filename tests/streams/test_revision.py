"""What its author has deleted is gone, and what was edited is read as it is now; nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.codec import decode_state, encode_state
from streams.alert import Alert
from streams.desk import Desk, decode_record, encode_record
from streams.incident import Revise
from streams.judge import follow
from streams.mention import Mention
from streams.params import ThreadParams
from streams.reading import Reader
from streams.revision import obeyed, told_of
from streams.shadow import Beside, follow_both
from streams.thread import Thread
from tests.mentions import altered
from tests.streams.conftest import ROOT, _mention
from tests.streams.incidents import RULES, T0, case, ident
from tests.streams.readers import Scorer, reader
from tests.streams.test_desk import Everybody

Make = Callable[..., Mention]
EAGER = ThreadParams(viral_at=30, min_mentions=3, min_authors=3)
HOUR = 3_600_000
BAD, FINE = "this is bad, and it is the third time", "it is fine again, thank you for that"


def walked(
    mentions: Iterable[Mention], thread: Thread | None = None, reading: Reader | None = None
) -> tuple[Thread, list[Alert]]:
    alerts: list[Alert] = []
    for one in mentions:
        followed = follow(thread, one, EAGER, reader=reading or reader())
        if followed is not None:
            thread = followed.thread
            alerts += [followed.alert] if followed.alert else []
    assert thread is not None
    return thread, alerts


def storm(size: int = 20, text: str = BAD) -> list[Mention]:
    root = _mention(ROOT, 0, author="anna", parent=None, kind="post", text=BAD, url="https://forum.example/1")
    answers = [_mention(f"c:{n}", n * 10_000, author=f"u{n}", text=f"{text} {n}") for n in range(1, size)]
    return [root, *answers]


def deleted(one: Mention, after_ms: int = HOUR) -> Mention:
    return altered(one, author=0, text="", url="", created_ms=one.created_ms + after_ms, deleted=True)


def edited(one: Mention, text: str, after_ms: int = HOUR) -> Mention:
    return altered(one, text=text, edited_ms=one.created_ms + after_ms)


def counted(thread: Thread) -> tuple[object, ...]:
    return thread.mentions, thread.mentions_24h, thread.last_ms, thread.heat, thread.reach, thread.pulse


def notice(one: Mention, thread: Thread) -> Revise:
    told = told_of(thread, one)
    assert told is not None
    return told


def test_a_deleted_voice_is_gone_and_its_count_stays() -> None:
    thread, _ = walked(storm())
    gone = next(one for one in storm() if one.key == thread.voices[0].lot)
    before, scores = counted(thread), (thread.scored, thread.negative)
    after, alerts = walked([deleted(gone)], thread)
    assert gone.key not in {voice.lot for voice in after.voices}
    assert (counted(after), (after.scored, after.negative)) == (before, scores)
    assert not alerts


def test_a_deleted_root_takes_title_and_address_with_it_and_nothing_brings_them_back() -> None:
    posts = storm()
    thread, _ = walked([*posts, deleted(posts[0]), posts[0], edited(posts[0], "as it was", 2 * HOUR)])
    assert (thread.title, thread.url, thread.root_deleted) == ("", "", True)


def test_a_deletion_that_overtakes_its_post_is_obeyed_when_that_comes() -> None:
    """The post counts; its text is not read."""
    posts, scorer = storm(), Scorer()
    late = _mention("c:late", 300_000, author="late", text=BAD + " late")
    thread, _ = walked([*posts, deleted(late), late], reading=reader(scorer))
    assert thread.mentions == len(posts) + 1
    assert not any("late" in text for text in scorer.texts)


@given(st.lists(st.tuples(st.integers(1, 19), st.booleans()), max_size=12))
def test_an_edited_thread_is_read_as_if_it_had_been_said_so_at_once(edits: list[tuple[int, bool]]) -> None:
    """Whatever is edited into what, and however often: the shares are those of the texts that stand now."""
    posts = storm(text=FINE)
    now = list(posts)
    revisions = []
    for number, (place, bad) in enumerate(edits):
        text = f"{BAD if bad else FINE} {number}"
        now[place] = altered(posts[place], text=text)
        revisions.append(edited(posts[place], text, HOUR + number))
    thread, _ = walked([*posts, *revisions])
    read = {key for key, score in (thread.scores or {}).items() if score < 2}
    assert thread.scored == len(read)
    assert thread.negative == sum("bad" in one.text for one in now if one.key in read)
    assert {voice.lot for voice in thread.voices} <= {one.key for one in now if "bad" in one.text}


def test_the_same_revision_told_twice_changes_nothing_more() -> None:
    posts = storm()
    thread, _ = walked(posts)
    for one in (edited(posts[5], FINE), deleted(posts[7]), deleted(posts[0])):
        thread, _ = walked([one], thread)
        once = encode_state(1, thread)
        thread, _ = walked([one], thread)
        assert encode_state(1, thread) == once


def test_a_second_set_of_thresholds_sees_the_same() -> None:
    """What is followed beside another set is revised as well."""
    posts = storm()
    alone, both = None, None
    shade = None
    beside = Beside(EAGER, 1)
    for one in (*posts, edited(posts[5], FINE), deleted(posts[0]), deleted(posts[7])):
        if (followed := follow(alone, one, EAGER, reader=reader())) is not None:
            alone = followed.thread
        if (compared := follow_both(both, one, EAGER, shade, beside, reader=reader())) is not None:
            both, shade = compared[0].thread, compared[1]
    assert alone is not None
    assert both is not None
    assert encode_state(1, alone) == encode_state(1, both)


def test_what_a_thread_was_read_as_outlives_a_restart() -> None:
    posts = storm()
    thread, _ = walked(posts)
    again = decode_state(encode_state(1, thread))[1]
    assert again is not None
    for one in (thread, again):
        walked([edited(posts[5], FINE), deleted(posts[7])], one)
    assert encode_state(1, thread) == encode_state(1, again)


def test_incidents_are_told_only_of_what_they_may_hold() -> None:
    posts = storm()
    calm, _ = walked(posts[:1])
    assert told_of(calm, deleted(posts[0])) is None  # it has raised no alert
    assert told_of(None, deleted(posts[0])) is not None  # it is forgotten, and may have
    thread, _ = walked(posts)
    assert told_of(thread, altered(deleted(posts[3]), from_brand=True)) is None  # replies are quoted nowhere
    told = told_of(thread, deleted(posts[3]))
    assert told is not None
    assert (told.brand, told.thread_id, told.root, told.deleted) == ("acme", ROOT, False, True)


def test_an_alert_loses_what_was_deleted() -> None:
    posts = storm()
    thread, alerts = walked(posts)
    alert = replace(alerts[-1], voices=("one", "two"), voice_ids=(f"{posts[3].key:016x}", "f" * 16))
    assert obeyed(alert, notice(deleted(posts[3]), thread)).voices == ("two",)
    assert obeyed(alert, notice(deleted(posts[4]), thread)) == alert
    thread, _ = walked([deleted(posts[0])], thread)
    bare = obeyed(alert, notice(deleted(posts[0]), thread))
    assert (bare.title, bare.url, bare.root_deleted, bare.voices) == ("", None, True, ("one", "two"))


def test_an_edited_root_has_its_new_title_in_the_incident() -> None:
    posts = storm()
    thread, alerts = walked(posts)
    change = edited(posts[0], "I was wrong about that")
    thread, _ = walked([change], thread)
    told = obeyed(alerts[-1], notice(change, thread))
    assert told.title == "I was wrong about that"


# The desk

DELETED = Revise(id="d", brand="acme", who="", at_ms=T0, thread_id="t1", post="0a", deleted=True)
QUOTING: dict[str, Any] = {
    "title": "It began so",
    "voices": ("one", "two"),
    "voice_ids": ("0a", "0b"),
    "url": "https://x.example",
}


@pytest.mark.parametrize("alert_first", [True, False])
def test_an_incident_loses_what_was_deleted_whichever_is_read_first(alert_first: bool) -> None:
    """Alerts and commands are two topics: an older alert may be read after the deletion."""
    desk = Desk(Everybody(), RULES)
    root = replace(DELETED, id="r", post="0c", root=True)
    if alert_first:
        desk.alert(case(**QUOTING), T0)
    for one in (DELETED, root):
        assert desk.command(one, T0 + 1)
    desk.alert(case(2, **QUOTING), T0 + 2)
    held = desk.incidents[ident()].case
    assert (held.title, held.url, held.voices, held.voice_ids) == ("", None, ("two",), ("0b",))
    desk.tick(T0 + 3)
    pages = list(desk.deliveries(T0 + 3))
    assert pages
    assert all(one.page.case == held for one in pages)
    for record in desk.changes()[1].values():
        assert record is not None
        assert b"It began so" not in encode_record(record)


def test_what_was_deleted_is_remembered_over_a_restart_for_a_day() -> None:
    desk = Desk(Everybody(), RULES)
    desk.command(DELETED, T0)
    records = [decode_record(encode_record(one)) for one in desk.changes()[1].values() if one is not None]
    again = Desk(Everybody(), RULES, records)
    again.alert(case(**QUOTING), T0 + HOUR)
    assert again.incidents[ident()].case.voices == ("two",)
    again.changes()
    again.tick(T0 + 24 * HOUR)
    assert None in again.changes()[1].values()  # the memory of it is let go


def test_a_resolved_incident_and_one_that_others_were_merged_into_lose_it_too() -> None:
    """The history says that it went, and not what it was."""
    desk = Desk(Everybody(), RULES)
    desk.alert(case(**QUOTING), T0)
    one = desk.incidents[ident()]
    desk = Desk(
        Everybody(), RULES, [replace(one, id="in-other"), replace(one, state=type(one.state)("resolved"))]
    )
    desk.command(DELETED, T0 + 1)
    for kept in desk.incidents.values():
        assert kept.case.voices == ("two",)
        assert kept.history[-1].what == "post-deleted"
