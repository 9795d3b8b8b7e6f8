"""A form or a body as a command: right in every field, or told what is wrong with each."""

from __future__ import annotations

from typing import Any

import pytest

from agents.web.asked import Asked, Wrong, command_of, role_for
from streams.incident import HandOver, Mute, Take, Unmute
from tests.streams.incidents import T0

ASKED = Asked("web-1", "lead", T0, "web", "203.0.113.9")


def made(name: str, body: dict[str, Any], **more: Any) -> Any:
    return command_of(name, body, ASKED, "acme", "in-1", **more)


def test_who_asks_and_from_where_is_never_taken_from_the_body() -> None:
    command = made("take", {"reason": " calling "})
    assert command == Take(
        id="web-1",
        brand="acme",
        incident="in-1",
        who="lead",
        at_ms=T0,
        where="web",
        address="203.0.113.9",
        hold=True,
        reason="calling",
    )
    assert isinstance(made("take", {"who": "x", "at_ms": 1, "brand": "other"}), Wrong)


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = made("mute", {"brand": 7, "for_s": "soon", "extra": "x"})
    assert isinstance(wrong, Wrong)
    assert [one.partition(":")[0] for one in wrong.problems] == ["'extra'", "brand", "for_s", "why"]


@pytest.mark.parametrize("for_s", [0, -1, True, "x", [], 2_592_001, float("nan")])
def test_a_length_that_is_none_is_refused(for_s: Any) -> None:
    assert isinstance(made("hold", {"for_s": for_s}), Wrong)


def test_a_case_is_handed_to_somebody_who_is_known() -> None:
    """Where nobody is, to anybody: the desk tells when it finds nobody behind a name."""
    assert isinstance(made("hand-over", {"to": "lead"}), HandOver)
    assert isinstance(made("hand-over", {"to": "lead"}, people={"lead"}), HandOver)
    wrong = made("hand-over", {"to": "laed"}, people={"lead"})
    assert wrong == Wrong(("to: nobody is called 'laed'; is lead meant?",))


def test_a_mute_names_its_own_brand() -> None:
    command = command_of("mute", {"brand": "acme", "for_s": "60", "why": "x", "thread_id": ""}, ASKED)
    assert isinstance(command, Mute)
    assert (command.brand, command.thread_id, command.until_ms) == ("acme", None, T0 + 60_000)
    assert isinstance(command_of("unmute", {"brand": "acme"}, ASKED), Unmute)


def test_a_whole_brand_takes_an_admin() -> None:
    assert role_for("mute", {"brand": "acme"}) == "admin"
    assert role_for("unmute", {"brand": "acme", "thread_id": ""}) == "admin"
    assert role_for("mute", {"brand": "acme", "thread_id": "t1"}) == "act"
    assert role_for("resolve", {}) == "act"
