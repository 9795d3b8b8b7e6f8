"""What a source brings becomes durable in order, and a crash at any step loses nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any

import pytest

from agents.errors import BrokerError
from agents.intake import Intake, cursor_key, place_of
from agents.listen import Status, Supervised, pause_s, supervise
from agents.source_metrics import (
    SOURCE_ERRORS,
    SOURCE_IGNORED,
    SOURCE_MENTIONS,
    SOURCE_RECONNECTS,
    SOURCE_REJECTS,
)
from agents.sources.source import Arrival, Cursor, OutageError, Receipt, Source, UnusableError
from agents.tallies import Bounds, Tallies
from streams.mention import Reason
from streams.post import Count, Found, Ignored, Post, Ready, Refused
from tests.agents.sources.world import NOW_MS, Kept, follow, intake, reader

Step = Arrival | Exception


def post(number: int, text: str = "Murmeltel") -> Post:
    return Post(
        platform="p", id=f"p:{number}", root_id=f"p:{number}", created_ms=NOW_MS, author_id="ann", text=text
    )


class Scripted(Source):
    """Hands out the posts 0 to `count` - 1 with a cursor each, and fails as `script` says, by run."""

    def __init__(self, count: int, script: Sequence[tuple[int, Exception]] = ()) -> None:
        self.count, self.script = count, list(script)
        self.begins: list[int] = []

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        return [post(int(arrival.payload or b"0"))]

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        first = since.get("", -1) + 1
        self.begins.append(first)
        fails, error = self.script.pop(0) if self.script else (self.count + 1, None)
        for number in range(first, self.count):
            if number - first == fails and error is not None:
                raise error
            yield Arrival(str(number).encode(), NOW_MS, cursor=number)
            await asyncio.sleep(0)


def test_a_cursor_is_written_only_after_what_came_before_it() -> None:
    async def run() -> None:
        kept = Kept(hold=True)
        taking = intake(Scripted(3), kept)
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        await taking.take(Arrival(b"0", NOW_MS, cursor=0, receipt=receipt))
        flushing = asyncio.ensure_future(taking.flush())
        await asyncio.sleep(0.01)
        assert kept.log == ["mention"]
        assert not receipt.done()
        kept.release()
        await flushing
        assert kept.log == ["mention", "cursor"]
        assert receipt.result() == Receipt(1, 0, {})
        assert kept.cursors == {("here", ""): 0}

    asyncio.run(run())


def test_what_the_broker_refuses_leaves_no_cursor_and_fails_the_receipt() -> None:
    class Refusing(Kept):
        async def mention(self, key: bytes, value: bytes, headers: Any) -> Any:
            async def fail() -> None:
                raise BrokerError("no")

            return fail()

    async def run() -> None:
        kept = Refusing()
        taking = intake(Scripted(3), kept)
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        await taking.take(Arrival(b"0", NOW_MS, cursor=0, receipt=receipt))
        with pytest.raises(BrokerError):
            await taking.flush()
        assert kept.cursors == {}
        assert isinstance(receipt.exception(), BrokerError)

    asyncio.run(run())


def test_a_flush_that_is_broken_off_owes_the_next_one_what_it_waited_for() -> None:
    """As a process is stopped: the last flush writes no cursor past a mention without its answer."""

    async def run() -> None:
        kept = Kept(hold=True)
        taking = intake(Scripted(3), kept)
        await taking.take(Arrival(b"0", NOW_MS, cursor=0))
        flushing = asyncio.ensure_future(taking.flush())
        await asyncio.sleep(0.01)
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
        kept.hold = False  # the next mention is answered at once; the first one's answer is still out
        await taking.take(Arrival(b"1", NOW_MS, cursor=1))
        last = asyncio.ensure_future(taking.flush())
        await asyncio.sleep(0.01)
        assert kept.cursors == {}
        kept.release()
        await last
        assert kept.cursors == {("here", ""): 1}

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(20))
def test_a_process_killed_at_any_moment_loses_nothing(seed: int) -> None:
    """Killed with mentions under way, answers held back, cursors half written: the next one goes on."""
    dice = random.Random(seed)

    async def run() -> None:
        durable: set[str] = set()
        cursors: dict[str, Any] = {}
        for _ in range(60):
            kept = Kept(hold=dice.random() < 0.5)
            taking = intake(Scripted(40), kept)
            arrivals = taking.reader.source.arrivals(cursors)
            for _ in range(dice.randrange(12)):
                try:
                    await taking.take(await anext(arrivals))
                except StopAsyncIteration:
                    break
                if dice.random() < 0.3:
                    flushing = asyncio.ensure_future(taking.flush())
                    await asyncio.sleep(0)
                    if kept.hold:
                        flushing.cancel()
                        await asyncio.gather(flushing, return_exceptions=True)
                        break
                    await flushing
            await arrivals.aclose()
            if not kept.hold or dice.random() < 0.5:
                durable |= set(kept.ids())  # sent; whether its answer came back or not
            if ("here", "") in kept.cursors:
                cursors[""] = kept.cursors["here", ""]
            assert {f"p:{number}" for number in range(cursors.get("", -1) + 1)} <= durable

    asyncio.run(run())


def test_a_source_that_breaks_goes_on_after_the_last_durable_payload() -> None:
    async def run() -> None:
        broken = [
            (3, OutageError("http-503", "busy", 7.0)),
            (2, ValueError("a bug")),
            (0, OutageError("timeout", "x")),
        ]
        source, kept, tallies = Scripted(10, broken), Kept(), Tallies(Bounds())
        one = Supervised(Intake(reader(source), kept, tallies, lambda: NOW_MS), {}, Status())
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        await supervise(one, tallies, sleep, lambda: 0.5)
        assert kept.ids() == [f"p:{number}" for number in range(10)]
        assert source.begins == [0, 3, 5, 5]
        assert pauses == [7.5, 1.5, 3.0]
        assert one.status.state == "ended"
        assert tallies.values[SOURCE_RECONNECTS] == {("here",): 3}
        assert tallies.values[SOURCE_ERRORS] == {
            ("here", "http-503"): 1,
            ("here", "unexpected"): 1,
            ("here", "timeout"): 1,
        }

    asyncio.run(run())


def test_a_source_that_needs_a_person_stops_alone() -> None:
    async def run() -> None:
        stuck = await follow(
            Scripted(5, [(2, UnusableError("unauthorised", "the token has ended"))]), Kept(), bool
        )
        assert (stuck.status.state, stuck.status.why) == ("stopped", "the token has ended")
        assert stuck.intake.cursors == {"": 1}

    asyncio.run(run())


def test_pauses_grow_up_to_two_minutes_and_are_jittered_upwards() -> None:
    assert [pause_s(tries, lambda: 0.0) for tries in (1, 2, 3, 8, 99)] == [1, 2, 4, 120, 120]
    assert pause_s(1, lambda: 1.0) == 2
    assert pause_s(1, lambda: 0.0, after_s=900) == 900


class Mixed(Source):
    """One payload with one of everything."""

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        wire = {"id": "w:1", "brand": "acme", "platform": "w", "thread_id": "w:1", "author": {"id": "x"}}
        return [
            post(1),
            post(2, "nobody's"),
            Ignored("other-event"),
            Refused(Reason.BAD_FIELD, "odd", b"part"),
            Count("gdelt", "gdelt", "murmeltel", NOW_MS - 3_600_000, 900, 17),
            Ready(json.dumps(wire | {"created_at": NOW_MS}).encode()),
            Ready(json.dumps(wire).encode()),
            Post(
                platform="p",
                id="p:far",
                root_id="p:far",
                created_ms=NOW_MS + 3_600_000,
                author_id="a",
                text="Murmeltel",
            ),
        ]

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        yield Arrival(b"whole", NOW_MS)


def test_everything_in_a_payload_goes_where_it_belongs_and_is_counted() -> None:
    async def run() -> None:
        kept = Kept()
        taking = intake(Mixed(), kept)
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        await taking.take(Arrival(b"whole", NOW_MS, "place", receipt=receipt))
        await taking.flush()
        assert [(key, mention["id"]) for key, mention, _ in kept.mentions] == [
            (b"p:1", "p:1"),
            (b"volume:gdelt:murmeltel", f"volume:gdelt:murmeltel:{NOW_MS - 3_600_000}:900"),
            (b"w:1", "w:1"),
        ]
        count = kept.mentions[1][1]
        assert (count["kind"], count["count"], count["interval_s"]) == ("volume", 17, 900)
        odd, unfinished, future = kept.rejects
        assert (odd[1], odd[2]["reason"], odd[2]["detail"]) == (b"part", b"bad-field", b"odd")
        assert odd[2]["topic"] == b"source:here place"
        assert unfinished[2]["reason"] == b"bad-field"
        assert future[2]["reason"] == b"future"
        assert receipt.result() == Receipt(3, 2, {"bad-field": 2, "future": 1})
        tallies = taking._tallies
        assert tallies.values[SOURCE_MENTIONS] == {("here",): 3}
        assert tallies.values[SOURCE_IGNORED] == {("here", "no-brand"): 1, ("here", "other-event"): 1}
        assert tallies.values[SOURCE_REJECTS]["here", "bad-field"] == 2
        assert dict(kept.mentions[0][2])["source"] == b"here"

    asyncio.run(run())


class Broken(Scripted):
    """Has a bug that one payload brings out."""

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        if arrival.payload == b"3":
            raise ZeroDivisionError
        return super().parse(arrival)


def test_a_bug_in_parse_costs_its_payload_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """It lies in rejects as it came; the source goes on, and does not meet it for ever."""

    async def run() -> None:
        source, kept = Broken(6), Kept()
        await follow(source, kept, lambda: False)
        assert kept.ids() == ["p:0", "p:1", "p:2", "p:4", "p:5"]
        ((_, raw, headers),) = kept.rejects
        assert (raw, headers["detail"]) == (b"3", b"a bug in reading it: ZeroDivisionError")
        assert source.begins == [0]

    asyncio.run(run())
    assert "ZeroDivisionError" in caplog.text


def test_the_key_of_a_cursor_tells_source_and_place() -> None:
    assert place_of(cursor_key("news", "https://a.example/x y")) == ("news", "https://a.example/x y")
