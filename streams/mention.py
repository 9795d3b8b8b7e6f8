"""A mention: one public post about a brand, checked once, here, and trusted everywhere after.

Law of this file: bytes come in, a `Mention` or a `Rejected` comes out. Nothing raises for what a
stranger wrote, nothing is guessed, and an author's own id never gets past this door: it leaves as a
keyed 64-bit hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final, cast

import msgspec
from msgspec.structs import astuple
from mypy_extensions import mypyc_attr
from xxhash import xxh3_64_intdigest

from streams.record import Author, Kind, Reactions, Reason, Rejected, Wire, WireFields

__all__ = ["Decoder", "Kind", "Mention", "Reactions", "Reason", "Rejected", "hash64", "rfc3339"]

TEXT_LIMIT: Final = 10_000  # characters; longer texts are cut, never refused
FUTURE_GRACE_MS: Final = 300_000  # clocks of platforms run a little ahead
OLDEST_MS: Final = 946_684_800_000  # 2000-01-01: no platform that we read is older

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_AUTHORS_KNOWN: Final = 50_000  # some 8 MB; two of three mentions are by somebody who spoke lately
_DETAIL_LIMIT: Final = 200  # characters of a stranger's record that an error may quote
_DAY_MS: Final = 86_400_000
_SLUGS_KNOWN: Final = 4096  # asking the expression costs as much as half a record
_is_slug: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}").fullmatch


@mypyc_attr(acyclic=True)
class Mention:
    """One valid mention. Nobody changes it.

    `key` and `author` are 64-bit hashes (of the id, and keyed of the author's id); `created_ms` is
    event time in milliseconds since the epoch, UTC; `followers` is 0 where unknown; `count` and
    `interval_s` are 0 but for kind ``volume``. One that was edited has the text as it is now, one that is
    `deleted` says no more than that the post of its id is gone (`streams.revision`); else `edited_ms` is 0.
    """

    __slots__ = (
        "author", "brand", "count", "created_ms", "deleted", "edited_ms", "followers", "from_brand", "id",
        "interval_s", "key", "kind", "lang", "links", "parent", "platform", "quoted_id", "reactions", "text",
        "thread_id", "to_root", "url",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        key: int,
        brand: str,
        platform: str,
        thread_id: str,
        parent: int,
        to_root: bool,
        kind: Kind,
        author: int,
        followers: int,
        from_brand: bool,
        text: str,
        lang: str,
        created_ms: int,
        url: str,
        reactions: Reactions | None,
        count: int,
        interval_s: int,
        edited_ms: int = 0,
        deleted: bool = False,
        quoted_id: str = "",
        links: tuple[str, ...] = (),
    ) -> None:
        self.id: Final = id
        self.key: Final = key
        self.brand: Final = brand
        self.platform: Final = platform
        self.thread_id: Final = thread_id
        self.parent: Final = parent  # hash of parent_id; 0 where that is none or the root
        self.to_root: Final = to_root  # a direct answer to the thread's root
        self.kind: Final[Kind] = kind
        self.author: Final = author
        self.followers: Final = followers
        self.from_brand: Final = from_brand
        self.text: Final = text
        self.lang: Final = lang
        self.created_ms: Final = created_ms
        self.url: Final = url
        self.reactions: Final = reactions
        self.count: Final = count
        self.interval_s: Final = interval_s
        self.edited_ms: Final = edited_ms
        self.deleted: Final = deleted
        self.quoted_id: Final = quoted_id
        self.links: Final = links  # where the text leads


def hash64(text: str) -> int:
    """A stable 63-bit hash (XXH3), the same on every machine. Fast, and no secret's keeper."""
    try:
        return xxh3_64_intdigest(text.encode()) >> 1
    except UnicodeEncodeError:  # a lone surrogate
        return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) >> 1


def keyed_hash64(text: str, keyed: blake2b) -> int:
    """A 63-bit hash (BLAKE2b, RFC 7693) under the key that `keyed`, of 8 bytes' digest, was made with."""
    state = keyed.copy()
    state.update(text.encode("utf-8", "surrogatepass"))
    return int.from_bytes(state.digest(), "little") >> 1


