"""The table holds what the changelog says, whoever wrote it last, and says so when it can't be read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from faust.types import TP

from agents.codec import CURSOR_KEY, StateError, encode_cursor, encode_state
from agents.partition import Partition
from agents.state import ThreadTable, _Store
from streams.judge import follow
from streams.mention import Mention
from streams.thread import Thread
from tests.agents.mentions import DECODER, EAGER, NOW_MS, START_MS, value

HOUR_S = 3600


def thread(*numbers: int) -> Thread:
    state: Thread | None = None
    for number in numbers:
        mention = DECODER.decode(value("t", number), NOW_MS)
        assert isinstance(mention, Mention)
        if (followed := follow(state, mention, EAGER)) is not None:
            state = followed.thread
    assert state is not None
    return state


def store() -> _Store:
    app = faust.App("test", store="memory://")
    app.finalize()
    table = ThreadTable(app, name="threads", partitions=2)
    return cast(_Store, table.data)


def changed(one: _Store, *changes: tuple[int, int, bytes | None, bytes | None]) -> None:
    """Records of the changelog: partition, offset, key, value."""
    names = ("partition", "offset", "key", "value")
    events: Any = [
        SimpleNamespace(message=SimpleNamespace(**dict(zip(names, c, strict=True)))) for c in changes
    ]
    one.apply_changelog_batch(events, lambda key: key, lambda value: value)


def changelog(one: _Store, partition: int) -> TP:
    return TP(one.table.changelog_topic.get_topic_name(), partition)


def test_the_last_record_of_a_key_holds_and_an_empty_one_ends_it() -> None:
    one = store()
    first, second = encode_state(1, thread(1)), encode_state(2, thread(1, 2))
    changed(one, (0, 0, b"t", first), (0, 1, b"u", first), (1, 0, b"v", first), (0, 2, b"t", second))
    assert one.partitions == {0: {b"t": second, b"u": first}, 1: {b"v": first}}
    changed(one, (0, 3, b"u", None), (0, 4, b"never", None))
    assert one.partitions[0] == {b"t": second}


def test_a_state_that_counted_less_does_not_replace_one_that_counted_more() -> None:
    """A worker that was taken for dead wrote on; the same for its cursor. Equal ones: the later record."""
    one = store()
    more, less = encode_state(9, thread(1, 2)), encode_state(5, thread(1))
    changed(one, (0, 0, b"t", more), (0, 1, b"t", less))
    changed(one, (0, 2, CURSOR_KEY, encode_cursor(9, 1)), (0, 3, CURSOR_KEY, encode_cursor(5, 1)))
    assert one.partitions[0] == {b"t": more, CURSOR_KEY: encode_cursor(9, 1)}
    again = encode_state(9, thread(1, 2, 3))
    changed(one, (0, 4, b"t", again))
    assert one.partitions[0][b"t"] == again


def test_recovery_begins_where_the_store_ends() -> None:
    """Faust keeps an account of its own, which outlives what a rebalance took from us."""
    one = store()
    state = encode_state(1, thread(1))
    assert one.persisted_offset(changelog(one, 0)) == -1
    changed(one, (0, 7, b"t", state), (1, 3, b"t", state))
    assert one.persisted_offset(changelog(one, 0)) == 7
    asyncio.run(one.on_rebalance(set(), {changelog(one, 0)}, set()))
    assert one.persisted_offset(changelog(one, 0)) == -1
    assert one.persisted_offset(changelog(one, 1)) == 3
    asyncio.run(one.on_rebalance(set(), set(), {changelog(one, 1), TP("mentions", 0)}))
    assert one.persisted_offset(changelog(one, 1)) == -1
    assert one.partitions == {}


def test_after_recovery_it_has_the_active_partitions_and_no_other() -> None:
    one = store()
    changed(one, (0, 0, b"t", b"x"), (1, 5, b"t", b"y"))
    asyncio.run(one.on_recovery_completed({changelog(one, 1), changelog(one, 2)}, set()))
    assert one.partitions == {1: {b"t": b"y"}, 2: {}}
    assert one.persisted_offset(changelog(one, 0)) == -1
    assert one.persisted_offset(changelog(one, 1)) == 5


@pytest.mark.parametrize(
    ("key", "content", "says"),
    [
        (b"t", b"not ours", "partition 3, key b't': not state of version 8"),
        (b"t", b"", "partition 3, key b't'"),
        (b"t", encode_cursor(1, 2), "partition 3, key b't'"),
        (CURSOR_KEY, b"{}", "partition 3, the cursor"),
        (CURSOR_KEY, encode_state(1, thread(1)), "partition 3, the cursor"),
        (None, encode_state(1, thread(1)), "a record without a key"),
    ],
)
def test_what_we_did_not_write_is_refused_with_its_place(key: Any, content: bytes, says: str) -> None:
    """To drop it would count a thread anew and page for it again: a person has to look."""
    one = store()
    changed(one, (3, 0, key, content))  # Faust only logs what is raised here, and hangs
    with pytest.raises(StateError, match=says):
        Partition(3, one.partitions[3])


def test_a_new_key_is_an_empty_slot_and_a_stored_one_its_state() -> None:
    state = thread(1, 2)
    one = Partition(0, {b"t": encode_state(4, state), CURSOR_KEY: encode_cursor(6, START_MS)})
    assert (one.offset, one.stored_offset, one.watermark_ms) == (6, 6, START_MS)
    assert (one.slot(b"t").offset, one.slot(b"t").thread) == (4, state)
    assert (one.slot(b"new").offset, one.slot(b"new").thread) == (-1, None)


def test_a_thread_is_over_after_a_day_and_a_half_of_event_time() -> None:
    """And a bit: it is asked once an hour. One that is being worked on is not over."""
    one = Partition(0, {b"t": encode_state(0, thread(0)), b"u": encode_state(1, thread(1))})
    one.offset = 50_000
    one.watermark_ms = START_MS + 36 * HOUR_S * 1000
    assert one.over() == []
    one.watermark_ms += 2 * HOUR_S * 1000
    one.dirty[b"u"] = one.slot(b"u")
    assert one.over() == [b"t"]
    assert one.over() == []
    one.dirty.clear()
    one.watermark_ms += HOUR_S * 1000
    assert one.over() == [b"u"]


def test_a_thread_that_is_being_forgotten_begins_anew_and_is_forgotten_again() -> None:
    """Between the moment that it is over and that its tombstone is out."""
    one = Partition(0, {b"t": encode_state(0, thread(0))})
    one.offset, one.watermark_ms = 50_000, START_MS + 38 * HOUR_S * 1000
    assert one.over() == [b"t"]
    slot = one.slot(b"t")
    assert (slot.thread, b"t" in one.stored) == (None, True)
    slot.offset, slot.thread = 50_001, thread(0)
    slot.thread.last_ms = one.watermark_ms
    one.note_alive(b"t", slot, slot.thread)
    one.stored.pop(b"t")
    one.offset, one.watermark_ms = 100_000, one.watermark_ms + 38 * HOUR_S * 1000
    assert one.over() == [b"t"]


def test_a_thread_of_long_ago_lives_as_long_as_any() -> None:
    """A recording of last year amid the mentions of today is not over before it is quiet, too."""
    one = Partition(0, {})
    one.offset, one.watermark_ms = 0, START_MS + 365 * 24 * HOUR_S * 1000
    slot = one.slot(b"t")
    slot.offset, slot.thread = 1, thread(0)
    one.note_alive(b"t", slot, slot.thread)
    one.offset = 50_000
    one.watermark_ms += 36 * HOUR_S * 1000
    assert one.over() == []
    one.watermark_ms += 2 * HOUR_S * 1000
    assert one.over() == [b"t"]


def test_a_stray_date_does_not_end_the_threads_of_a_recording() -> None:
    """Event time jumps by a year within a few records: nothing is over before many more went by."""
    one = Partition(0, {b"t": encode_state(0, thread(0))})
    one.offset = 19_000
    one.watermark_ms = START_MS + 365 * 24 * HOUR_S * 1000
    assert one.over() == []
    one.offset = 21_000
    one.watermark_ms += HOUR_S * 1000
    assert one.over() == [b"t"]


def test_a_decoded_thread_is_let_go_when_nothing_came_for_a_while() -> None:
    one = Partition(0, {})
    for key in (b"cold", b"warm"):
        one.slot(key).thread = thread(1)
    warm = one.slot(b"warm")
    one.cool()
    assert one.slot(b"warm") is warm
    one.cool()
    assert (one.has(b"cold"), one.slot(b"warm") is warm) == (False, True)
