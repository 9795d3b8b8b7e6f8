"""`flashover incidents` and `flashover mutes`: see what is under way, and answer for it.

Law of this file: a command goes to the topic `commands`, as one from the pages does; what became of it is the
desk's word on the topic `audit`, waited for here. Nothing is decided here.
"""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

import click

from agents.commands.common import (
    as_json,
    complain,
    fail_if,
    moment_ms,
    on_brokers,
    person,
    say,
    settings_of,
)
from agents.settings import Settings
from agents.terminal import safe
from agents.web.asked import Asked, Wrong, command_of
from streams.incident import Incident, Resolution, State
from streams.mention import rfc3339

if TYPE_CHECKING:
    from agents.web.known import Known

__all__ = ["incidents", "mutes"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OVER: Final = (State.RESOLVED, State.MERGED)
_SKEW_MS: Final = 60_000  # by which clocks may differ between here and a worker
_WORDS: Final = {
    "unknown-incident": "there is no such incident",
    "counted-before": "this was done before",
    "not-now": "that can't be done in the state it is in now",
    "nothing-held": "nothing is held",
    "bad-target": "it can't be merged into that one",
    "no-such-mute": "that is not muted",
    "past": "that moment is over",
}


@click.group()
def incidents() -> None:
    """See incidents and answer for them: what the pages do.

    An incident is named by its id or the beginning of it. Each command waits until a worker has done it, or
    says that it was refused, and why (exit code 1).

    \b
    Examples:
      flashover incidents list
      flashover incidents take in-3f2a --reason "cancelling the contract"
      flashover incidents resolve in-3f2a --as handled --note "cancelled, apologised"
    """


@click.group()
def mutes() -> None:
    """See what is muted; mute a brand or a thread for a time.

    \b
    Examples:
      flashover mutes list
      flashover mutes set acme --thread mastodon:1138 --for 2h --why "a give-away"
      flashover mutes unset acme
    """


def _acts(command: _Command) -> _Command:
    """Add what all commands that change something take."""
    who = click.option("--who", metavar="NAME", help="Who says so [default: the user of this system].")
    wait = click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(min=0),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for a worker's answer.",
    )
    return who(wait(on_brokers(as_json(click.pass_context(command)))))  # type: ignore[return-value]


_incident = click.argument("incident", metavar="INCIDENT")
_note = click.option("--note", metavar="TEXT", default="", help="For those who read it later.")
_for = click.option("--for", "for_", metavar="TIME", help="For how long, like 30m, 4h, 1d.")


@incidents.command("list")
@click.option("--brand", help="Only those of this brand.")
@click.option("--all", "all_", is_flag=True, help="Those that are over, too.")
@on_brokers
@as_json
@click.pass_context
def list_(context: click.Context, brand: str | None, all_: bool, json_: bool) -> None:
    """List the incidents that are under way, the oldest first.

    \b
    Examples:
      flashover incidents list --brand acme
      flashover incidents list --all --json
    """
    known = _known(settings_of(context))
    found = [
        one
        for one in known.incidents.values()
        if brand in (None, one.case.brand) and (all_ or one.state not in _OVER)
    ]
    for one in sorted(found, key=lambda one: one.opened_ms):
        say(_as_dict(one)) if json_ else say(_line(one))
    if not found:
        complain("nothing is under way" if not all_ else "there is no incident")


@incidents.command()
@_incident
@on_brokers
@as_json
@click.pass_context
def show(context: click.Context, incident: str, json_: bool) -> None:
    """Show an incident with its history, and who was paged.

    \b
    Examples:
      flashover incidents show in-3f2a
    """
    one = _named(_known(settings_of(context)), incident)
    if json_:
        say(_as_dict(one) | {"history": one.history, "pages": one.pages, "voices": one.case.voices})
        return
    say(_line(one))
    say(f"  {one.case.summary}")
    if one.case.url:
        say(f"  {one.case.url}")
    for voice in one.case.voices:
        say(f'  "{safe(voice, 300)}"')
    if one.hold is not None:
        say(f"  replies held until {rfc3339(one.hold.until_ms)} by {one.hold.owner}: {one.hold.reason}")
    for entry in one.history:
        parts = (entry.what, entry.who, f"by {entry.where}" if entry.where else "", entry.note)
        say(f"  {rfc3339(entry.at_ms)}  {'  '.join(part for part in parts if part)}")


@incidents.command()
@_incident
@_acts
def ack(context: click.Context, incident: str, **more: Any) -> None:
    """I have seen it: nobody else is paged for now.

    \b
    Examples:
      flashover incidents ack in-3f2a
    """
    _ask(context, "acknowledge", incident, {}, **more)


