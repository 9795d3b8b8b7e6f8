"""Signatures of those who push to us: who may, and whether it is fresh.

Law of this file: bytes and a time come in, one word comes out; every comparison takes the same time whatever
is compared. A word says what is wrong, and nothing of what would have been right.

    standard    Standard Webhooks 1.0: HMAC-SHA256 of `id.timestamp.body`, base64, in `webhook-signature`
    hub         Meta: HMAC-SHA256 of the body, hex, in `X-Hub-Signature-256`
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["TOLERANCE_S", "hub", "key_of", "standard"]

#: Older or newer than this, a request may be somebody's recording; the specification's own value.
TOLERANCE_S: Final = 300
_PREFIX: Final = "whsec_"
_LEAST_BYTES: Final = 24  # the specification's bounds for a key
_MOST_BYTES: Final = 64
_MOST_SIGNATURES: Final = 20  # a sender that rotates gives two


def key_of(secret: str) -> bytes:
    """The key behind a secret: base64 after `whsec_`, else the text itself. Raises ValueError if unfit."""
    try:
        key = (
            base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
            if secret.startswith(_PREFIX)
            else secret.encode()
        )
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {_PREFIX} must be base64") from None
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"a key has {_LEAST_BYTES} to {_MOST_BYTES} bytes, and this has {len(key)}")
    return key


def standard(
    headers: Mapping[str, str],
    body: bytes,
    keys: Sequence[bytes],
    now_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> str:
    """ "" if one of the keys signed it within the window, else why not.

    `headers` answers to lower-case names.
    """
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    if not (id and stamp and any(signatures)):
        return "unsigned"
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        return "bad-timestamp"
    signed = f"{id}.{stamp}.".encode("utf-8", "surrogateescape") + body
    right = False
    for key in keys:
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
        for one in signatures:
            version, _, given = one.partition(",")
            right |= version == "v1" and hmac.compare_digest(given.encode("utf-8", "replace"), expected)
    if not right:
        return "wrong-signature"
    # Only then: who can't sign need not learn what our clock says.
    if abs(now_s - int(stamp)) > tolerance_s:
        return "stale"
    return ""


def hub(header: str, body: bytes, secret: bytes) -> str:
    """ "" if the app's secret signed the body, else why not."""
    if not header:
        return "unsigned"
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(header.encode("utf-8", "replace"), expected.encode()):
        return "wrong-signature"
    return ""
