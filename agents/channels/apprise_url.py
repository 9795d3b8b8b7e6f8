"""Any service that Apprise knows, by its URL; mail by SMTP too.

Law of this file: Apprise works in threads of its own and within a time; it follows no redirect, keeps nothing
on disk, loads no picture, and its log (which quotes addresses, tokens and whole payloads) stays here: all
that is taken from it is the status that a service answered with. It can't say whether a page that timed
out was delivered after all.

The contract: https://github.com/caronc/apprise (`AppriseAsset`, `Apprise.notify`, `AppriseResult`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agents.channels.channel import Send, Told, outcome_of
from agents.channels.config import AppriseChannel
from streams.delivery import Ok, Outcome, TryAgain

if TYPE_CHECKING:
    from apprise import Apprise

__all__ = ["Message", "render", "sender", "status_in"]

_TIMEOUT_S: Final = 12.0  # the desk waits for 15 s
_AGAIN_S: Final = 2.0
_THREADS: Final = 16
_STATUS: Final = re.compile(r"\berror=([1-5]\d\d)\b")  # how Apprise's plugins log what a service answered
_LOUD: Final = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib")
_SEVERITY: Final = {"page": "failure", "digest": "warning", "acknowledged": "info", "resolved": "success"}
#: Services that are mail, and show a whole HTML document. Others get plain text: their HTML is a few tags.
_MAIL: Final = ("mailto", "mailtos", "mailgun", "sendgrid", "ses", "azure", "o365", "smtp2go", "sparkpost")


class Message(NamedTuple):
    """What Apprise is given."""

    title: str
    body: str
    is_html: bool
    severity: str  # failure, warning, info, success


def render(told: Told, config: AppriseChannel) -> Message:
    """The words as this service shows them best."""
    schema = config.url.get_secret_value().partition("://")[0].lower()
    is_html = schema in _MAIL
    body = told.text.html if is_html else told.text.text or told.text.first
    return Message(told.text.first, body, is_html, _SEVERITY[told.delivery.kind])


def status_in(lines: Iterable[str]) -> int | None:
    """The last HTTP status that Apprise logged for a failure; None if it was no answer at all."""
    found = [int(match[1]) for line in lines for match in _STATUS.finditer(line)]
    return found[-1] if found else None


def sender(config: AppriseChannel) -> Send:
    """Sends by this service. Raises ValueError if Apprise does not know it, without saying the URL."""
    service = _service(config.url.get_secret_value())

    async def send(told: Told) -> Outcome:
        message = render(told, config)
        return await asyncio.get_running_loop().run_in_executor(_pool(), _notify, service, message)

    return send


def _service(url: str) -> Apprise:
    apprise = _apprise()
    asset = apprise.AppriseAsset(
        app_id="flashover",
        app_desc="flashover",
        app_url="",
        http_redirects=False,
        storage_mode="memory",
        service_timeout=_TIMEOUT_S,
        image_url_mask="",
        allow_templates=False,
    )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise ValueError("Apprise knows no such service, or it lacks a part of its address")
    if not service.verify_certificate:
        raise ValueError("it would not check certificates")
    service.redirects = False  # whatever the URL says
    service.request_rate_per_sec = 0  # it would sleep 5.5 s before each; `rates` spares channels here
    one: Apprise = apprise.Apprise(asset=asset)
    one.add(service)
    return one


def _notify(service: Apprise, message: Message) -> Outcome:
    apprise = _apprise()
    try:
        with service.notify(
            title=message.title,
            body=message.body,
            notify_type=apprise.NotifyType(message.severity),
            body_format=apprise.NotifyFormat.HTML if message.is_html else apprise.NotifyFormat.TEXT,
        ) as result:
            if result:
                return Ok()
            status = status_in(entry.message for entry in result.logs())
            late = result.timeout_count > 0
    except Exception as error:  # a plugin's: what it says may hold the address
        return TryAgain(_AGAIN_S, f"Apprise failed ({type(error).__name__})")
    if status is not None:
        return outcome_of(status, None, 0)
    return TryAgain(_AGAIN_S, f"no answer within {_TIMEOUT_S:g} s" if late else "it could not be delivered")


@cache
def _apprise() -> Any:
    """The library, imported when a channel first needs it, its loggers kept to themselves."""
    import apprise

    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        logger.addHandler(logging.NullHandler())
    return apprise


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="apprise")
