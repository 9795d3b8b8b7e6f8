"""`flashover thresholds`: see, change and compare the live thresholds.

Law of this file: what is sent has passed the very checks that a worker makes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from agents.commands.common import as_json, complain, fail_if, on_brokers, person, say, settings_of
from agents.settings import Settings
from streams.mention import rfc3339
from streams.params import TOP_1_PCT, ThreadParams
from streams.thresholds import (
    EVERY_BRAND,
    FIELDS,
    Change,
    Key,
    Refused,
    Thresholds,
    decode,
    encode,
    key_of,
    shown,
)

if TYPE_CHECKING:
    from agents.clients import Record
    from agents.thresholds import Told

__all__ = ["thresholds"]

_LEVELS: Final = ("watch", "warn", "page")


@click.group()
def thresholds() -> None:
    """See, change and compare the live thresholds of threads.

    A change holds for a brand, or for every brand without one of its own (`*`), within a second and without
    a restart; who made it and why is kept with it. With --shadow it is one to a second set, that only counts
    what it would have done.

    \b
    Examples:
      flashover thresholds get acme
      flashover thresholds set acme page=0.6 viral_at=150 --why "campaign week"
      flashover thresholds set acme page=0.4 --shadow --why "would an earlier page cost sleep?"
      flashover thresholds shadow
    """


def _brand(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A brand or `*`; where there is none, None."""
    if value is not None and ((key := key_of(value.encode())) is None or key.shadow):
        raise click.BadParameter(f"{value!r} is neither a brand (a-z 0-9 . _ -) nor *")
    return value


def _fields(context: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, float | str]:
    fields: dict[str, float | str] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if text == TOP_1_PCT:
            fields[name] = text
            continue
        try:
            number = float(text)
            fields[name] = int(number) if number.is_integer() else number
        except ValueError:
            raise click.BadParameter(f"{pair!r} is not like page=0.6") from None
    return fields


_who = click.option("--who", metavar="NAME", help="Who says so [default: the user of this system].")
_why = click.option("--why", metavar="TEXT", required=True, help="Why, for those who wonder later.")
_shadow = click.option("--shadow", is_flag=True, help="The second set, that only counts.")


@thresholds.command()
@click.argument("brand", required=False, callback=_brand)
@_shadow
@on_brokers
@as_json
@click.pass_context
def get(context: click.Context, brand: str | None, shadow: bool, json_: bool) -> None:
    """Show the thresholds of BRAND, or every change that holds.

    \b
    Examples:
      flashover thresholds get
      flashover thresholds get acme --json
    """
    settings = settings_of(context)
    now = _now(settings)
    if brand is None:
        changes = [one for key, one in sorted(now.changes.items()) if key.shadow or not shadow]
        if json_:
            say({"settings": settings.thresholds, "changes": [_as_dict(one) for one in changes]})
        else:
            say(f"{'settings':16}  {_listed(dataclasses.asdict(settings.thresholds))}")
            for one in changes:
                say(_line(one))
        return
    key = Key(brand, shadow)
    change, params = now.holds(key), _params(now, key)
    if params is None:
        if json_:
            say({"brand": brand, "shadow": True, "thresholds": None, "change": None})
        else:
            say(f"{brand} has no second set of thresholds")
        return
    if json_:
        value = {"brand": brand, "shadow": shadow, "thresholds": params}
        say({**value, "change": _as_dict(change) if change else None})
        return
    for name, number in dataclasses.asdict(params).items():
        said = change is not None and change.fields.get(name) == number
        say(f"{name:16}  {shown(number):8}  {f'set for {change.key}' if said and change else ''}".rstrip())
    if change is not None:
        say(_line(change))


@thresholds.command("set")
@click.argument("brand", callback=_brand)
@click.argument("fields", metavar="NAME=VALUE...", nargs=-1, required=True, callback=_fields)
@_shadow
@_why
@_who
@on_brokers
@as_json
@click.pass_context
def set_(
    context: click.Context,
    brand: str,
    fields: dict[str, float | str],
    shadow: bool,
    why: str,
    who: str | None,
    json_: bool,
) -> None:
    """Set thresholds of BRAND, or of every brand without its own (`*`). What is not named stays as it is.

    \b
    Examples:
      flashover thresholds set acme page=0.6 --why "campaign week"
      flashover thresholds set '*' min_authors=10 --why "bots" --who on-call
      flashover thresholds set acme viral_at=60 --shadow --why "smaller storms"
      flashover thresholds set acme viral_at=top-1% --why "what is big for this brand"
    """
    settings = settings_of(context)
    now = _now(settings)
    key = Key(brand, shadow)
    # A change says all that differs from the settings, so it goes on from what holds.
    nearest = (key, Key(brand), Key(EVERY_BRAND, shadow), Key(EVERY_BRAND))
    held = next((now.changes[one] for one in nearest if one in now.changes), None)
    before = dict(held.fields) if held else {}
    if held and held.key.brand != brand and brand in now.viral_at:
        before.pop("viral_at", None)  # its own stands above that of `*`
    _send(settings, now, _change(key, {**before, **fields}, who, why), json_)


