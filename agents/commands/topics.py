"""`flashover topics`: the admin step that makes and checks the topics."""

from __future__ import annotations

import click

from agents.commands.common import as_json, fail_if, on_brokers, say, settings_of

__all__ = ["topics"]


@click.group()
def topics() -> None:
    """Make the topics, and check that they are right.

    \b
    Examples:
      flashover topics create
      flashover topics check --json
    """


@topics.command()
@on_brokers
@as_json
@click.pass_context
def create(context: click.Context, json_: bool) -> None:
    """Make the topics that are missing.

    Those that are there stay as they are, and are checked.
    """
    from agents.topics import check, create_missing

    settings = settings_of(context)
    made = create_missing(settings)
    _tell(made, check(settings), json_)


@topics.command("check")
@on_brokers
@as_json
@click.pass_context
def check_(context: click.Context, json_: bool) -> None:
    """Say which topics are missing or wrong; exit code 1 if any is."""
    from agents.topics import check

    _tell([], check(settings_of(context)), json_)


def _tell(made: list[str], problems: list[str], json_: bool) -> None:
    if json_:
        say({"made": made, "problems": problems})
    else:
        for name in made:
            say(f"made     {name}")
        for problem in problems:
            say(f"problem  {problem}")
        if not problems:
            say("ok       all topics are as they have to be")
    fail_if(bool(problems))
