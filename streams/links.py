"""Links in a page: one thing, once, for a while, for the person who was paged.

Law of this file: a link is worth nothing but the command it names. That command bears the link's own id,
which follows from the page alone: sent again, a page has the same links, and an incident counts each once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from streams.delivery import Delivery
from streams.signed import seal, unseal

__all__ = ["LASTING_S", "Link", "Links", "Purpose", "links", "read_link", "seal_link"]

Purpose = Literal["acknowledge", "take"]

#: As long as an acknowledged case may stay unresolved by default; the next round of the ladder has new ones.
LASTING_S: Final = 3600.0
_USE: Final = "link"


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link may do. `until_s` is wall clock, seconds since the epoch, UTC."""

    id: str  # of its command
    purpose: Purpose
    incident: str
    brand: str
    person: str
    until_s: int


class Links(NamedTuple):
    """Where a page leads: `show` needs a sign-in; the others act for its reader, None if there are none."""

    show: str
    acknowledge: str | None = None
    take: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Link] = msgspec.msgpack.Decoder(Link)


def seal_link(key: bytes, link: Link) -> str:
    """The link as the last part of a URL."""
    return seal(key, _USE, _encode(link))


def read_link(keys: Sequence[bytes], text: str, now_ms: int) -> Link | Literal["forged", "expired"]:
    """The link back, or why it is worth nothing."""
    payload = unseal(keys, _USE, text)
    if payload is None:
        return "forged"
    try:
        link = _decoder.decode(payload)
    except msgspec.MsgspecError:
        return "forged"  # signed by us, and of another version
    return link if now_ms < link.until_s * 1000 else "expired"


def links(
    delivery: Delivery, public_url: str, key: bytes | None, now_ms: int, lasting_s: float = LASTING_S
) -> Links:
    """The links of a delivery. `public_url` is where people reach the pages; without a key none acts.

    Only a page asks for an answer: a digest is about many cases, the rest are news.
    """
    base = public_url.rstrip("/")
    show = f"{base}/incidents/{quote(delivery.incident, safe='')}"
    if key is None or delivery.kind != "page":
        return Links(show)

    def one(purpose: Purpose) -> str:
        name = msgspec.json.encode([delivery.dedup_key, purpose])
        link = Link(
            "ln-" + blake2b(name, digest_size=10).hexdigest(),
            purpose,
            delivery.incident,
            delivery.page.case.brand,
            delivery.person,
            int(now_ms / 1000 + lasting_s),
        )
        return f"{base}/l/{seal_link(key, link)}"

    return Links(show, one("acknowledge"), one("take"))
