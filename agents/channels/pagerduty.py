"""PagerDuty, by its Events API v2: trigger, acknowledge, resolve.

Law of this file: one alert of PagerDuty's for a case and a run of its ladder (`key_of`). A page sent twice
is one there; a new run, that must wake people whatever they did with the last one, is a new alert, and the
last one is resolved behind it. Who answers in flashover quiets PagerDuty; PagerDuty does not answer here.

The contract: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ and …/overview/ (fields,
their longest lengths, 202 for taken, 429 and 5xx to be tried again, at most 512 KB).
"""

from __future__ import annotations

from typing import Any, Final

from agents.channels.channel import Request, Send, Told, post_all
from agents.channels.config import PagerDutyChannel
from streams.delivery import Delivery, Outcome
from streams.page_text import named, quoted

__all__ = ["key_of", "render", "sender"]

_MOST_SUMMARY: Final = 1024
_MOST_KEY: Final = 255
_RUNS: Final = 10  # whose alerts are resolved at the end


def key_of(delivery: Delivery, run: int | None = None) -> str:
    """The dedup key: the case and the run; a digest has one of its own."""
    key = delivery.dedup_key if delivery.kind == "digest" else f"{delivery.incident}/{run or delivery.run}"
    return key[:_MOST_KEY]


def render(told: Told, config: PagerDutyChannel) -> tuple[Request, ...]:
    """The events, in order."""
    delivery = told.delivery
    if delivery.kind == "acknowledged":
        return (_event(config, "acknowledge", key_of(delivery)),)
    if delivery.kind == "resolved":
        runs = range(delivery.run, max(0, delivery.run - _RUNS), -1)
        return tuple(_event(config, "resolve", key_of(delivery, run)) for run in runs)
    events = [_event(config, "trigger", key_of(delivery), **_trigger(told))]
    if delivery.kind == "page" and delivery.run > 1:
        events.append(_event(config, "resolve", key_of(delivery, delivery.run - 1)))
    return tuple(events)


def _event(config: PagerDutyChannel, action: str, key: str, **more: Any) -> Request:
    event = {
        "routing_key": config.routing_key.get_secret_value(),
        "event_action": action,
        "dedup_key": key,
        **more,
    }
    return Request.json(config.url.get_secret_value(), event)


def _trigger(told: Told) -> dict[str, Any]:
    page, case = told.delivery.page, told.delivery.page.case
    digest = told.delivery.kind == "digest"
    details = {
        "what is known": "\n".join(told.text.lines),
        "voices": list(told.text.voices),
        "person": named(told.delivery.person),
        "why this person": quoted(page.why, 300) if page.why else "",
        "mentions": case.mentions,
        "expected within a day": round(case.forecast.expected_24h),
        "incident": told.delivery.incident,
        "alert": case.id,
    }
    more: dict[str, Any] = {
        "payload": {
            "summary": told.text.first[:_MOST_SUMMARY],
            "source": "flashover" if digest else case.brand,
            "severity": "error" if digest else "critical",
            "timestamp": case.raised_at,
            "component": case.scope,
            "group": case.brand,
            "class": case.reason,
            "custom_details": {name: value for name, value in details.items() if value not in ("", [])},
        },
        "client": "flashover",
        "links": [{"href": url, "text": name} for name, url in told.text.links],
    }
    if told.links is not None:
        more["client_url"] = told.links.show
    return more


def sender(config: PagerDutyChannel) -> Send:
    """Sends by this service."""

    async def send(told: Told) -> Outcome:
        return await post_all(render(told, config))

    return send
