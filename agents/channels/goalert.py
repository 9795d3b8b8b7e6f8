"""GoAlert, by its generic API: an alert with a dedup key, closed by `action=close`.

Law of this file: one alert of GoAlert's for a case and a run of its ladder, as with PagerDuty. The API can't
acknowledge, so an alert is closed as soon as somebody has answered: a new run of the ladder opens another.
The token goes into the header, never into the address.

The contract: the generic API in GoAlert's documentation and `genericapi/handler.go` of target/goalert
(fields summary, details, action, dedup; summary cut at 1,024, details at 6,144, dedup at 512 characters;
204 for taken; the token as `Authorization: Bearer`, `auth/gettoken.go`).
"""

from __future__ import annotations

from typing import Final

from agents.channels.channel import Request, Send, Told, post_all, url_below
from agents.channels.config import GoAlertChannel
from streams.delivery import Delivery, Outcome

__all__ = ["key_of", "render", "sender"]

_MOST_SUMMARY: Final = 1024
_MOST_DETAILS: Final = 6 * 1024
_RUNS: Final = 10  # whose alerts are closed at the end
_PATH: Final = "api/v2/generic/incoming"


def key_of(delivery: Delivery, run: int | None = None) -> str:
    """The dedup key: the case and the run; a digest has one of its own."""
    return delivery.dedup_key if delivery.kind == "digest" else f"{delivery.incident}/{run or delivery.run}"


def render(told: Told, config: GoAlertChannel) -> tuple[Request, ...]:
    """The requests, in order."""
    delivery, first = told.delivery, told.text.first[:_MOST_SUMMARY]
    if delivery.kind in ("acknowledged", "resolved"):
        runs = range(delivery.run, max(0, delivery.run - _RUNS), -1)
        return tuple(_request(config, first, "", key_of(delivery, run), "close") for run in runs)
    requests = [_request(config, first, told.text.text[:_MOST_DETAILS], key_of(delivery))]
    if delivery.kind == "page" and delivery.run > 1:
        requests.append(_request(config, first, "", key_of(delivery, delivery.run - 1), "close"))
    return tuple(requests)


def _request(config: GoAlertChannel, summary: str, details: str, dedup: str, action: str = "") -> Request:
    value = {"summary": summary, "details": details, "dedup": dedup}
    if action:
        value["action"] = action
    headers = {"Authorization": f"Bearer {config.token.get_secret_value()}"}
    return Request.json(url_below(config.url.get_secret_value(), _PATH), value, headers)


def sender(config: GoAlertChannel) -> Send:
    """Sends to this service."""

    async def send(told: Told) -> Outcome:
        return await post_all(render(told, config))

    return send
