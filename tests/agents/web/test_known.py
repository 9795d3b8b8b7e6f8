"""What the pages know: records in, answers out, and nothing that was not told."""

from __future__ import annotations

import msgspec
import pytest

from agents.codec import CURSOR_KEY, encode_cursor, encode_state
from agents.web.known import Known
from streams.audit import Audited
from streams.levels import Level
from tests.agents.web.house import House
from tests.streams.incidents import MINUTE, T0, case, ident
from tests.threads import thread_of


def test_a_threads_level_is_known_unknown_or_calm() -> None:
    """Of a thread that has a state it is told; of one that nobody has seen it is not."""
    house = House()
    house.thread("hot", T0, Level.WARN)
    house.thread("calm", T0)
    assert house.known.level("hot") is Level.WARN
    assert house.known.level("calm") is Level.CALM
    assert house.known.level("never-seen") is None
    house.known.take("threads", 0, b"hot", None)
    assert house.known.level("hot") is None


def test_the_state_of_a_thread_is_kept_while_its_alert_or_incident_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever of the two is read first; of all others only the latest few are, and that they live."""
    monkeypatch.setattr("agents.web.known._LATELY", 2)
    house = House()
    house.thread("t1", T0, Level.PAGE)
    house.alert(case(), T0)
    house.thread("t2", T0)
    for number in range(5):
        house.thread(f"n{number}", T0)
    assert house.known.thread("t1") is not None
    assert house.known.thread("t2") is None
    assert house.known.level("t2") is Level.CALM
    house.alert(case(1, "t2"), T0)
    house.thread("t2", T0, Level.PAGE, 80)
    for number in range(5):
        house.thread(f"n{number}", T0)
    found = house.known.thread("t2")
    assert found is not None
    assert found.mentions == 80


def test_what_an_incident_forgets_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.web.known._SCOPES", 1)
    house = House()
    house.thread("t1", T0, Level.PAGE)
    house.alert(case(), T0)
    house.alert(case(1, "t2"), T0)  # one scope of alerts is kept: the first is of the incident alone now
    assert house.known.thread("t1") is not None
    house.known.take("incidents", 0, ident().encode(), None)
    assert ident() not in house.known.incidents
    assert house.known.attempts(ident()) == ()
    assert "t1" not in house.known._threads


def test_alerts_are_kept_by_scope_each_once() -> None:
    house = House()
    for number in (1, 2, 2):
        house.alert(case(number), T0)
    one = house.known.incidents[ident()]
    assert [told.id for told in house.known.alerts(one)] == ["fl-acme-t1-1", "fl-acme-t1-2"]


def test_the_first_word_on_a_command_holds() -> None:
    """A worker that dies after telling it is done finds it done, and says that it was refused."""
    known = Known()
    for outcome in ("done", "refused"):
        known.take("audit", 0, b"", msgspec.json.encode(Audited(T0, outcome, "take", "c1")))
    told = known.verdict("c1")
    assert told is not None
    assert told.outcome == "done"


def test_how_far_the_workers_are_is_known_by_partition() -> None:
    known = Known()
    known.take("threads", 3, CURSOR_KEY, encode_cursor(41, T0))
    assert known.counted == {3: (41, T0)}
    known.take("threads", 3, CURSOR_KEY, encode_cursor(40, T0))
    assert known.counted == {3: (41, T0)}, "a worker that was taken for dead wrote on"
    known.take("threads", 3, CURSOR_KEY, encode_cursor(42, T0 + 1))
    assert known.counted == {3: (42, T0 + 1)}


@pytest.mark.parametrize("alerted", [True, False])
def test_an_older_state_behind_the_newer_cools_no_thread(alerted: bool) -> None:
    """A worker that was taken for dead may write it: a text block must not go out for that."""
    house = House()
    if alerted:
        house.alert(case(), T0)

    def write(offset: int, level: Level) -> None:
        thread = thread_of("acme", "test", T0, T0, T0, level=level)
        house.known.take("threads", 0, b"t1", encode_state(offset, thread))

    write(9, Level.PAGE)
    write(8, Level.CALM)
    assert house.known.level("t1") is Level.PAGE
    write(10, Level.WATCH)
    assert house.known.level("t1") is Level.WATCH


@pytest.mark.parametrize("source", ["incidents", "holds", "alerts", "pages", "audit"])
def test_what_nobody_of_ours_wrote_is_counted_and_changes_nothing(source: str) -> None:
    known = Known()
    for key, value in ((b"x", b"garbage"), (b"\xff", b"{}"), (b"x", b'{"type": "incident"}')):
        known.take(source, 0, key, value)  # type: ignore[arg-type]
    assert known.foreign == 3
    assert not known.incidents
    assert not known.holds


def test_what_went_out_is_told_newest_first() -> None:
    house = House()
    house.alert(case(), T0)
    house.alert(case(1, "t2", "other"), T0 + MINUTE)
    assert [one.brand for one in house.known.went_out(5)] == ["other", "acme"]
    assert [one.brand for one in house.known.went_out(5, "acme")] == ["acme"]
    assert len(house.known.went_out(1)) == 1
