"""A webhook of one's own, signed by the scheme of Standard Webhooks.

Law of this file: what is signed is `id.timestamp.body`, byte for byte as sent, HMAC-SHA256 under the
channel's secret. The id is the delivery's dedup key: the same page sent twice has the same one. A receiver
checks signature and age (`verify`), and remembers ids for as long as it accepts ages.

The contract: https://www.standardwebhooks.com (headers webhook-id, webhook-timestamp, webhook-signature;
`v1,` and base64; several signatures parted by spaces while a secret is changed; five minutes). Its
libraries in other languages take the secret as base64 behind `whsec_`; `key_of` takes both forms.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from agents.channels.channel import Request, Send, Told, post
from agents.channels.config import WebhookChannel
from streams.delivery import Outcome

__all__ = ["REPLAY_WINDOW_S", "key_of", "render", "sender", "signature", "verify"]

REPLAY_WINDOW_S: Final = 300.0
_BASE64: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: base64 behind `whsec_`, else its bytes; ValueError for neither."""
    if secret.startswith(_BASE64):
        return base64.b64decode(secret.removeprefix(_BASE64), validate=True)
    return secret.encode("utf-8", "surrogatepass")


def signature(secret: str, ident: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC."""
    signed = b"%b.%b.%b" % (ident.encode(), timestamp.encode(), body)
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, sha256)).decode()


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether a request is ours and at most `REPLAY_WINDOW_S` old or early; for receivers and for the tests.

    `headers` by lower-case name. Whether the id was seen before is the receiver's to remember.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        return False
    if abs(now_s - int(timestamp)) > REPLAY_WINDOW_S:
        return False
    expected = signature(secret, headers.get("webhook-id", ""), timestamp, body).encode()
    given = headers.get("webhook-signature", "").encode("utf-8", "replace").split()
    return any(hmac.compare_digest(expected, one) for one in given)


def render(told: Told, config: WebhookChannel) -> Request:
    """The signed request."""
    delivery, page = told.delivery, told.delivery.page
    value: dict[str, Any] = {
        "type": f"flashover.{delivery.kind}",
        "timestamp": told.now_ms,
        "data": {
            "incident": delivery.incident,
            "run": delivery.run,
            "step": delivery.step,
            "person": delivery.person,
            "channel": delivery.channel,
            "lang": page.lang,
            "first": told.text.first,
            "text": told.text.text,
            "why": page.why,
            "silent": page.silent,
            "number": page.number,
            "more": page.more,
            "owner": page.owner,
            "resolution": page.resolution,
            "case": page.case,
            "links": told.links._asdict() if told.links is not None else None,
        },
    }
    body = msgspec.json.encode(value)
    timestamp = str(told.now_ms // 1000)
    secret = config.secret.get_secret_value()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "flashover",
        "webhook-id": delivery.dedup_key,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(secret, delivery.dedup_key, timestamp, body),
    }
    return Request(config.url.get_secret_value(), body, headers)


def sender(config: WebhookChannel) -> Send:
    """Sends to this address."""

    async def send(told: Told) -> Outcome:
        return await post(render(told, config))

    return send