@incidents.command()
@_incident
@click.option("--hold/--no-hold", default=True, help="Hold text blocks on its thread [default: hold].")
@click.option("--reason", metavar="TEXT", default="", help="What you are about to do.")
@_acts
def take(context: click.Context, incident: str, hold: bool, reason: str, **more: Any) -> None:
    """It is mine; text blocks are held on its thread.

    \b
    Examples:
      flashover incidents take in-3f2a --reason "calling them"
    """
    _ask(context, "take", incident, {"hold": hold, "reason": reason}, **more)


@incidents.command("hand-over")
@_incident
@click.option("--to", required=True, metavar="NAME", help="Who is paged, and has it then.")
@_note
@_acts
def hand_over(context: click.Context, incident: str, to: str, note: str, **more: Any) -> None:
    """It is yours: page somebody else.

    \b
    Examples:
      flashover incidents hand-over in-3f2a --to service-lead --note "needs a refund"
    """
    _ask(context, "hand-over", incident, {"to": to, "note": note}, **more)


@incidents.command()
@_incident
@click.option("--as", "as_", type=click.Choice(get_args(Resolution)), required=True, help="How it ended.")
@_note
@_acts
def resolve(context: click.Context, incident: str, as_: str, note: str, **more: Any) -> None:
    """It is over; its hold is released.

    \b
    Examples:
      flashover incidents resolve in-3f2a --as false-alarm --note "a song contest"
    """
    _ask(context, "resolve", incident, {"resolution": as_, "note": note}, **more)


@incidents.command()
@_incident
@_for
@click.option("--reason", metavar="TEXT", default="", help="Why nobody should answer.")
@_acts
def hold(context: click.Context, incident: str, for_: str | None, reason: str, **more: Any) -> None:
    """Hold text blocks on its thread.

    \b
    Examples:
      flashover incidents hold in-3f2a --for 2h --reason "the lawyers are on it"
    """
    _ask(context, "hold", incident, {"for_s": _seconds(for_), "reason": reason}, **more)


@incidents.command()
@_incident
@_note
@_acts
def release(context: click.Context, incident: str, note: str, **more: Any) -> None:
    """Text blocks may go on.

    \b
    Examples:
      flashover incidents release in-3f2a
    """
    _ask(context, "release", incident, {"note": note}, **more)


@incidents.command()
@_incident
@click.option("--into", required=True, metavar="INCIDENT", help="The one that it goes on in.")
@_acts
def merge(context: click.Context, incident: str, into: str, **more: Any) -> None:
    """It is about the same case as another of its brand.

    \b
    Examples:
      flashover incidents merge in-3f2a --into in-77c0
    """
    _ask(context, "merge", incident, {"into": into}, **more)


@mutes.command("list")
@on_brokers
@as_json
@click.pass_context
def list_mutes(context: click.Context, json_: bool) -> None:
    """List what is muted, by whom and until when.

    \b
    Examples:
      flashover mutes list
    """
    found = sorted(_known(settings_of(context)).mutes.values(), key=lambda one: one.until_ms)
    for one in found:
        if json_:
            say(
                {
                    "brand": one.brand,
                    "thread_id": one.thread_id,
                    "who": one.who,
                    "why": one.why,
                    "since": rfc3339(one.since_ms),
                    "until": rfc3339(one.until_ms),
                }
            )
        else:
            what = safe(one.thread_id, 60) if one.thread_id is not None else "(the brand)"
            say(f"{one.brand}  {what}  until {rfc3339(one.until_ms)}  {one.who}: {one.why}")
    if not found:
        complain("nothing is muted")


@mutes.command("set")
@click.argument("brand")
@click.option("--thread", metavar="ID", help="This thread alone.")
@_for
@click.option("--why", metavar="TEXT", required=True, help="Why, for those who see the mute.")
@_acts
def set_mute(
    context: click.Context, brand: str, thread: str | None, for_: str | None, why: str, **more: Any
) -> None:
    """Page nobody for BRAND, or one thread of it, for a time.

    The setting `mute_at_most_s` is the longest.

    \b
    Examples:
      flashover mutes set acme --thread mastodon:1138 --for 2h --why "a give-away"
    """
    body = {"brand": brand, "thread_id": thread, "for_s": _seconds(for_ or "1h"), "why": why}
    _send(context, "mute", body, **more)


