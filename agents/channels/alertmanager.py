"""Alertmanager, by its API v2: an alert that is told again while its case is open.

Law of this file: labels say which alert it is and nothing else, so they stay the same while it lives; of them
only `incident` has many values, and it must. What changes is an annotation. An alert ends by itself
`ENDS_AFTER_S` after it was last told, so that a flashover that is gone pages nobody for ever.

The contract: https://prometheus.io/docs/alerting/latest/alerts_api/ and `api/v2/openapi.yaml` of
prometheus/alertmanager (clients re-send firing alerts, and resolved ones for up to five minutes).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from agents.channels.channel import Request, Send, Told, post, url_below
from agents.channels.config import AlertmanagerChannel
from streams.delivery import Outcome

__all__ = ["ENDS_AFTER_S", "render", "sender", "teller"]

ENDS_AFTER_S: Final = 300.0  # five times the pause between two tellings
_DIGEST_ENDS_AFTER_S: Final = 3600.0  # it is told once
_PATH: Final = "api/v2/alerts"


def render(told: Sequence[Told], config: AlertmanagerChannel) -> Request:
    """One request for any number of alerts of this channel."""
    url = url_below(config.url.get_secret_value(), _PATH)
    return Request.json(url, [_alert(one, config) for one in told])


def _alert(told: Told, config: AlertmanagerChannel) -> dict[str, Any]:
    delivery, page, case = told.delivery, told.delivery.page, told.delivery.page.case
    labels = {**config.labels, "alertname": "FlashoverPage", "channel": delivery.channel}
    if delivery.kind == "digest":
        labels |= {"alertname": "FlashoverDigest", "severity": "error"}
        ends_after_s = _DIGEST_ENDS_AFTER_S
    else:
        labels |= {
            "severity": "critical",
            "brand": case.brand,
            "scope": case.scope,
            "incident": delivery.incident,
        }
        ends_after_s = 0.0 if delivery.kind == "resolved" else ENDS_AFTER_S
    annotations = {
        "summary": told.text.first,
        "description": told.text.text,
        "owner": page.owner or "",
        "alert": case.id,
    }
    alert: dict[str, Any] = {
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": _rfc3339(min(_raised_ms(case.raised_at, told.now_ms), told.now_ms)),
        "endsAt": _rfc3339(told.now_ms + int(ends_after_s * 1000)),
    }
    if told.links is not None:
        alert["generatorURL"] = told.links.show
    return alert


def _raised_ms(text: str, otherwise_ms: int) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return otherwise_ms


def _rfc3339(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds")


def sender(config: AlertmanagerChannel) -> Send:
    """Sends to this server."""

    async def send(told: Told) -> Outcome:
        return await post(render((told,), config))

    return send


def teller(config: AlertmanagerChannel) -> Any:
    """Tells this server again of all that it must not forget."""

    async def tell(told: Sequence[Told]) -> Outcome:
        return await post(render(told, config))

    return tell
