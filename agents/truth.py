"""Which recorded threads were storms: from a file, from the recording itself, and from what people said.

Law of this file: the weaker is overridden by the stronger. A thread's own size says that it was a storm
(mentions within 24 hours at or above the brand's viral_at); a truth file, if given, says so instead; a label
of a person is above both.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import click
import msgspec

from agents.errors import InputError
from agents.settings import Settings
from agents.terminal import safe
from streams.judge import storm_size
from streams.thread import DAY_MS
from streams.trace import Trace, alert_ids
from streams.tuning import Joined, Label, labelled

__all__ = ["Truth", "is_over", "read_labels", "read_truth", "size_of", "truth_of", "truth_options"]

_Command = TypeVar("_Command", bound=Callable[..., object])
_LINE_BYTES: Final = 1 << 20
_Labels = tuple[Label, ...]


class Truth(NamedTuple):
    """What is known: threads by whether they were a storm, and in words where that comes from."""

    storms: dict[str, bool]
    source: str
    labels: Joined | None


def truth_options(command: _Command) -> _Command:
    """Add the options `--truth` and `--labels` to a command."""
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    labels = click.option(
        "--labels",
        type=kind,
        help="JSON lines of what people said afterwards: thread_id or alert_id, and a resolution: "
        "handled and missed-too-late are storms, false-alarm is none, whatever the truth says.",
    )
    truth = click.option(
        "--truth",
        type=kind,
        help="CSV with the columns thread_id, viral (0 or 1). Without it a thread is a storm that had "
        "viral_at mentions within 24 hours.",
    )
    return truth(labels(command))


def truth_of(
    traces: Sequence[Trace],
    settings: Settings,
    truth: Path | None,
    labels: Path | None,
) -> Truth:
    """The truth of a recording. Raises InputError for a file that is not as it should be."""
    if truth is not None:
        known, source = read_truth(truth), safe(truth.name)
    else:
        known = {one.name: one.size_24h >= size_of(one, settings) for one in traces}
        source = "their size"
    if labels is None:
        return Truth(known, source, None)
    said = read_labels(labels)
    thread_of: dict[str, str] = {}
    if any(label.thread_id is None for label in said):
        thread_of = {name: one.name for one in traces if one.glimpses for name in alert_ids(one)}
    joined = labelled(known, said, (one.name for one in traces), thread_of)
    return Truth(joined.truth, f"{source} and {safe(labels.name)}", joined)


def size_of(trace: Trace, settings: Settings) -> int:
    """The mentions within 24 hours that make this thread a storm under these settings."""
    return storm_size(settings.params_for(trace.brand), trace.learned_at)


def is_over(trace: Trace, until_ms: int) -> bool:
    """Whether the first day of a thread had ended at `until_ms`, so that its size is known."""
    return until_ms - trace.started_ms >= DAY_MS


def read_truth(path: Path) -> dict[str, bool]:
    """Threads by whether they became viral. Raises InputError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if {"thread_id", "viral"} <= set(rows.fieldnames or ()):
                return {row["thread_id"]: _is_viral(row["viral"], path, rows.line_num) for row in rows}
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{safe(str(path))}: can't be read as CSV ({error})") from None
    raise InputError(f"{safe(str(path))}: has no columns thread_id and viral")


def read_labels(path: Path) -> _Labels:
    """Labels as they stand in the file, one JSON object a line. Raises InputError for a line that is none."""
    decode = msgspec.json.Decoder(Label).decode
    found = []
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(_LINE_BYTES), b""), 1):
                if not line.strip():
                    continue
                try:
                    label = decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise InputError(
                        f"{safe(str(path))}:{number}: is no label ({safe(str(error))})"
                    ) from None
                if not (label.thread_id or label.alert_id):
                    raise InputError(f"{safe(str(path))}:{number}: names neither a thread_id nor an alert_id")
                found.append(label)
    except OSError as error:
        raise InputError(f"{safe(str(path))}: can't be read ({error.strerror})") from None
    return tuple(found)


def _is_viral(word: str | None, path: Path, line: int) -> bool:
    if word not in ("0", "1"):
        raise InputError(f"{safe(str(path))}:{line}: viral is 0 or 1, not {safe(repr(word), 40)}")
    return word == "1"
