"""`flashover channels`: which there are, and whether a page gets through.

Law of this file: it shows no address, and what it sends says that it is a test.
"""

from __future__ import annotations

import asyncio
import difflib
import time
import uuid

import click
import msgspec

from agents.channels.config import AppriseChannel, Channel
from agents.commands.common import as_json, complain, fail_if, say, settings_of
from agents.terminal import safe
from streams.alert import Reply
from streams.delivery import Case, Delivery, Kind, Ok, Outcome, PageContent
from streams.forecast import Forecast
from streams.mention import rfc3339
from streams.page_text import TEST
from streams.pages import LANGUAGES

__all__ = ["channels", "page_about_nothing"]


@click.group()
def channels() -> None:
    """See by which channels pages go out, and try one out.

    \b
    Examples:
      flashover channels list
      flashover channels test duty-phone
    """


@channels.command(name="list")
@as_json
@click.pass_context
def list_(context: click.Context, json_: bool) -> None:
    """List the channels of the settings, without their addresses.

    Exit code 1 if one can't be used.

    \b
    Examples:
      flashover channels list
      flashover channels list --json
    """
    from agents.channels.registry import channels as all_channels

    configs = settings_of(context).channels
    built = all_channels(configs)
    rows = [
        {
            "name": name,
            "kind": one.kind,
            "service": _service(one),
            "shows_twice_sent_once": built.keyed(name),
            "per_min": one.per_min,
        }
        for name, one in configs.items()
    ]
    if json_:
        for row in rows:
            say(row)
        return
    for row in rows:
        once = "takes a dedup key" if row["shows_twice_sent_once"] else "takes no dedup key"
        say(f"{row['name']}  {row['service']}  {once}, at most {row['per_min']} a minute")
    if not rows:
        complain("no channel is set: docs/channels.md says how")


@channels.command()
@click.argument("name")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    default=LANGUAGES[0],
    show_default=True,
    help="The language of the page.",
)
@click.option("--person", default="whoever reads this", help="Whom the page names.")
@as_json
@click.pass_context
def test(context: click.Context, name: str, lang: str, person: str, json_: bool) -> None:
    """Send a page that says it is a test.

    What a pager opens for it is closed again.

    Exit code 1 if it was not taken. That it was taken does not say that it was read.

    \b
    Examples:
      flashover channels test duty-phone
      flashover channels test pager --lang de
    """
    from agents.channels.registry import channels as all_channels

    configs = settings_of(context).channels
    if name not in configs:
        near = difflib.get_close_matches(name, configs, n=1)
        known = f"; is {near[0]} meant?" if near else f": there are {', '.join(configs) or 'none'}"
        raise click.UsageError(f"there is no channel {safe(name)}{known}")
    built = all_channels({name: configs[name]})
    kinds: tuple[Kind, ...] = ("page", "resolved") if built.keyed(name) else ("page",)
    ident = uuid.uuid4().hex[:12]

    async def send() -> list[tuple[Kind, Outcome]]:
        now_ms = int(time.time() * 1000)
        return [
            (one, await built(page_about_nothing(name, person, lang, one, ident, now_ms))) for one in kinds
        ]

    outcomes = asyncio.run(send())
    for kind, outcome in outcomes:
        if json_:
            say({"channel": name, "kind": kind, "outcome": msgspec.to_builtins(outcome)})
        elif isinstance(outcome, Ok):
            say(f"{name}: {'taken' if kind == 'page' else 'closed again'}")
        else:
            complain(f"{name}: not {'taken' if kind == 'page' else 'closed'}: {outcome.reason}")
    fail_if(any(not isinstance(outcome, Ok) for _, outcome in outcomes))


def page_about_nothing(channel: str, person: str, lang: str, kind: Kind, ident: str, now_ms: int) -> Delivery:
    """A delivery about nothing; `ident` is what makes it another one than the last test."""
    case = Case(
        id=f"test-{ident}",
        scope="thread",
        brand="flashover.test",
        thread_id=None,
        level="page",
        raised_at=rfc3339(now_ms),
        reason=TEST,
        summary="a test",
        forecast=Forecast(0.0, 0.0, 0.0, 0.0, 0),
        reply=Reply(),
        mentions=0,
    )
    page = PageContent(case, "", lang, resolution="handled" if kind == "resolved" else None)
    return Delivery(f"test-{ident}", 0, person, channel, f"test-{ident}/{kind}", kind, page)


def _service(config: Channel) -> str:
    """What it is; of an Apprise URL the scheme alone, which is no secret."""
    if isinstance(config, AppriseChannel):
        return f"apprise ({config.url.get_secret_value().partition('://')[0].lower()})"
    return config.kind