@thresholds.command()
@click.argument("brand", callback=_brand)
@_shadow
@_why
@_who
@on_brokers
@as_json
@click.pass_context
def unset(context: click.Context, brand: str, shadow: bool, why: str, who: str | None, json_: bool) -> None:
    """Take back what was set for BRAND.

    What was set for `*` holds again, or the settings.

    \b
    Examples:
      flashover thresholds unset acme --why "campaign is over"
      flashover thresholds unset acme --shadow --why "seen enough"
    """
    settings = settings_of(context)
    _send(settings, _now(settings), _change(Key(brand, shadow), {}, who, why), json_)


@thresholds.command()
@click.argument("brand", required=False, callback=_brand)
@on_brokers
@as_json
@click.pass_context
def history(context: click.Context, brand: str | None, json_: bool) -> None:
    """Show the changes of 90 days at least, the oldest first.

    \b
    Examples:
      flashover thresholds history
      flashover thresholds history acme --json
    """
    settings = settings_of(context)
    now, shown, refused = _base(settings), 0, 0
    for record in _records(settings):
        change = decode(record.key, record.value)
        after = change if isinstance(change, Refused) else now.after(change)
        if isinstance(change, Refused) or isinstance(after, Refused):
            refused += 1
            continue
        now = after
        if brand in (None, change.key.brand):
            shown += 1
            say(_as_dict(change)) if json_ else say(_line(change))
    if not shown:
        complain("nothing was changed")
    if refused:
        complain(f"{refused} records on the topic were refused and hold for nobody")


@thresholds.command()
@click.argument("brand", required=False, callback=_brand)
@on_brokers
@as_json
@click.pass_context
def shadow(context: click.Context, brand: str | None, json_: bool) -> None:
    """Show what the second sets of thresholds would have done.

    It is counted since they were set, and stands beside what the live ones did. Alerts are counted by level;
    pages also by thread: how many threads both sets page for, and one alone.

    \b
    Examples:
      flashover thresholds shadow
      flashover thresholds shadow acme --json
    """
    from agents.thresholds import summed

    sums = summed(_told(settings_of(context)))
    for name, one in sorted(sums.items()):
        if brand not in (None, name):
            continue
        since = rfc3339(one.since_ms)
        if json_:
            counts = msgspec.to_builtins(one)
            say(
                {
                    **{key: counts[key] for key in counts if key not in ("partition", "since_ms")},
                    "since": since,
                }
            )
        else:
            rows = ", ".join(f"{level} {one.live[level]} -> {one.shadow[level]}" for level in _LEVELS)
            pages = f"both {one.both}, only live {one.only_live}, only shadow {one.only_shadow}"
            say(f"{name}  since {since}  alerts live -> shadow: {rows}; threads paged for: {pages}")
    if not sums:
        complain("no second set has differed or agreed in an alert yet")


def _change(key: Key, fields: dict[str, float | str], who: str | None, why: str) -> Change:
    return Change(key, fields, who or person(), why, time.time_ns() // 1_000_000)


def _send(settings: Settings, now: Thresholds, change: Change, json_: bool) -> None:
    """Check a change as a worker will, and send it; exit code 1 if it is refused."""
    from agents.clients import sender
    from agents.topics import topics

    record = encode(change, rfc3339(change.at_ms))
    checked = decode(*record)
    after = checked if isinstance(checked, Refused) else now.after(checked)
    if isinstance(after, Refused):
        if json_:
            say({"set": False, "reasons": after.reasons})
        for reason in () if json_ else after.reasons:
            complain(f"refused: {reason}")
        fail_if(True)
        return
    with sender(settings, topics(settings).thresholds.name) as out:
        out.send(*record)
    if json_:
        say({"set": True, "thresholds": _params(after, change.key), "change": _as_dict(change)})
    else:
        say(_line(change))


def _base(settings: Settings) -> Thresholds:
    from agents.thresholds import from_settings

    return from_settings(settings)


def _records(settings: Settings) -> Iterator[Record]:
    from agents.clients import read
    from agents.topics import topics

    return read(settings, topics(settings).thresholds.name)


def _now(settings: Settings) -> Thresholds:
    """What holds now, as a worker with these settings sees it."""
    now = _base(settings)
    for record in _records(settings):
        change = decode(record.key, record.value)
        after = change if isinstance(change, Refused) else now.after(change)
        now = now if isinstance(after, Refused) else after
    return now


def _told(settings: Settings) -> list[Told]:
    """The last record of each brand and partition."""
    from agents.clients import read
    from agents.thresholds import Told
    from agents.topics import topics

    decode_told = msgspec.json.Decoder(Told).decode
    last: dict[bytes | None, Told] = {}
    for record in read(settings, topics(settings).shadow.name):
        try:
            last[record.key] = decode_told(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # not ours, or of a version to come
    return list(last.values())


def _params(now: Thresholds, key: Key) -> ThreadParams | None:
    if not key.shadow:
        return now.live(key.brand)
    beside = now.beside(key.brand)
    return beside.params if beside is not None else None


def _as_dict(change: Change) -> dict[str, Any]:
    return {
        "brand": change.key.brand,
        "shadow": change.key.shadow,
        "thresholds": dict(change.fields),
        "who": change.who,
        "why": change.why,
        "at": rfc3339(change.at_ms),
    }


def _line(change: Change) -> str:
    """A change as one line for a person."""
    said = _listed(change.fields) or "as in the settings"
    return f"{change.key!s:16}  {said}  ({rfc3339(change.at_ms)}, {change.who}: {change.why})"


def _listed(fields: Any) -> str:
    return " ".join(f"{name}={shown(fields[name])}" for name in FIELDS if name in fields)
