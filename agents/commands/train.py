"""`flashover train`: the weights of the forecast, learned from recordings of one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from agents.commands.common import (
    Refusals,
    as_json,
    complain,
    fail_if,
    files_argument,
    output,
    say,
    settings_of,
)
from agents.errors import InputError
from agents.files import Refusal, check, read_lines, size_of
from agents.terminal import progress
from agents.tuning.truth import labels_from, labels_option, words_on
from streams.judge import storm_size
from streams.mention import Mention
from streams.thread import DAY_MS

__all__ = ["train"]


@click.command()
@files_argument
@click.option("--out", required=True, metavar="FILE", help="Write the weights to FILE, as readable JSON.")
@click.option(
    "--viral-at", type=click.IntRange(min=2), help="Learn about this size [default: thresholds.viral_at]."
)
@labels_option
@as_json
@click.pass_context
def train(
    context: click.Context,
    files: tuple[str, ...],
    out: str,
    viral_at: int | None,
    labels: Path | None,
    json_: bool,
) -> None:
    """Learn the weights of the forecast from recorded mentions.

    What did small threads look like that grew?

    Threads count whose first 24 hours are over at the end of the recording. Some dozens of them should have
    reached the size, and all that stayed small must be there too. The same files give the same weights.
    FILE is used once it stands in the place of streams/models/threads.json. Exit code 1 if there is too
    little to learn from, or lines were refused.

    \b
    Examples:
      flashover train forecast may.jsonl.gz june.jsonl.gz --out weights.json
      flashover train june.jsonl.gz --viral-at 60 --out weights.json --json
      flashover train june.jsonl.gz --labels resolved.jsonl --out weights.json
    """
    from streams.training import corrected, fit, tell

    if out == "-" and json_:
        raise click.UsageError("--json and an OUT of `-` both want standard output")
    settings = settings_of(context)
    decoder, arrived_ms = settings.decoder(), time.time_ns() // 1_000_000
    size = viral_at or storm_size(settings.thresholds, 0)
    refusals, mentions, end_ms = Refusals(None), 0, 0
    with output(out, files) as stream, progress("reading", size_of(files)) as advance:

        def recorded() -> Iterator[Mention]:
            nonlocal mentions, end_ms
            for line in read_lines(files, settings.max_record_bytes, advance):
                checked = check(line, decoder, arrived_ms)
                if isinstance(checked, Refusal):
                    refusals.add(line, checked)
                    continue
                mentions += 1
                end_ms = max(end_ms, checked.created_ms)
                yield checked

        told = tell(recorded())  # to the end, which says whose first day is over
        stories = [one for one in told if one.started_ms + DAY_MS <= end_ms]
        if labels is not None:
            words = words_on(stories, labels_from(labels, settings))
            stories = corrected(stories, words.truth, size)
            complain(f"{words.used} labels; {words.unmatched} are of nothing in this recording")
        viral = sum(one.size >= size for one in stories)
        about = {"mentions": mentions, "threads": len(stories), "viral": viral, "viral_at": size}
        trained = {"files": [Path(one).name for one in files], **about}
        try:
            model = fit(stories, size, "Weights of the forecast, by `flashover train`.", trained)
        except ValueError as error:
            raise InputError(
                f"{error}; of {len(told)} threads, {len(stories)} were recorded for a whole day, "
                f"{viral} of them have as many"
            ) from None
        if stream is not None:
            stream.write(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")
    if json_:
        say({**about, "refused": dict(sorted(refusals.counts.items())), "out": Path(out).name})
    else:
        complain(f"learned from {mentions} mentions in {len(stories)} threads, {viral} of them viral")
    refusals.sum_up()
    fail_if(bool(refusals.counts))
