"""`flashover source`: run what brings mentions in, see how it does, try it first."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from agents.commands.common import as_json, complain, fail_if, on_brokers, say, settings_of
from agents.errors import FlashoverError
from agents.terminal import safe

if TYPE_CHECKING:
    from agents.intake import Reader
    from agents.settings import Settings
    from agents.sources.source import Arrival

__all__ = ["source"]

_TEXT_SHOWN: Final = 100  # characters
_CURSOR_SHOWN: Final = 60


@click.group()
def source() -> None:
    """Take in mentions from where the public speaks.

    Sources are tables [sources.NAME] in the settings.

    \b
    Examples:
      flashover source list
      flashover source try bluesky --limit 20
      flashover source run bluesky fediverse
    """


@source.command()
@click.argument("names", nargs=-1)
@on_brokers
@click.pass_context
def run(context: click.Context, names: tuple[str, ...]) -> None:
    """Run the named sources (all, if none is named) until SIGTERM or Ctrl-C.

    What names a brand goes to the topic `mentions`, what can't be read to `rejects`, and where to go on to
    `cursors`. A source that fails is begun again, ever more slowly, and stops no other. Run a source once
    only. Exit codes: 1 a source needs a person, 4 topics are missing, 70 the broker failed (start it again).

    \b
    Examples:
      flashover source run
      flashover source run bluesky
    """
    settings = settings_of(context)
    chosen = _known(settings, names or tuple(settings.sources))
    if not chosen:
        raise click.UsageError("the settings have no [sources.NAME]")
    from agents.listen import main as listen_main

    context.exit(listen_main(settings, chosen))


@source.command("list")
@on_brokers
@as_json
@click.pass_context
def list_(context: click.Context, json_: bool) -> None:
    """List the sources with state and cursors, and the kinds there are.

    \b
    Examples:
      flashover source list
      flashover source list --json
    """
    from agents.clients import read
    from agents.intake import place_of
    from agents.sources.kinds import KINDS
    from agents.topics import topics

    settings = settings_of(context)
    cursors: dict[str, dict[str, Any]] = {name: {} for name in settings.sources}
    status: dict[str, dict[str, Any]] = {}
    if settings.sources:
        for record in read(settings, topics(settings).cursors.name):
            name, place = place_of(record.key or b"")
            try:
                value = msgspec.json.decode(record.value) if record.value is not None else None
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            if b" " not in (record.key or b""):
                if isinstance(value, dict):
                    status[name] = value
            elif name in cursors:
                cursors[name][place] = value
    now_ms = time.time_ns() // 1_000_000
    if json_:
        for name, one in settings.sources.items():
            say({"name": name, "kind": one.kind, "status": status.get(name), "cursors": cursors[name]})
        return
    for name, one in settings.sources.items():
        say(f"{name:16} {one.kind:10} {_in_words(status.get(name), now_ms)}")
        for place, cursor in sorted(cursors[name].items()):
            say(f"{'':16} {safe(place, 60)} {safe(str(cursor), _CURSOR_SHOWN)}".rstrip())
    if not settings.sources:
        say("no source is configured: tables [sources.NAME] with a `kind` of these")
    for kind, what in KINDS.items():
        extra = f"; extra `{what.extra}`" if what.extra else ""
        say(f"kind {kind:12} needs {what.needs}{extra}")


@source.command("try")
@click.argument("name")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="End after so many.")
@click.option(
    "--for", "seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Or seconds."
)
@click.option(
    "--payloads",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Read payloads from this file, one a line, instead of the platform.",
)
@click.option("--whole", is_flag=True, help="With --payloads: the file is one payload.")
@as_json
@click.pass_context
def try_(
    context: click.Context,
    name: str,
    limit: int,
    seconds: float,
    payloads: str | None,
    whole: bool,
    json_: bool,
) -> None:
    """Show what a source would take in, and write nothing anywhere.

    The platform is asked as it would be live (rate limits and budgets count), beginning now, not at the
    cursor. Exit code 1 if nothing would have been taken in.

    \b
    Examples:
      flashover source try bluesky
      flashover source try news --payloads feed.xml --whole
    """
    settings = settings_of(context)
    _known(settings, (name,))
    from agents.listen import reader_of
    from agents.sources.source import SourceError

    try:
        trial = _Trial(reader_of(name, settings), limit, json_)
        if payloads is not None:
            trial.read_file(payloads, whole)
        else:
            asyncio.run(trial.read_live(seconds))
    except SourceError as error:
        raise FlashoverError(str(error)) from None
    trial.sum_up()
    fail_if(not trial.taken)


class _Trial:
    def __init__(self, reader: Reader, limit: int, json_: bool) -> None:
        self._reader, self._limit, self._json = reader, limit, json_
        self._ignored: Counter[str] = Counter()
        self.taken = self.refused = 0

    @property
    def _over(self) -> bool:
        return self.taken + self.refused >= self._limit

    def read_file(self, path: str, whole: bool) -> None:
        from agents.sources.source import Arrival

        with click.open_file(path, "rb") as stream:
            for line in [stream.read()] if whole else stream:
                if (payload := line.rstrip(b"\r\n")) and not self._over:
                    self._show(Arrival(payload, time.time_ns() // 1_000_000))

    async def read_live(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), aclosing(self._reader.source.arrivals({})) as arrivals:
                async for arrival in arrivals:
                    self._show(arrival)
                    if arrival.receipt is not None:
                        arrival.receipt.cancel()  # nobody keeps what came: the sender must not believe it
                    if self._over:
                        return
        except TimeoutError:
            return

    def _show(self, arrival: Arrival) -> None:
        records, ignored = self._reader.read(arrival, time.time_ns() // 1_000_000)
        self._ignored += ignored
        for one in records:
            if self._over:
                return
            if one.kind == "mention":
                self.taken += 1
                mention = msgspec.json.decode(one.value or b"")
                say(mention if self._json else _mention_line(mention))
            else:
                self.refused += 1
                headers = {key: value.decode("utf-8", "replace") for key, value in one.headers}
                if self._json:
                    say({"refused": headers})
                else:
                    say(f"refused   {headers['reason']}: {headers['detail']}")

    def sum_up(self) -> None:
        passed = ", ".join(f"{count} {why}" for why, count in self._ignored.most_common()) or "none"
        complain(f"{self.taken} would be taken in, {self.refused} refused; passed over: {passed}")


def _mention_line(mention: dict[str, Any]) -> str:
    what = (
        "deleted"
        if mention.get("deleted")
        else "edited"
        if mention.get("edited_at")
        else mention.get("kind", "")
    )
    text = " ".join(str(mention.get("text", "")).split())
    return f"{mention['brand']:16} {what:8} {safe(str(mention['id']), 60)}  {safe(text, _TEXT_SHOWN)}"


def _in_words(status: dict[str, Any] | None, now_ms: int) -> str:
    if status is None:
        return "never ran"
    age_s = max(0, now_ms - int(status.get("at_ms") or 0)) // 1000
    budgets = status.get("budgets") or {}
    left = "".join(f"; {float(value):g} {name} left" for name, value in sorted(budgets.items()))
    why = f" ({status['why']})" if status.get("why") else ""
    return safe(f"{status.get('state', '?')}{why}, as of {age_s} s ago{left}")


def _known(settings: Settings, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in settings.sources:
            there = ", ".join(sorted(settings.sources)) or "none"
            raise click.UsageError(f"no source {safe(name)!r} in the settings; there are: {there}")
    return tuple(dict.fromkeys(names))
