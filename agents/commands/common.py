"""What several commands share: reading settings once, `--json`, writing lines, and the words for an alert."""

from __future__ import annotations

import getpass
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click
import msgspec

from agents.files import Line, Refusal
from agents.rejects import raw_fields
from agents.settings import Settings, addresses, read_settings
from agents.terminal import safe
from streams.alert import Alert

__all__ = [
    "Refusals",
    "alert_line",
    "as_json",
    "complain",
    "counted",
    "fail_if",
    "files_argument",
    "moment_ms",
    "on_brokers",
    "output",
    "person",
    "say",
    "settings_of",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_BROKERS: Final = "flashover.brokers"
_SHOWN: Final = 10  # refused lines told of on the terminal, if they go to no file
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def settings_of(context: click.Context) -> Settings:
    """The settings, read at the first call and kept for the command. Raises SettingsError."""
    root = context.find_root()
    if not isinstance(root.obj, Settings):
        settings = read_settings(root.params.get("config"))
        brokers = root.meta.get(_BROKERS)
        root.obj = settings.model_copy(update={"brokers": brokers}) if brokers else settings
    return root.obj


def on_brokers(command: _Command) -> _Command:
    """Add the option `--brokers` to a command; `settings_of` heeds it."""

    def keep(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            try:
                context.find_root().meta[_BROKERS] = addresses(tuple(one.strip() for one in value.split(",")))
            except ValueError as error:
                raise click.BadParameter(str(error)) from None

    text = "Kafka to talk to, instead of that of the settings."
    return click.option("--brokers", metavar="HOST:PORT,...", callback=keep, expose_value=False, help=text)(
        command
    )


def as_json(command: _Command) -> _Command:
    """Add the option `--json` to a command."""
    return click.option("--json", "json_", is_flag=True, help="Print JSON, for a script.")(command)


def files_argument(command: _Command) -> _Command:
    """Add the argument FILES to a command: `.jsonl`, `.jsonl.gz`, `-`."""
    kind = click.Path(exists=True, dir_okay=False, allow_dash=True)
    return click.argument("files", nargs=-1, required=True, type=kind)(command)


class Refusals:
    """The refused lines of a command: counted, and written to a file or told of on standard error."""

    def __init__(self, out: IO[bytes] | None) -> None:
        self.counts: Counter[str] = Counter()
        self._out = out

    def add(self, line: Line, refusal: Refusal) -> None:
        """One more refused line."""
        self.counts[refusal.reason] += 1
        if self._out is not None:
            where = {"file": line.file, "line": line.number, **refusal._asdict()}
            self._out.write(msgspec.json.encode({**where, **raw_fields("raw", line.raw)}) + b"\n")
        elif self.counts.total() <= _SHOWN:
            complain(f"{line.file}:{line.number}: {refusal.reason}: {refusal.detail}")

    def sum_up(self) -> None:
        """Tell how many were not told of."""
        if self._out is None and (more := self.counts.total() - _SHOWN) > 0:
            complain(f"{more} more refused lines are not shown: --rejects OUT writes them all")


def say(value: object) -> None:
    """Print one JSON line, or one line of text made safe."""
    if isinstance(value, str):
        print(safe(value), flush=True)  # not click's echo, that would write into a progress bar
    else:
        click.echo(msgspec.json.encode(value))


def complain(text: str) -> None:
    """Print one line on standard error, made safe."""
    print(safe(text), file=sys.stderr, flush=True)


def counted(number: int, noun: str) -> str:
    """`1 mention`, `2 mentions`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def alert_line(alert: Alert) -> str:
    """An alert as one line for a person."""
    thread = alert.thread_id or "(the brand)"
    return f"{alert.raised_at}  {alert.level.upper():5}  {alert.brand}  {safe(thread, 60)}  {alert.summary}"


@contextmanager
def output(name: str | None, sources: tuple[str, ...]) -> Iterator[IO[bytes] | None]:
    """A file to write (`-`: standard output; None: none). Never one of those that are being read."""
    if name is None:
        yield None
    elif name == "-":
        stream = click.get_binary_stream("stdout")
        yield stream
        stream.flush()
    else:
        path = Path(name)
        for source in sources:
            if path.exists() and source != "-" and path.samefile(source):
                raise click.UsageError(f"{safe(name)} is both read and written")
        try:
            opened = path.open("wb")
        except OSError as error:
            raise click.UsageError(f"{safe(name)}: can't be written ({error.strerror})") from None
        with opened as stream:
            yield stream


def moment_ms(text: str, now_ms: int) -> int:
    """A moment in ms since the epoch: `now`, `90m` ago (s, m, h, d), or RFC 3339 (UTC if no offset).

    Raises click.BadParameter for anything else.
    """
    if text == "now":
        return now_ms
    unit = _UNITS.get(text[-1:])
    try:
        if unit is not None:
            return now_ms - int(timedelta(seconds=float(text[:-1]) * unit).total_seconds() * 1000)
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{safe(text)!r} is neither `now`, a time like 90m, nor RFC 3339") from None


def person() -> str:
    """Who is at the keyboard, as this system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        raise click.UsageError("this system has no name for you: --who NAME") from None


def fail_if(problems: bool) -> None:
    """End with exit code 1 if there were problems."""
    if problems:
        sys.exit(1)
