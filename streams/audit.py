"""Who asked for what, when, from where, and what became of it: one record for each command.

Law of this file: a record tells of a command and never carries what would let somebody repeat it (a token, a
link, a session). What the desk did is told by the desk; what was turned away at the door, by the door.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from streams.incident import Command

__all__ = ["Audited", "Refusal", "audited", "decode_audited"]


class Refusal(StrEnum):
    """Why a command changed nothing. The desk's own reasons first, then the door's."""

    UNKNOWN_INCIDENT = "unknown-incident"  # none of this id, of this brand
    COUNTED_BEFORE = "counted-before"  # the very same command: a link that was used
    NOT_NOW = "not-now"  # the table has no such move from the state it is in
    NOTHING_HELD = "nothing-held"
    BAD_TARGET = "bad-target"  # an incident can't be merged into that one
    NO_SUCH_MUTE = "no-such-mute"
    PAST = "past"  # until a moment that is over
    NOT_SIGNED_IN = "not-signed-in"
    WRONG_ROLE = "wrong-role"
    CROSS_SITE = "cross-site"  # a form that is not ours
    FORGED = "forged"  # a link that we did not sign
    EXPIRED = "expired"
    BAD_REQUEST = "bad-request"
    NO_BROKER = "no-broker"  # it could not be written down


class Audited(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record of the topic `audit`. `at_ms` is wall clock; the rest as in the command, "" not known."""

    at_ms: int
    outcome: Literal["done", "refused"]
    command: str  # take, resolve, …
    id: str = ""
    brand: str = ""
    incident: str = ""
    who: str = ""
    where: str = ""  # web, api, link, cli
    address: str = ""  # as seen by whom it reached; "" for the command line
    reason: Refusal | None = None


_decoder: msgspec.json.Decoder[Audited] = msgspec.json.Decoder(Audited)


def audited(command: Command, now_ms: int, reason: Refusal | None = None) -> Audited:
    """What became of a command: done, or refused for a reason."""
    return Audited(
        now_ms,
        "done" if reason is None else "refused",
        str(command.__struct_config__.tag),
        command.id,
        command.brand,
        command.incident,
        command.who,
        command.where,
        command.address,
        reason,
    )


def decode_audited(value: bytes | None) -> Audited:
    """It back from the topic. Raises ValueError for anything else."""
    return _decoder.decode(value or b"")