@mutes.command("unset")
@click.argument("brand")
@click.option("--thread", metavar="ID", help="Of this thread.")
@_acts
def unset_mute(context: click.Context, brand: str, thread: str | None, **more: Any) -> None:
    """End a mute before its time.

    \b
    Examples:
      flashover mutes unset acme
    """
    _send(context, "unmute", {"brand": brand, "thread_id": thread}, **more)


def _seconds(text: str | None) -> float | None:
    """A length like 30m as seconds."""
    if text is None:
        return None
    long_ms = -moment_ms(text, 0) if text[-1:] in "smhd" else 0
    if long_ms <= 0:
        raise click.BadParameter(f"{safe(text)!r} is no length like 30m, 4h or 1d")
    return long_ms / 1000


def _ask(context: click.Context, name: str, incident: str, body: dict[str, Any], **more: Any) -> None:
    known = _known(settings_of(context))
    one = _named(known, incident)
    if "into" in body:
        body["into"] = _named(known, body["into"]).id
    _send(context, name, body, one, **more)


def _send(
    context: click.Context,
    name: str,
    body: dict[str, Any],
    one: Incident | None = None,
    *,
    who: str | None,
    wait_s: float,
    json_: bool,
) -> None:
    """Send a command, wait for the desk's word on it, and end with 1 if there is none or it is no."""
    from agents.clients import sender
    from agents.topics import topics
    from streams.incident import encode_command

    settings = settings_of(context)
    now_ms = time.time_ns() // 1_000_000
    asked = Asked(f"cli-{secrets.token_hex(12)}", who or person(), now_ms, "cli", platform.node())
    people = {*settings.people, *settings.rotations}
    made = command_of(name, body, asked, *((one.case.brand, one.id, people) if one is not None else ()))
    if isinstance(made, Wrong):
        raise click.UsageError("; ".join(made.problems))
    with sender(settings, topics(settings).commands.name) as out:
        out.send(made.brand.encode(), encode_command(made))
    verdict = _verdict(settings, made.id, now_ms - _SKEW_MS, wait_s)
    outcome = verdict.outcome if verdict is not None else "asked"
    reason = verdict.reason if verdict is not None else None
    if json_:
        say(
            {
                "id": made.id,
                "command": name,
                "incident": made.incident or None,
                "outcome": outcome,
                "reason": reason,
            }
        )
    elif verdict is None:
        complain(f"no worker has answered within {wait_s:g} s; the command is not lost, and waits for one")
    elif reason is not None:
        complain(f"refused: {_WORDS.get(reason, reason)}")
    else:
        say(f"{name}: done")
    fail_if(outcome != "done")


def _verdict(settings: Settings, command: str, since_ms: int, wait_s: float) -> Any:
    """What the desk says of a command; None if it says nothing in time."""
    from agents.clients import read
    from agents.topics import topics
    from streams.audit import decode_audited

    name = topics(settings).audit.name
    for record in read(settings, name, since_ms=since_ms, follow=True, for_s=wait_s):
        try:
            told = decode_audited(record.value)
        except ValueError:
            continue  # not ours
        if told.id == command:
            return told
    return None


def _known(settings: Settings) -> Known:
    """The incidents and mutes that there are now."""
    from agents.clients import read
    from agents.topics import topics
    from agents.web.known import Known

    known = Known()
    for record in read(settings, topics(settings).incidents.name):
        known.take("incidents", record.partition, record.key, record.value)
    return known


def _named(known: Known, name: str) -> Incident:
    """The incident of this id, or the one whose id begins so."""
    if name in known.incidents:
        return known.incidents[name]
    found = [one for key, one in known.incidents.items() if key.startswith(name)] if name else []
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(f"{safe(name)!r} is the beginning of {len(found)} incidents")
    complain(f"there is no incident {safe(name)!r}")
    fail_if(True)
    raise AssertionError


def _line(one: Incident) -> str:
    owner = one.owner or "nobody"
    what = safe(one.case.title or one.case.summary, 80)
    state = f"{one.state}" + (f" ({one.resolution})" if one.resolution else "")
    return f"{one.id}  {rfc3339(one.opened_ms)}  {state}  {one.case.brand}  {owner}  {what}"


def _as_dict(one: Incident) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state,
        "brand": one.case.brand,
        "thread_id": one.case.thread_id,
        "owner": one.owner,
        "resolution": one.resolution,
        "opened_at": rfc3339(one.opened_ms),
        "changed_at": rfc3339(one.changed_ms),
        "hold_until": rfc3339(one.hold.until_ms) if one.hold is not None else None,
        "title": one.case.title,
        "summary": one.case.summary,
        "mentions": one.case.mentions,
        "forecast": one.case.forecast,
    }
