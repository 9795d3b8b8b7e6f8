"""`flashover labels`: what people said of the incidents, as a file for judge, tune and train."""

from __future__ import annotations

import click
import msgspec

from agents.commands.common import complain, counted, on_brokers, output, settings_of

__all__ = ["labels"]


@click.command()
@click.option("--out", metavar="FILE", default="-", show_default=True, help="Write the labels to FILE.")
@on_brokers
@click.pass_context
def labels(context: click.Context, out: str) -> None:
    """Write what people said of resolved incidents, as JSON lines.

    handled, false-alarm or missed-too-late, of each thread that was paged for; no texts, no names. Incidents
    are forgotten 30 days after they were resolved (`paging.forget_after_s`): keep files of your own.

    \b
    Examples:
      flashover labels --out resolved.jsonl
      flashover tune --last 14d --labels resolved.jsonl
    """
    from agents.tuning.truth import read_incidents

    said = read_incidents(settings_of(context))
    with output(out, ()) as stream:
        assert stream is not None  # noqa: S101 — there is a name
        for label in said:
            stream.write(msgspec.json.encode(label) + b"\n")
    complain(counted(len(said), "label"))
