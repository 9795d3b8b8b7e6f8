"""Who asks, and what they may do.

Law of this file: a person is somebody only by a token, a session that a token began, or a header of a proxy
that is trusted; whatever else a request says of itself is worth nothing. A token is known by its hash: it
has 256 random bits, so that one round of SHA-256 keeps it as well as a slow hash would keep a password.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal, NamedTuple

import msgspec

from agents.web.settings import ROLES, Role, Web
from streams.signed import seal, tag_of, unseal

__all__ = ["Failures", "Origin", "Person", "Registry", "hash_of", "may", "new_token", "origin_of"]

_PREFIX: Final = "flashover_"  # lets scanners of repositories find one that got lost
_NAME_CHARACTERS: Final = 100
_SESSION: Final = "session"
_FORM: Final = "form"
_FAILURES: Final = 20  # from one address, within
_WITHIN_S: Final = 60.0
_ADDRESSES: Final = 10_000

Address = IPv4Address | IPv6Address


class Person(NamedTuple):
    """Somebody who is let in. `how` they came in decides where they need a form of ours."""

    name: str
    role: Role
    how: Literal["token", "session", "proxy"]
    when_unknown: Literal["send", "hold"] = "send"


class Origin(NamedTuple):
    """Where a request came from, behind proxies that are trusted."""

    address: str
    is_secure: bool  # TLS between the person and the outermost trusted proxy
    by_proxy: bool  # the peer is a trusted proxy


class _Session(msgspec.Struct, frozen=True, array_like=True):
    token: str  # the name of the one it began with
    hash: str  # a new token of the same name ends it
    until_s: int
    nonce: str


_encode = msgspec.msgpack.Encoder().encode
_decode_session = msgspec.msgpack.Decoder(_Session).decode


def new_token() -> str:
    """A token that nobody has had before."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What the settings keep of it."""
    return "sha256:" + sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def may(person: Person, role: Role) -> bool:
    """Whether they may do what `role` may."""
    return ROLES.index(person.role) >= ROLES.index(role)


def origin_of(web: Web, peer: str, forwarded_for: Sequence[str], forwarded_proto: str, scheme: str) -> Origin:
    """Read the headers X-Forwarded-For and -Proto as far as the peer is trusted to write them.

    From the right, each trusted proxy vouches for the address before it; the first that is not one of them
    is the person's. What stands to the left of it anybody can have written.
    """
    secure = scheme == "https"
    if not _is_trusted(web, peer):
        return Origin(peer, secure, False)
    address = peer
    hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
    for hop in reversed(hops):
        if _parsed(hop) is None:
            break
        address = hop
        if not _is_trusted(web, hop):
            break
    return Origin(address, secure or forwarded_proto.strip().lower() == "https", True)


class Registry:
    """Who is known; from the settings, and the same for the life of the process.

    `keys` sign sessions and forms, the first is the present one; there must be one.
    """

    def __init__(self, web: Web, keys: Sequence[bytes]) -> None:
        self._web = web
        self._keys = keys
        self._by_hash = {token.hash.get_secret_value(): name for name, token in web.tokens.items()}

    def by_token(self, token: str) -> Person | None:
        """Whose token this is."""
        asked = hash_of(token)
        # Each is compared, and in full: how long it takes says nothing about how near it came.
        found = [name for known, name in self._by_hash.items() if hmac.compare_digest(known, asked)]
        if not found:
            return None
        known = self._web.tokens[found[0]]
        return Person(found[0], known.role, "token", known.when_unknown)

    def begin_session(self, token: str, now_s: float) -> str | None:
        """The cookie of a person who signs in by a token; None if it is nobody's."""
        person = self.by_token(token)
        if person is None:
            return None
        until_s = int(now_s + self._web.session_s)
        session = _Session(person.name, hash_of(token), until_s, secrets.token_urlsafe(9))
        return seal(self._keys[0], _SESSION, _encode(session))

    def by_session(self, cookie: str, now_s: float) -> Person | None:
        """Whose session this is, as long as it and its token hold."""
        payload = unseal(self._keys, _SESSION, cookie)
        if payload is None:
            return None
        try:
            session = _decode_session(payload)
        except msgspec.MsgspecError:
            return None
        known = self._web.tokens.get(session.token)
        if known is None or known.hash.get_secret_value() != session.hash or now_s >= session.until_s:
            return None
        return Person(session.token, known.role, "session", known.when_unknown)

    def by_proxy(self, headers: Mapping[str, Sequence[str]]) -> Person | None:
        """Whom a trusted proxy names. A header that comes twice names nobody: one of them is not the proxy's.

        `headers` are all values by name, lower case. The caller has seen that the peer is trusted.
        """
        if self._web.user_header is None:
            return None
        values = headers.get(self._web.user_header.lower(), ())
        if len(values) != 1:
            return None
        name = values[0].strip()
        if not name or len(name) > _NAME_CHARACTERS or not name.isprintable():
            return None
        roles = [role for known, role in self._web.people.items() if known == name]
        if self._web.groups_header is not None:
            told = headers.get(self._web.groups_header.lower(), ())
            groups = {one.strip() for value in told[:1] for one in value.split(",")} if len(told) == 1 else ()
            roles += [role for group, role in self._web.groups.items() if group in groups]
        if not roles and self._web.everybody is not None:
            roles = [self._web.everybody]
        return Person(name, max(roles, key=ROLES.index), "proxy") if roles else None

    def form_token(self, cookie: str, name: str) -> str:
        """What a form must bring back: only our own page, shown to this browser and person, has it."""
        return tag_of(self._keys[0], _FORM, f"{cookie}\0{name}".encode()).hex()

    def is_our_form(self, token: str, cookie: str, name: str) -> bool:
        """Whether a form came from a page of ours, shown to this browser and person."""
        if not cookie or not token.isascii():
            return False
        payload = f"{cookie}\0{name}".encode()
        found = [hmac.compare_digest(token, tag_of(key, _FORM, payload).hex()) for key in self._keys]
        return any(found)


class Failures:
    """Failed sign-ins by address: after 20 within a minute an address waits. A right token always passes."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def note(self, address: str, now_s: float) -> bool:
        """One more; False if the address has to wait."""
        failed = [at for at in self._failed.get(address, ()) if at > now_s - _WITHIN_S]
        waits = len(failed) >= _FAILURES
        if not waits:
            failed.append(now_s)
        self._failed[address] = failed
        self._failed.move_to_end(address)
        while len(self._failed) > _ADDRESSES:
            self._failed.popitem(last=False)
        return not waits


def _parsed(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _is_trusted(web: Web, peer: str) -> bool:
    address = _parsed(peer)
    return address is not None and any(
        address.version == network.version and address in network for network in web.trusted_proxies
    )
