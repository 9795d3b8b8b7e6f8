"""`flashover who`: whom a case would page, when and why."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from agents.commands.common import as_json, complain, fail_if, moment_ms, say, settings_of
from agents.on_call.people import meant
from agents.settings import Settings
from streams.alert import Reply
from streams.delivery import Case
from streams.forecast import Forecast
from streams.needs import Fitting
from streams.rehearsal import Step, climb

__all__ = ["who"]

_LATEST_MS: Final = 7_258_118_400_000  # the year 2200: rotations go no further


@click.command()
@click.option("--brand", required=True, metavar="SLUG", help="Whose case it is.")
@click.option("--case", "text", required=True, metavar="TEXT", help="What the complaint says.")
@click.option("--at", default="now", metavar="TIME", help="now, 90m (ago) or RFC 3339.  [default: now]")
@click.option(
    "--reply",
    type=click.Choice(["none", "canned", "own-words"]),
    default="none",
    show_default=True,
    help="What the brand has answered so far.",
)
@click.option(
    "--reason", default="viral-forecast", show_default=True, metavar="WORD", help="Why the alert was raised."
)
@as_json
@click.pass_context
def who(context: click.Context, brand: str, text: str, at: str, reply: Any, reason: str, json_: bool) -> None:
    """Say whom a case would page, when, by which channel and why.

    It shows the whole ladder, as if nobody answered.

    It climbs the ladder with the functions that page. Nothing is sent. Exit code 1 if nobody can be paged.

    \b
    Examples:
      flashover who --brand acme --case "You still bill my late mother"
      flashover who --brand acme --case "Wo bleibt meine Erstattung?" --at 2026-10-25T02:30+02:00 --json
    """
    from agents.on_call.roster import LiveRoster

    settings = settings_of(context)
    at_ms = moment_ms(at, int(time.time() * 1000))
    if not 0 <= at_ms < _LATEST_MS:
        raise click.BadParameter("must be from 1970 to 2199", param_hint="--at")
    if brand not in settings.brands:
        complain(f"{brand} is none of [brands]{meant(brand, settings.brands)}")
    live = LiveRoster(settings)
    asyncio.run(live.refresh(at_ms))
    for name, problem in sorted(live.problems.items()):
        complain(f"calendar of rotation {name}: {problem}")
    case = _case(brand, text, at_ms, reply, reason)
    roster = live.now
    lang = roster.lang_of(case)
    fitting = roster.needs.of(case, lang)
    steps = climb(roster, case, at_ms, settings.paging)
    shown = _as_json if json_ else _as_lines
    shown(settings, brand, at_ms, lang, fitting, steps)
    if not steps:
        complain("nobody can be paged")
    fail_if(not steps)


def _as_json(
    settings: Settings, brand: str, at_ms: int, lang: str, fitting: Fitting, steps: list[Step]
) -> None:
    ladder, zone = _ladder_of(settings, brand), _zone_of(settings, brand)
    say(
        {
            "brand": brand,
            "at": _told(at_ms, zone),
            "lang": lang or None,
            "needs": fitting.names,
            "authorities": fitting.needed.authorities,
            "amounts": dict(fitting.needed.amounts),
            "ladder": ladder,
            "repeat": settings.ladders[ladder].repeat if ladder is not None else 0,
            "steps": [_json(step, zone) for step in steps],
        }
    )


def _as_lines(
    settings: Settings, brand: str, at_ms: int, lang: str, fitting: Fitting, steps: list[Step]
) -> None:
    ladder, zone = _ladder_of(settings, brand), _zone_of(settings, brand)
    amounts = dict(fitting.needed.amounts)
    needed = [
        one + (f" up to {amounts[one]:g}" if one in amounts else "") for one in fitting.needed.authorities
    ]
    names = ", ".join(fitting.names) or "no need fits"
    say(f"needs   {', '.join(needed) or 'nobody in particular'}  ({names})")
    again = f", {_again(settings.ladders[ladder].repeat)}" if ladder is not None else ""
    say(f"ladder  {ladder or 'none'}{again}" + (f"; written in {lang}" if lang else ""))
    for step in steps:
        when = _told(step.at_ms, zone)
        for one in step.people:
            say(f"{when}  {one.person}  by {', then '.join(one.channels)}  {one.why}")
            when = " " * len(when)


def _case(brand: str, text: str, at_ms: int, reply: Any, reason: str) -> Case:
    """A case that says this; what it does not say decides nothing."""
    raised_at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
    nothing = Forecast(0, 0, 0, 0, 0)
    return Case(
        "who", "thread", brand, "who", "page", raised_at, reason, "", nothing, Reply(reply), 0, title=text
    )


def _ladder_of(settings: Settings, brand: str) -> str | None:
    """The name of a brand's ladder."""
    own = [name for name, one in settings.ladders.items() if brand in one.brands]
    of_all = [name for name, one in settings.ladders.items() if not one.brands]
    return next(iter((*own, *of_all)), None)


def _zone_of(settings: Settings, brand: str) -> ZoneInfo:
    """The clock to show: that of the first rotation on the ladder."""
    ladder = _ladder_of(settings, brand)
    steps = settings.ladders[ladder].steps if ladder is not None else ()
    named = [settings.rotations[one].zone for step in steps for one in step.whom if one in settings.rotations]
    return named[0] if named else ZoneInfo("UTC")


def _told(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")


def _again(repeat: int | None) -> str:
    if repeat is None:
        return "again and again until somebody answers"
    return f"{repeat} times more from its start" if repeat else "once"


def _json(step: Step, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "at": _told(step.at_ms, zone),
        "rung": step.rung,
        "wait_s": (step.next_ms - step.at_ms) / 1000 if step.next_ms is not None else None,
        "people": [
            {"person": one.person, "channels": one.channels, "why": one.why, "lang": one.lang}
            for one in step.people
        ],
    }
