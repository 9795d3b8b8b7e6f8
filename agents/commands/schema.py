"""`flashover schema`: what may stand in the settings file, for editors."""

from __future__ import annotations

import json

import click

from agents.settings import Settings

__all__ = ["schema", "schema_text"]


def schema_text() -> str:
    """The JSON Schema (2020-12) of `flashover.toml`, as it is kept in docs/flashover.schema.json."""
    described = Settings.model_json_schema()
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "flashover.toml",
    }
    return json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


@click.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors.

    \b
    Examples:
      flashover schema > flashover.schema.json
      and as the first line of flashover.toml:  #:schema ./flashover.schema.json
    """
    click.echo(schema_text(), nl=False)