def rfc3339(ms: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC, with milliseconds."""
    return (_EPOCH + ms * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Decoder:
    """Turns raw records into mentions; holds what validation needs to know and nothing else.

    `author_key` is the secret (at most 64 bytes) under which author ids are hashed. `accounts` maps
    a brand to the author ids and handles (lower case) of its own accounts, looked up when a record
    does not say `from_brand` itself; each with or without its platform before it (`bluesky:acme.example`).
    """

    def __init__(self, author_key: bytes = b"", accounts: Mapping[str, frozenset[str]] | None = None) -> None:
        self._keyed = blake2b(digest_size=8, key=author_key)  # copied for each author: keying costs
        self._authors: dict[str, int] = {}  # the hashes of those who spoke lately
        self._slugs: set[str] = set()  # brands and platforms that were found in order
        self._accounts = accounts or {}
        self._with_platform = {
            brand for brand, names in self._accounts.items() if any(":" in name for name in names)
        }
        self._decode = msgspec.json.Decoder(Wire).decode

    def decode(self, value: bytes | None, now_ms: int, key: bytes | None = None) -> Mention | Rejected:
        """Check one record; `now_ms` is when it arrived, `key` its Kafka key (not checked if None).

        Use `decode_keyed` for records from the topic, where a missing key is itself an error.
        """
        if not value:
            return Rejected(Reason.EMPTY, "the record has no value")
        try:
            wire = self._decode(value)
        except msgspec.ValidationError as error:
            return Rejected(Reason.BAD_FIELD, _quotable(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Rejected(Reason.NOT_JSON, _quotable(error))
        (
            id, brand, platform, thread_id, author, created, parent_id, said_kind, from_brand, text, lang,
            url, reactions, said_count, said_interval_s, edited_at, deleted, quoted_id, links,
        ) = cast(WireFields, astuple(wire))  # fmt: skip
        known = self._slugs
        if not (brand in known and platform in known) and not self._are_slugs(brand, platform):
            return Rejected(Reason.BAD_FIELD, "brand and platform must be slugs: a-z, 0-9, then also _ . -")
        if isinstance(created, int):
            created_ms = created
        else:  # a third of the cost of dividing one timedelta by another
            since = created - _EPOCH
            created_ms = since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000
        if created_ms < OLDEST_MS:
            return Rejected(Reason.TOO_OLD, "created_at lies before the year 2000")
        if created_ms > now_ms + FUTURE_GRACE_MS:
            return Rejected(Reason.FUTURE, "created_at lies more than 5 minutes in the future")
        if not thread_id.isprintable():  # it is shown in alerts, pages and logs
            return Rejected(Reason.BAD_FIELD, "thread_id has control or invisible characters")
        if key is not None and key != thread_id.encode():
            return Rejected(Reason.KEY_MISMATCH, "the Kafka key must be the thread_id")
        kind = said_kind or ("reply" if parent_id else "post")
        count = interval_s = 0
        if kind == "volume":
            if said_count is None or said_interval_s is None:
                return Rejected(Reason.NO_COUNT, "kind volume needs count and interval_s")
            count, interval_s = said_count, said_interval_s
        if from_brand is None:
            own = self._accounts.get(brand)
            from_brand = own is not None and (
                author.id.lower() in own
                or (author.handle or "").lstrip("@").lower() in own
                or (brand in self._with_platform and _is_own(own, platform, author))
            )
        edited_ms = 0
        if edited_at:
            edited_ms = edited_at if isinstance(edited_at, int) else (edited_at - _EPOCH) // _MS
        answers_root, author_id = parent_id == thread_id, author.id
        return Mention(
            id,
            hash64(id),
            brand,
            platform,
            thread_id,
            hash64(parent_id) if parent_id and not answers_root else 0,
            answers_root and id != thread_id,
            kind,
            self._authors.get(author_id) or self._author(author_id),
            author.followers or 0,
            from_brand,
            (text or "")[:TEXT_LIMIT],
            lang or "",
            created_ms,
            url or "",
            reactions,
            count,
            interval_s,
            edited_ms,
            deleted,
            quoted_id,
            links,
        )

    def decode_keyed(self, value: bytes | None, now_ms: int, key: bytes | None) -> Mention | Rejected:
        """Check one record of the topic `mentions`: a missing key can't be in the right partition."""
        return self.decode(value, now_ms, key or b"")

    def _are_slugs(self, *names: str) -> bool:
        if not all(map(_is_slug, names)):
            return False
        if len(self._slugs) >= _SLUGS_KNOWN:
            self._slugs.clear()
        self._slugs.update(names)
        return True

    def _author(self, id: str) -> int:
        if len(self._authors) >= _AUTHORS_KNOWN:
            self._authors.clear()
        hashed = self._authors[id] = keyed_hash64(id, self._keyed)
        return hashed


def _is_own(own: frozenset[str], platform: str, author: Author) -> bool:
    """Whether the account is one of `own` with its platform before it."""
    handle = (author.handle or "").lstrip("@").lower()
    return f"{platform}:{author.id.lower()}" in own or (bool(handle) and f"{platform}:{handle}" in own)


def _quotable(error: Exception) -> str:
    # The decoder's words quote the record (a wrong kind, say), and a stranger chose those.
    return "".join([c if c.isprintable() else "?" for c in str(error)[:_DETAIL_LIMIT]])
