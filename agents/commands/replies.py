"""`flashover replies report`: a brand's reply templates by use, and what followed them.

Law of this file: it gathers and it prints. What is a template and what followed it comes from
`streams.aftermath`; figures are associations, and every form of the report says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from agents.commands.common import (
    Refusals,
    as_json,
    complain,
    fail_if,
    moment_ms,
    on_brokers,
    say,
    settings_of,
)
from agents.commands.tune import laid_aside
from agents.errors import InputError
from agents.files import Refusal, check, read_lines, size_of
from agents.settings import Settings
from agents.terminal import progress, safe
from streams.aftermath import BrandReplies, Replies
from streams.effect import Interval, Summary
from streams.judge import follow, storm_size
from streams.thread import Thread
from streams.usual import Usuals

__all__ = ["replies"]


@click.group()
def replies() -> None:
    """Look at what a brand's desk and bots have replied.

    \b
    Examples:
      flashover replies report may.jsonl.gz june.jsonl.gz
    """


@replies.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--last", metavar="TIME", help="Instead of FILES, what the topic `mentions` holds: 14d, 12h.")
@click.option("--brand", help="Only this brand.")
@click.option(
    "--most", type=click.IntRange(min=1), default=20, show_default=True, help="Templates of each brand."
)
@click.option("--html", "html_to", metavar="OUT", help="Write a page to OUT.html; it needs no network.")
@on_brokers
@as_json
@click.pass_context
def report(
    context: click.Context,
    files: tuple[str, ...],
    last: str | None,
    brand: str | None,
    most: int,
    html_to: str | None,
    json_: bool,
) -> None:
    """List a brand's reply templates by use, and what followed them.

    Mentions: those after a reply over those that were forecast without knowing of it, in the thread's first
    day; 1 is as forecast. Negativity: its change from before to after, in points. Both with 90 % intervals,
    and only from five measured replies on. They are associations: which threads were answered, and when, was
    no chance. Exit code 1 if lines were refused.

    \b
    Examples:
      flashover replies report may.jsonl.gz june.jsonl.gz
      flashover replies report --last 30d --brand acme --html replies.html
    """
    if bool(files) == (last is not None):
        raise click.UsageError("either FILES or --last is needed")
    settings = settings_of(context)
    now_ms = time.time_ns() // 1_000_000
    page = _page_path(html_to, files)
    refusals = Refusals(None)
    with _sources(settings, files, last, now_ms) as sources:
        told = _gathered(sources, settings, now_ms, refusals)
    if brand is not None:
        told = tuple(one for one in told if one.brand == brand)
    if json_:
        say({"brands": [_as_json(one, most) for one in told]})
    else:
        _table(told, most)
    if page is not None:
        from agents.reply_page import html_of

        source = f"the last {last}" if last else ", ".join(Path(one).name for one in files)
        page.write_text(html_of(told, source, most), encoding="utf-8")
        complain(f"the page is in {safe(str(page))}")
    refusals.sum_up()
    fail_if(bool(refusals.counts))


def _page_path(name: str | None, sources: Sequence[str]) -> Path | None:
    """Where the page goes; refused before an hour's work rather than after it."""
    if name is None:
        return None
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        raise click.UsageError(f"{safe(name)}: can't be written")
    if any(one != "-" and path.exists() and path.samefile(one) for one in sources):
        raise click.UsageError(f"{safe(name)} is both read and written")
    return path


@contextlib.contextmanager
def _sources(
    settings: Settings, files: tuple[str, ...], last: str | None, now_ms: int
) -> Iterator[tuple[str, ...]]:
    if last is None:
        yield files
        return
    since_ms = moment_ms(last, now_ms)
    if since_ms >= now_ms:
        raise click.UsageError("--last needs a time like 14d")
    with laid_aside(settings, since_ms) as (path, count):
        if not count:
            raise InputError(f"the topic holds no mention of the last {safe(last)}")
        yield (str(path),)


def _gathered(
    sources: tuple[str, ...], settings: Settings, now_ms: int, refusals: Refusals
) -> tuple[BrandReplies, ...]:
    """The recording through the core, watched for replies."""
    from agents.words import reader_of

    reader, decoder, usuals = reader_of(settings), settings.decoder(), Usuals()
    watch = Replies(reader, storm_size(settings.thresholds, 0))
    threads: dict[str, Thread] = {}
    with progress("following", size_of(sources)) as advance:
        for line in read_lines(sources, settings.max_record_bytes, advance):
            mention = check(line, decoder, now_ms)
            if isinstance(mention, Refusal):
                refusals.add(line, mention)
                continue
            if mention.kind == "volume":
                continue
            known = usuals.reach(mention.created_ms)
            params = settings.params_for(mention.brand)
            followed = follow(threads.get(mention.thread_id), mention, params, known, reader)
            if followed is None:
                continue
            threads[mention.thread_id] = followed.thread
            scored, negative, _ = followed.reading
            usuals.add(followed.thread, mention, scored, negative, followed.reply)
            watch.add(mention, followed)
    return watch.finish()


def _as_json(one: BrandReplies, most: int) -> dict[str, object]:
    return {
        "brand": one.brand,
        "replies": one.replies,
        "by_kind": [
            {"kind": kind, "replies": count, **_summary_json(followed)}
            for kind, count, followed in one.by_kind
        ],
        "templates": [
            {
                "id": each.id,
                "text": each.text,
                "uses": each.uses,
                "kind": each.kind,
                "rules": each.rules,
                **_summary_json(each.followed),
            }
            for each in one.templates[:most]
        ],
    }


def _summary_json(one: Summary) -> dict[str, object]:
    return {
        "measured": one.replies,
        "mentions_over_forecast": one.growth_ratio and asdict(one.growth_ratio),
        "negativity_change": one.negative_change and asdict(one.negative_change),
        "sentence": one.sentence,
    }


def _table(told: Sequence[BrandReplies], most: int) -> None:
    if not any(one.replies for one in told):
        say("no reply of a brand was found: are its accounts in the settings?")
    for one in told:
        say(f"{one.brand}: {one.replies} replies in {len(one.templates)} templates")
        for kind, count, followed in one.by_kind:
            say(f"  {count:5} {kind:10} {followed.sentence}")
        say(f"  {'uses':>5} {'kind':10} {'measured':>8} {'mentions':>18} {'negativity':>18}  template")
        for each in one.templates[:most]:
            growth = _interval(each.followed.growth_ratio, "{:.2f}")
            change = _interval(each.followed.negative_change, "{:+.0f}", 100)
            say(
                f"  {each.uses:5} {each.kind:10} {each.followed.replies:8} {growth:>18} {change:>18}  "
                f"{safe(each.text, 90)}"
            )
        if (more := len(one.templates) - most) > 0:
            say(f"  {more} more: --most shows them")
        say("")


def _interval(one: Interval | None, form: str, factor: float = 1.0) -> str:
    if one is None:
        return "-"
    mean, low, high = (form.format(factor * value) for value in (one.mean, one.low, one.high))
    return f"{mean} ({low} to {high})"
