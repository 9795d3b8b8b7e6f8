"""`flashover send`: files of mentions into the topic `mentions`."""

from __future__ import annotations

import time
from typing import Final

import click

from agents.commands.common import (
    Refusals,
    as_json,
    complain,
    counted,
    fail_if,
    files_argument,
    on_brokers,
    output,
    say,
    settings_of,
)
from agents.files import Refusal, check, read_lines, size_of
from agents.terminal import progress

__all__ = ["send"]

_NAP_S: Final = 0.005  # shorter than this ahead of the rate is not worth a sleep


@click.command()
@files_argument
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many mentions a second."
)
@click.option("--rejects", "rejects_to", metavar="OUT", help="Write refused lines as JSON lines to OUT.")
@on_brokers
@as_json
@click.pass_context
def send(
    context: click.Context, files: tuple[str, ...], rate: float | None, rejects_to: str | None, json_: bool
) -> None:
    """Send mentions to the running flashover.

    FILES are .jsonl or .jsonl.gz, `-` is standard input. Each line is checked as it will be on arrival: what
    is right goes to the topic `mentions` under its thread_id as key, what is wrong is reported with file and
    line and not sent. Sending a file twice does no harm: a mention counts once. Exit code 1 if a line
    was wrong.

    \b
    Examples:
      flashover send monday.jsonl.gz
      tail -F mentions.jsonl | flashover send -
      flashover send storm.jsonl --rate 200
    """
    from agents.clients import sender
    from agents.topics import topics

    if json_ and rejects_to == "-":
        raise click.UsageError("--json and an OUT of `-` both want standard output")
    settings = settings_of(context)
    decoder, topic = settings.decoder(), topics(settings).mentions.name
    with (
        output(rejects_to, files) as rejects_out,
        sender(settings, topic) as out,
        progress("sending", size_of(files)) as advance,
    ):
        refusals = Refusals(rejects_out)
        sent = 0
        began = time.monotonic()
        for line in read_lines(files, settings.max_record_bytes, advance):
            checked = check(line, decoder, time.time_ns() // 1_000_000)
            if isinstance(checked, Refusal):
                refusals.add(line, checked)
                continue
            if rate is not None and (ahead_s := sent / rate - (time.monotonic() - began)) > _NAP_S:
                time.sleep(ahead_s)
            out.send(checked.thread_id.encode(), line.raw)
            sent += 1
    if json_:
        say({"sent": sent, "refused": dict(sorted(refusals.counts.items()))})
    else:
        complain(
            f"{counted(sent, 'mention')} sent to {topic}, {counted(refusals.counts.total(), 'line')} refused"
        )
    refusals.sum_up()
    fail_if(bool(refusals.counts))
