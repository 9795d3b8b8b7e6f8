"""The command `flashover`: the list of its commands, and how each of them fails.

Law of this file: no command imports a broker client, Faust or rich before it is called, so that `--help`
is quick; every FlashoverError ends as one sentence on standard error and the exit code of its kind.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import click

from agents.commands.alerts import alerts
from agents.commands.channels import channels
from agents.commands.check import check
from agents.commands.common import on_brokers, settings_of
from agents.commands.demo import demo
from agents.commands.incidents import incidents, mutes
from agents.commands.judge import judge
from agents.commands.labels import labels
from agents.commands.match import match
from agents.commands.rejects import rejects
from agents.commands.replay import replay
from agents.commands.replies import replies
from agents.commands.schema import schema
from agents.commands.send import send
from agents.commands.source import source
from agents.commands.thresholds import thresholds
from agents.commands.topics import topics
from agents.commands.trained import train
from agents.commands.tune import tune
from agents.commands.web import tokens, web
from agents.commands.who import who
from agents.errors import FlashoverError
from agents.terminal import safe

__all__ = ["cli", "main"]


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what a person can put right is told in sentences, not in a stack trace."""
        try:
            return super().invoke(ctx)
        except FlashoverError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {safe(line)}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="flashover", prog_name="flashover")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The settings file [default: what FLASHOVER_CONFIG names, else ./flashover.toml].",
)
def cli(config: Path | None) -> None:
    """See which public complaint turns viral while most of the storm is still to come.

    Settings come from a TOML file and from environment variables FLASHOVER_*, the latter being the stronger.
    Exit codes: 0 all is well, 1 problems were found, 2 wrong usage, 3 wrong settings, 4 no broker or topic.

    \b
    To begin:
      flashover run                          an embedded broker, a worker and a recorded storm
      flashover replay storm.jsonl.gz        what would have been alerted, without a broker
    To work:
      flashover check                        is everything as it has to be?
      flashover topics create                make the topics on your Kafka
      flashover worker                       follow the mentions
      flashover alerts --follow              see alerts as they rise
    """


@cli.command()
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=720.0,
    show_default=True,
    help="How many times as fast as it happened the recording is played.",
)
@click.option(
    "--recording",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play this .jsonl or .jsonl.gz instead of the bundled one.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    help="Take mentions in from [sources.NAME] of the settings instead; may stand there several times.",
)
@click.pass_context
def run(context: click.Context, speed: float, recording: Path | None, sources: tuple[str, ...]) -> None:
    """Try flashover out: broker, worker, recording and live view.

    Nothing but memory is used, and Ctrl-C ends it all. In production a worker runs on Kafka.

    \b
    Examples:
      flashover run
      flashover run --speed 60
      flashover run --source bluesky
    """
    settings = settings_of(context)
    for name in sources:
        if name not in settings.sources:
            raise click.BadParameter(f"the settings have no [sources.{name}]", param_hint="--source")
    from agents.run import main as run_main

    context.exit(run_main(settings, recording, speed, sources))


@cli.command()
@on_brokers
@click.pass_context
def worker(context: click.Context) -> None:
    """Follow the mentions and raise alerts, until SIGTERM or Ctrl-C. Start as many as there is work for.

    Exit code 70: it failed, and said why. Start it again: it goes on where it was.

    \b
    Examples:
      flashover worker
      FLASHOVER_BROKERS=kafka-1:9092,kafka-2:9092 flashover worker
    """
    from agents.worker import main as worker_main

    context.exit(worker_main(settings_of(context)))


for _command in (
    demo,
    match,
    source,
    send,
    replay,
    judge,
    tune,
    labels,
    train,
    replies,
    alerts,
    rejects,
    channels,
    thresholds,
    who,
    topics,
    check,
    schema,
):
    cli.add_command(_command)
for _command in (incidents, mutes, web, tokens):
    cli.add_command(_command)


def main() -> None:
    """The entry point of the command `flashover`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal that knows no emoji is no reason to die
    cli()


if __name__ == "__main__":
    main()
