"""`flashover rejects`: what was refused, and a second chance for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import click

from agents.commands.common import as_json, complain, fail_if, on_brokers, say, settings_of
from agents.rejects import Reject, raw_fields, reject_of
from agents.settings import Settings
from streams.mention import Decoder, Mention, Reason

__all__ = ["rejects"]

_DETAIL_LIMIT: Final = 120  # characters


class Position:
    """How far each partition of the topic was looked at; its text is what --since takes."""

    def __init__(self, since: dict[int, int]) -> None:
        self.offsets = dict(since)

    def __str__(self) -> str:
        return ",".join(f"{number}:{offset}" for number, offset in sorted(self.offsets.items())) or "0:0"


class _Since(click.ParamType):
    name = "P:OFFSET,..."

    def convert(
        self, value: str | dict[int, int], param: click.Parameter | None, context: click.Context | None
    ) -> dict[int, int]:
        """`0:120,1:44` or, for partition 0, just `120`."""
        if isinstance(value, dict):
            return value
        since = {}
        for part in value.split(","):
            partition, colon, offset = part.strip().rpartition(":")
            if not (partition or "0").isdecimal() or not offset.isdecimal() or (colon and not partition):
                self.fail(f"{value!r} is not like 0:120,1:44", param, context)
            since[int(partition or 0)] = int(offset)
        return since


def _chosen(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that choose rejects."""
    reason = click.Choice([*(one.value for one in Reason)])
    for option in (
        click.option("--limit", type=click.IntRange(min=1), help="At most so many."),
        click.option("--offset", type=click.IntRange(min=0), help="Only those with this original offset."),
        click.option("--reason", type=reason, help="Only those refused for this reason."),
        click.option("--since", type=_Since(), default={}, help="Begin here: a position printed before."),
    ):
        command = option(command)
    return command


@click.group()
def rejects() -> None:
    """Look at refused records, and send them again.

    A record that breaks a rule stops nothing: it is kept in the topic `rejects` as it came, with its origin
    and the reason.

    \b
    Examples:
      flashover rejects list
      flashover rejects list --reason bad-field --json
      flashover rejects redrive --since 0:131
    """


@rejects.command("list")
@_chosen
@on_brokers
@as_json
@click.pass_context
def list_(
    context: click.Context,
    since: dict[int, int],
    reason: str | None,
    offset: int | None,
    limit: int | None,
    json_: bool,
) -> None:
    """List refused records; with --json the raw bytes too.

    \b
    Examples:
      flashover rejects list --limit 20
      flashover rejects list --since 0:131 --json | jq -r .raw
    """
    settings = settings_of(context)
    position = Position(since)
    counts: Counter[str] = Counter()
    for at, moment_ms, one in _read(settings, position, reason, offset, limit):
        counts[one.reason] += 1
        if json_:
            say(
                {
                    "at": at,
                    "refused_ms": moment_ms,
                    "reason": one.reason,
                    "detail": one.detail,
                    "cut_from": one.cut_from,
                    "origin": {"topic": one.topic, "partition": one.partition, "offset": one.offset},
                    **raw_fields("key", one.key),
                    **raw_fields("raw", one.value),
                }
            )
        else:
            size = "no value" if one.value is None else f"{len(one.value)} bytes"
            origin = one.topic if one.partition is None else f"{one.topic}/{one.partition}@{one.offset}"
            say(f"{at:>8}  {one.reason:12}  {origin}  {size}  {one.detail[:_DETAIL_LIMIT]}")
    found = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
    complain(f"{counts.total()} refused records ({found}); those after them: --since {position}")


@rejects.command()
@_chosen
@click.option("--force", is_flag=True, help="Send even what would be refused again, under its old key.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@on_brokers
@as_json
@click.pass_context
def redrive(
    context: click.Context,
    since: dict[int, int],
    reason: str | None,
    offset: int | None,
    limit: int | None,
    force: bool,
    dry_run: bool,
    json_: bool,
) -> None:
    """Check refused records again, and send those that are right by now.

    What was refused for its key or for a date in the future may be right now; it goes out under the right
    key. A record that was too long to be kept whole is never sent, not even with --force: what is left of it
    is not the record. The position printed at the end, given as --since the next time, leaves out all that
    was looked at this time (whatever --reason or --offset chose). Exit code 1 if any is still wrong or cut.

    \b
    Examples:
      flashover rejects redrive --dry-run
      flashover rejects redrive --reason key-mismatch
      flashover rejects redrive --since 0:131
    """
    from agents.clients import sender
    from agents.topics import topics

    settings = settings_of(context)
    decoder, topic = settings.decoder(), topics(settings).mentions.name
    position = Position(since)
    sent = wrong = cut = 0
    with ExitStack() as stack:
        out = None if dry_run else stack.enter_context(sender(settings, topic))
        for at, _, one in _read(settings, position, reason, offset, limit):
            if one.cut_from is not None:
                cut += 1
                if not json_:
                    say(
                        f"{at:>8}  cut: only the beginning of its {one.cut_from} bytes was kept; send it anew"
                    )
                continue
            key, why = _right_key(one, decoder)
            if why is not None:
                wrong += 1
                if not json_:
                    say(f"{at:>8}  still {why}")
                if not force:
                    continue
                key = one.key
            sent += 1
            if out is not None:
                out.send(key, one.value)
    if json_:
        say({"sent": sent, "wrong": wrong, "cut": cut, "dry_run": dry_run, "next": str(position)})
    else:
        would = "would be sent" if dry_run else "sent"
        complain(f"{sent} {would} to {topic}, {wrong} still wrong, {cut} cut; next time: --since {position}")
    fail_if(wrong + cut > 0)


def _right_key(one: Reject, decoder: Decoder) -> tuple[bytes | None, str | None]:
    """The key that the record must have, or why it is refused again."""
    checked = decoder.decode(one.value, time.time_ns() // 1_000_000)
    if isinstance(checked, Mention):
        return checked.thread_id.encode(), None
    return None, f"{checked.reason.value}: {checked.detail[:_DETAIL_LIMIT]}"


def _read(
    settings: Settings, position: Position, reason: str | None, offset: int | None, limit: int | None
) -> Iterator[tuple[str, int, Reject]]:
    """The chosen rejects: where each stands, when it was refused, and itself; `position` moves along."""
    from agents.clients import read
    from agents.topics import topics

    found = 0
    for record in read(settings, topics(settings).rejects.name, dict(position.offsets)):
        one = reject_of(record.key, record.value, record.headers)
        position.offsets[record.partition] = record.offset + 1
        if reason not in (None, one.reason) or offset not in (None, one.offset):
            continue
        yield f"{record.partition}:{record.offset}", record.timestamp_ms, one
        found += 1
        if found == limit:
            return
