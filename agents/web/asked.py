"""What a form or a JSON body asks for, as a command of the core.

Law of this file: pure; a body is a command that is right in every field, or `Wrong` with all that is wrong.
Who asks, when and from where is told by the caller, never by the body.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, get_args

from agents.web.settings import Role
from streams.incident import (
    Acknowledge,
    Command,
    HandOver,
    HoldReplies,
    Merge,
    Mute,
    Release,
    Resolution,
    Resolve,
    Take,
    Unmute,
)

__all__ = ["COMMANDS", "MUTES", "Asked", "Wrong", "command_of", "role_for"]

_NOTE: Final = 2000  # characters; the core cuts there too
_ID: Final = 100
_THREAD: Final = 500
_SECONDS: Final = 30 * 86_400.0

#: The commands for an incident, by the last part of their address.
COMMANDS: Final = {
    "acknowledge": Acknowledge,
    "take": Take,
    "hand-over": HandOver,
    "hold": HoldReplies,
    "release": Release,
    "resolve": Resolve,
    "merge": Merge,
}
MUTES: Final = {"mute": Mute, "unmute": Unmute}
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "acknowledge": frozenset(),
    "take": frozenset({"hold", "reason"}),
    "hand-over": frozenset({"to", "note"}),
    "hold": frozenset({"reason", "for_s"}),
    "release": frozenset({"note"}),
    "resolve": frozenset({"resolution", "note"}),
    "merge": frozenset({"into"}),
    "mute": frozenset({"brand", "thread_id", "for_s", "why"}),
    "unmute": frozenset({"brand", "thread_id"}),
}


class Asked(NamedTuple):
    """By whom, when and from where. `id` is the caller's own, so that a repeated request counts once."""

    id: str
    who: str
    at_ms: int
    where: str
    address: str


class Wrong(NamedTuple):
    """A body that is no command: a sentence for each field that is wrong."""

    problems: tuple[str, ...]


def role_for(name: str, body: Mapping[str, Any]) -> Role:
    """What somebody must be for it: to mute a whole brand takes an admin."""
    whole_brand = name in MUTES and not body.get("thread_id")
    return "admin" if whole_brand else "act"


def command_of(
    name: str,
    body: Mapping[str, Any],
    asked: Asked,
    brand: str = "",
    incident: str = "",
    people: Collection[str] = (),
) -> Command | Wrong:
    """The command `name`, one of COMMANDS or MUTES, for an incident of a brand, or (mutes) for a brand.

    In `body` times are lengths: `for_s`, seconds from now. A form's empty field counts as absent. Where
    `people` and rotations are known, a case is handed to one of them and to nobody else.
    """
    problems: list[str] = []
    fields = {key: value for key, value in body.items() if value not in ("", None)}
    for key in sorted(fields.keys() - _FIELDS[name] - {"id"}):
        problems.append(f"{key[:50]!r}: there is no such field")
    common: dict[str, Any] = {"id": asked.id, "who": asked.who, "at_ms": asked.at_ms}
    common |= {"where": asked.where, "address": asked.address, "brand": brand, "incident": incident}

    def text(key: str, most: int = _NOTE, *, needed: bool = False) -> str:
        value = fields.get(key, "")
        if not isinstance(value, str):
            problems.append(f"{key}: must be a text")
        elif needed and not value.strip():
            problems.append(f"{key}: is needed")
        elif len(value) > most:
            problems.append(f"{key}: must have at most {most} characters")
        else:
            return value.strip()
        return ""

    def seconds(key: str, *, needed: bool = False) -> float | None:
        value = fields.get(key)
        if value is None:
            if needed:
                problems.append(f"{key}: is needed")
            return None
        try:
            number = float(value) if not isinstance(value, bool) else 0.0
        except (TypeError, ValueError):
            number = 0.0
        if not 0 < number <= _SECONDS:
            problems.append(f"{key}: must be a number of seconds, more than 0 and at most {_SECONDS:.0f}")
            return None
        return number

    command: Command
    match name:
        case "acknowledge":
            command = Acknowledge(**common)
        case "take":
            hold = fields.get("hold", True)
            if not isinstance(hold, bool) and hold not in ("yes", "no"):
                problems.append("hold: must be true or false")
            command = Take(**common, hold=hold in (True, "yes"), reason=text("reason"))
        case "hand-over":
            to = text("to", _ID, needed=True)
            if to and people and to not in people:
                near = get_close_matches(to, people, n=1)
                problems.append(f"to: nobody is called {to!r}" + (f"; is {near[0]} meant?" if near else ""))
            command = HandOver(**common, to=to, note=text("note"))
        case "hold":
            for_s = seconds("for_s")
            until_ms = None if for_s is None else asked.at_ms + int(for_s * 1000)
            command = HoldReplies(**common, reason=text("reason"), until_ms=until_ms)
        case "release":
            command = Release(**common, note=text("note"))
        case "resolve":
            resolution = fields.get("resolution")
            if resolution not in get_args(Resolution):
                problems.append(f"resolution: must be one of {', '.join(get_args(Resolution))}")
            command = Resolve(**common, resolution=resolution or "handled", note=text("note"))
        case "merge":
            command = Merge(**common, into=text("into", _ID, needed=True))
        case "mute":
            common["brand"] = text("brand", 64, needed=True)
            thread_id = text("thread_id", _THREAD) or None
            until_ms = asked.at_ms + int((seconds("for_s", needed=True) or 0) * 1000)
            why = text("why", needed=True)
            command = Mute(**common, until_ms=until_ms, why=why, thread_id=thread_id)
        case _:
            common["brand"] = text("brand", 64, needed=True)
            command = Unmute(**common, thread_id=text("thread_id", _THREAD) or None)
    return Wrong(tuple(problems)) if problems else command
