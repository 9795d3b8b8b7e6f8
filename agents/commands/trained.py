"""`flashover train`: the forecast's weights, as ever, or with a word behind it something else."""

from __future__ import annotations

import click

from agents.commands.sentiment import sentiment
from agents.commands.train import train as forecast

__all__ = ["train"]


class _Train(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What names no command is for the forecast: `flashover train FILE… --out OUT`."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["forecast", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Train, commands={"forecast": forecast, "sentiment": sentiment})
def train() -> None:
    """Learn the forecast's weights, or which texts are negative.

    It learns from recordings or labels of one's own.

    `flashover train FILE… --out OUT` is short for `flashover train forecast FILE… --out OUT`.

    \b
    Examples:
      flashover train may.jsonl.gz june.jsonl.gz --out weights.json
      flashover train sentiment labels.tsv --lang de --out negativity-de.bin
    """
