"""Texts that we wrote ourselves, and can tell so when they come back.

Law of this file: what `unseal` answers with was sealed under one of the keys, for the same use, and is
unchanged; for anything else it answers None and says no more. Signed, not
encrypted: who holds it can read it.

HMAC-SHA256 (RFC 2104, FIPS 180-4), cut to 128 bits, which RFC 2104 allows; the use is a part of what is
signed, so that a link is no session and a session no link.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

__all__ = ["seal", "tag_of", "unseal"]

_TAG_BYTES: Final = 16
_LONGEST: Final = 4096  # characters; ours are far shorter


def tag_of(key: bytes, use: str, payload: bytes) -> bytes:
    """The signature, 16 bytes. `key` should have 16 bytes or more; `use` has no NUL."""
    return hmac.digest(key, use.encode() + b"\0" + payload, "sha256")[:_TAG_BYTES]


def seal(key: bytes, use: str, payload: bytes) -> str:
    """Payload and signature as text that may stand in a URL or a cookie: A-Z a-z 0-9 - _ and one dot."""
    return f"{_encoded(payload)}.{_encoded(tag_of(key, use, payload))}"


def unseal(keys: Sequence[bytes], use: str, text: str) -> bytes | None:
    """The payload, if one of the keys signed it for this use; the first is the present one."""
    payload_text, dot, tag_text = text[: _LONGEST + 1].partition(".")
    if not dot or len(text) > _LONGEST:
        return None
    payload, tag = _decoded(payload_text), _decoded(tag_text)
    if payload is None or tag is None:
        return None
    found = [hmac.compare_digest(tag, tag_of(key, use, payload)) for key in keys]
    return payload if any(found) else None


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _decoded(text: str) -> bytes | None:
    """Only what `_encoded` writes: one spelling for each value."""
    try:
        value = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        return None
    return value if _encoded(value) == text else None
