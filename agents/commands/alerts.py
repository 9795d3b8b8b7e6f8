"""`flashover alerts`: the alerts as they were raised, and as they rise."""

from __future__ import annotations

import time

import click
import msgspec

from agents.commands.common import alert_line, as_json, complain, moment_ms, on_brokers, say, settings_of
from streams.alert import Alert

__all__ = ["alerts"]


@click.command()
@click.option("--follow", is_flag=True, help="Go on and print each alert as it rises, until Ctrl-C.")
@click.option(
    "--since", metavar="TIME", help="Only those raised since: `now`, 90m, 2d, or 2026-01-31T12:00:00Z."
)
@click.option("--brand", help="Only those of this brand.")
@on_brokers
@as_json
@click.pass_context
def alerts(context: click.Context, follow: bool, since: str | None, brand: str | None, json_: bool) -> None:
    """Show the alerts that the topic `alerts` holds. Times are event time, UTC.

    \b
    Examples:
      flashover alerts --since 2h
      flashover alerts --follow --since now
      flashover alerts --follow --brand acme --json | while read -r alert; do ...; done
    """
    from agents.clients import read
    from agents.topics import topics

    settings = settings_of(context)
    since_ms = None if since is None else moment_ms(since, time.time_ns() // 1_000_000)
    decode = msgspec.json.Decoder(Alert).decode
    shown = unreadable = 0
    try:
        for record in read(settings, topics(settings).alerts.name, follow=follow):
            try:
                alert = decode(record.value or b"")
            except (msgspec.DecodeError, UnicodeDecodeError):
                unreadable += 1  # not ours, or of a version to come
                continue
            if brand not in (None, alert.brand):
                continue
            if since_ms is not None and moment_ms(alert.raised_at, 0) < since_ms:
                continue
            shown += 1
            # As it stands on the topic: a field that this version does not know is kept for the script.
            say(msgspec.Raw(record.value or b"")) if json_ else say(alert_line(alert))
    except KeyboardInterrupt:
        pass  # the way --follow ends
    if not shown and not follow:
        when = "" if since is None else f" since {since}, by the time of the mentions"
        complain(f"no alerts{when}")
    if unreadable:
        complain(f"{unreadable} records on the topic are no alerts and were left out")
