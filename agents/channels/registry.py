"""All channels, registered by hand, behind one `agents.deliver.Deliver`.

Law of this file: it puts a delivery into words once, spares each channel (`Rate`), hands it on, and knows
nothing of what happens inside. It keeps no state that must outlive the process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agents.channels import alertmanager, apprise_url, goalert, pagerduty, webhook
from agents.channels.channel import Send, Told
from agents.channels.config import (
    AlertmanagerChannel,
    AppriseChannel,
    Channel,
    GoAlertChannel,
    PagerDutyChannel,
    WebhookChannel,
)
from agents.channels.rates import Rate
from agents.errors import SettingsError
from streams.delivery import Delivery, GiveUp, Outcome, TryAgain
from streams.links import Links
from streams.page_text import words
from streams.standing import Standing

__all__ = ["Channels", "LinksFor", "channels"]

log = logging.getLogger(__name__)

#: The links of a delivery at a moment of the wall clock, ms; None: there are no pages.
LinksFor = Callable[[Delivery, int], Links | None]
Tell = Callable[[list[Told]], Awaitable[Outcome]]

_PATIENCE_S: Final = 3.0  # a delivery waits so long for its channel's rate; else the desk asks again


class _Kind(NamedTuple):
    send: Callable[..., Send]
    keyed: bool  # shows two deliveries with one dedup key once
    tell: Callable[..., Tell] | None = None  # wants to hear again of what is open
    is_read_by_all: bool = False  # so that a link that acts for one person has no place in it


_KINDS: Final[Mapping[type[Channel], _Kind]] = {
    AppriseChannel: _Kind(apprise_url.sender, keyed=False),
    PagerDutyChannel: _Kind(pagerduty.sender, keyed=True),
    GoAlertChannel: _Kind(goalert.sender, keyed=True),
    AlertmanagerChannel: _Kind(
        alertmanager.sender, keyed=True, tell=alertmanager.teller, is_read_by_all=True
    ),
    WebhookChannel: _Kind(webhook.sender, keyed=True),
}


def _no_links(delivery: Delivery, now_ms: int) -> Links | None:
    return None


def _wall_ms() -> int:
    return int(time.time() * 1000)


class Channels:
    """Sends deliveries by the channel that they name; see `agents.deliver.Deliver`."""

    def __init__(
        self,
        configs: Mapping[str, Channel],
        links: LinksFor = _no_links,
        now_ms: Callable[[], int] = _wall_ms,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        problems = []
        self._sends: dict[str, Send] = {}
        self._tells: dict[str, Tell] = {}
        self._keyed = frozenset(name for name, one in configs.items() if _KINDS[type(one)].keyed)
        self._read_by_all = {name for name, one in configs.items() if _KINDS[type(one)].is_read_by_all}
        self._rates = {name: Rate(one.per_min) for name, one in configs.items()}
        self._links = links
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        for name, config in configs.items():
            kind = _KINDS[type(config)]
            try:
                self._sends[name] = kind.send(config)
            except ValueError as error:
                problems.append(f"channels.{name}: {error}")
            if kind.tell is not None:
                self._tells[name] = kind.tell(config)
        if problems:
            raise SettingsError(problems)

    def keyed(self, name: str) -> bool:
        """Whether a channel shows two deliveries with one dedup key once."""
        return name in self._keyed

    def told_again(self, name: str) -> bool:
        """Whether a channel wants to hear again of what is open (`tell`)."""
        return name in self._tells

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Ok, TryAgain or GiveUp; waits a little where the channel's rate asks for it."""
        send = self._sends.get(delivery.channel)
        if send is None:
            return GiveUp("there is no such channel in the settings")
        rate = self._rates[delivery.channel]
        wait_s = rate.wait_s(self._monotonic_s())
        if wait_s > _PATIENCE_S:
            return TryAgain(wait_s, "the channel's rate is used up")
        now_s = self._monotonic_s() + wait_s
        rate.take(now_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        outcome = await send(self._told(delivery))
        if isinstance(outcome, TryAgain) and outcome.after_s > _PATIENCE_S:
            rate.rest(self._monotonic_s(), outcome.after_s)
        return outcome

    async def tell(self, standing: Iterable[Standing]) -> dict[str, Outcome]:
        """Tell the channels that ask for it of all that stands, each once; how it went, by channel."""
        by_channel: dict[str, list[Told]] = {}
        for delivery, at_ms in standing:
            if delivery.channel in self._tells:
                by_channel.setdefault(delivery.channel, []).append(self._told(delivery, at_ms))
        return {name: await self._tells[name](told) for name, told in by_channel.items()}

    def _told(self, delivery: Delivery, at_ms: int | None = None) -> Told:
        now_ms = self._now_ms()
        links = self._links(delivery, now_ms)
        if links is not None and delivery.channel in self._read_by_all:
            links = Links(links.show)
        text = words(delivery, now_ms, links, _zone(delivery.page.zone))
        return Told(delivery, text, links, now_ms if at_ms is None else at_ms)


def channels(configs: Mapping[str, Channel], links: LinksFor = _no_links) -> Channels:
    """The channels of the settings. Raises SettingsError that names all that can't be used."""
    return Channels(configs, links)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
