"""`flashover web` and `flashover tokens`: the pages, and who may ask them.

Law of this file: a token is shown once, where it is made, and is written nowhere.
"""

from __future__ import annotations

import click

from agents.commands.common import as_json, on_brokers, say, settings_of
from agents.web.settings import ROLES

__all__ = ["tokens", "web"]


@click.command()
@on_brokers
@click.pass_context
def web(context: click.Context) -> None:
    """Serve the incident pages and the API, until SIGTERM or Ctrl-C. Workers run on their own.

    Nobody is let in until `web.tokens` or `web.user_header` is set (docs/web.md).

    \b
    Examples:
      flashover web
      FLASHOVER_WEB__PORT=8080 flashover web --brokers kafka-1:9092
    """
    from agents.web.server import main

    context.exit(main(settings_of(context)))


@click.group()
def tokens() -> None:
    """Make tokens for programs, and for people without a proxy.

    \b
    Examples:
      flashover tokens create reply-tool
    """


@tokens.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="read", show_default=True, help="What it may do.")
@as_json
def create(name: str, role: str, json_: bool) -> None:
    """Make a token for NAME. It is shown now and never again; the settings keep its hash alone.

    \b
    Examples:
      flashover tokens create reply-tool
      flashover tokens create duty-lead --role act
    """
    import json

    from agents.web.signin import hash_of, new_token

    if not 0 < len(name) <= 100 or not name.isprintable():
        raise click.BadParameter("a name has 1 to 100 characters, and none that steers a terminal")
    token = new_token()
    if json_:
        say({"name": name, "role": role, "token": token, "hash": hash_of(token)})
        return
    say(f"the token, to be kept where it is used: {token}")
    say("for flashover.toml:")
    say(f"[web.tokens.{json.dumps(name, ensure_ascii=False)}]")
    say(f'hash = "{hash_of(token)}"')
    say(f'role = "{role}"')
