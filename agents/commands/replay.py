"""`flashover replay`: recorded mentions through the very core that runs live, without a broker.

Law of this file: what comes out depends on the files, the settings and `--now` alone, byte for byte.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import click

from agents.commands.common import (
    Refusals,
    alert_line,
    as_json,
    complain,
    counted,
    fail_if,
    files_argument,
    moment_ms,
    output,
    say,
    settings_of,
)
from agents.files import Refusal, check, read_lines, size_of
from agents.settings import Settings
from agents.terminal import progress
from agents.words import reader_of
from streams.alert import Alert, encode_alert
from streams.brand import Brand, add, advance, due
from streams.judge import follow, has_paged
from streams.mention import Mention
from streams.pulse import MINUTE_MS, Mark
from streams.pulses import Pulses
from streams.revision import is_revision
from streams.thread import Thread
from streams.usual import Usuals

__all__ = ["Replay", "replay"]

_TOLD_EVERY_MIN: Final = 60


class Replay:
    """The threads of a replay: `follow` is to it what tables and agents are to the worker.

    With `brands` it follows these as well, as one source that has all there is; `brand_alerts` tells. What
    they are told each minute gives the same alerts if it is told later, as long as it is told before anything
    comes late: so they hear every `told_every_min` minutes, which costs a fraction. What a feed counts is
    heard minute by minute.
    """

    def __init__(
        self, settings: Settings, *, brands: bool = False, told_every_min: int = _TOLD_EVERY_MIN
    ) -> None:
        self.threads: dict[str, Thread] = {}
        self.brands: dict[str, Brand] = {}
        self.duplicates = 0
        self._params_for = settings.params_for
        self._reader = reader_of(settings)
        self._usuals = Usuals()
        self._brand_params = settings.brand_thresholds
        self._pulses = Pulses(0) if brands else None
        self._due: dict[str, int] = {}
        self._told_every_min = told_every_min
        self._told_minute = self._tell_at = 0  # minutes of event time
        self._waiting: list[Alert] = []  # of brands, not asked for yet

    def follow(self, mention: Mention) -> Alert | None:
        """The alert that the mention raises of its thread, if any."""
        pulses = self._pulses
        if pulses is not None and mention.created_ms // MINUTE_MS < pulses.minute:
            self._tell(pulses)
        if mention.kind == "volume":  # a count of the brand's, no thread's
            if pulses is not None:
                pulses.volume(mention)
                # A feed is judged anew with every minute in which its interval is open.
                self._told_every_min, self._tell_at = 1, self._told_minute + 1
            return None
        before = self.threads.get(mention.thread_id)
        params, usuals = self._params_for(mention.brand), self._usuals.reach(mention.created_ms)
        followed = follow(before, mention, params, usuals, self._reader)
        if followed is None:
            self.duplicates += not is_revision(mention)
            return None
        thread, (scored, negative, _) = followed.thread, followed.reading
        self.threads[mention.thread_id] = thread
        self._usuals.add(thread, mention, scored, negative, followed.reply)
        if pulses is not None:
            pulses.add(mention, None, scored, negative, has_paged(followed.alert))
        return followed.alert

    def brand_alerts(self, *, at_end: bool = False) -> Iterator[Alert]:
        """The alerts of brands that follow from what came: ask after every mention, and once `at_end`."""
        pulses = self._pulses
        if pulses is not None and (at_end or pulses.minute >= self._tell_at):
            self._tell(pulses)
        while self._waiting:
            yield self._waiting.pop(0)

    def _tell(self, pulses: Pulses) -> None:
        for told in pulses.take():
            if isinstance(told, Mark):
                self._told_minute, self._tell_at = told.minute, told.minute + self._told_every_min
                for name in [name for name, at in self._due.items() if at <= told.minute]:
                    self._waiting += advance(self.brands[name], told.minute, self._brand_params)
                    self._due[name] = due(self.brands[name])
            else:
                brand = self.brands.get(told.brand) or self.brands.setdefault(told.brand, Brand(told.brand))
                if add(brand, told):
                    self._due[told.brand] = due(brand)


@click.command()
@files_argument
@click.option("--alerts", "alerts_to", metavar="OUT", help="Write alerts as JSON lines to OUT (`-`: stdout).")
@click.option("--rejects", "rejects_to", metavar="OUT", help="Write refused lines as JSON lines to OUT.")
@click.option(
    "--now",
    metavar="TIME",
    default="now",
    help="When the files arrived, e.g. 2026-01-31T12:00:00Z: mentions dated later are refused, as live.",
)
@as_json
@click.pass_context
def replay(
    context: click.Context,
    files: tuple[str, ...],
    alerts_to: str | None,
    rejects_to: str | None,
    now: str,
    json_: bool,
) -> None:
    """Play recorded mentions through flashover, without a broker.

    FILES are .jsonl or .jsonl.gz, `-` is standard input. The same files give the same alerts, live or
    replayed, so thresholds can be tried out here before they are set. Exit code 1 if lines were refused.

    \b
    Examples:
      flashover replay storm.jsonl.gz
      flashover replay monday.jsonl tuesday.jsonl --alerts alerts.jsonl --rejects refused.jsonl
      FLASHOVER_THRESHOLDS__PAGE=0.7 flashover replay storm.jsonl.gz --json
    """
    if json_ and "-" in (alerts_to, rejects_to):
        raise click.UsageError("--json and an OUT of `-` both want standard output")
    settings = settings_of(context)
    decoder, arrived_ms = settings.decoder(), moment_ms(now, time.time_ns() // 1_000_000)
    run = Replay(settings, brands=True)
    levels: Counter[str] = Counter()
    mentions = 0
    began = time.perf_counter()
    with (
        output(alerts_to, files) as alerts_out,
        output(rejects_to, files) as rejects_out,
        progress("replaying", size_of(files)) as advance,
    ):
        refusals = Refusals(rejects_out)

        def tell(*alerts: Alert) -> None:
            for one in alerts:
                levels[one.level] += 1
                if alerts_out is not None:
                    alerts_out.write(encode_alert(one) + b"\n")
                elif not json_:
                    say(alert_line(one))

        for line in read_lines(files, settings.max_record_bytes, advance):
            checked = check(line, decoder, arrived_ms)
            if isinstance(checked, Refusal):
                refusals.add(line, checked)
                continue
            mentions += 1
            alert = run.follow(checked)
            tell(*run.brand_alerts(), *([alert] if alert is not None else []))
        tell(*run.brand_alerts(at_end=True))
    took_s = time.perf_counter() - began
    if json_:
        say(
            {
                "mentions": mentions,
                "duplicates": run.duplicates,
                "threads": len(run.threads),
                "brands": len(run.brands),
                "alerts": dict(sorted(levels.items())),
                "refused": dict(sorted(refusals.counts.items())),
            }
        )
    else:
        raised = ", ".join(f"{count} {level}" for level, count in sorted(levels.items())) or "no"
        complain(
            f"{counted(mentions, 'mention')} ({run.duplicates} of them repeated) "
            f"in {counted(len(run.threads), 'thread')}: "
            f"{raised} alerts, {counted(refusals.counts.total(), 'line')} refused, {took_s:.1f} s"
        )
    refusals.sum_up()
    fail_if(bool(refusals.counts))
