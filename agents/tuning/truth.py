"""Which recorded threads were storms: from a file, from the recording itself, and from what people said.

Law of this file: the weaker is overridden by the stronger. A thread's own size says that it was a storm
(mentions within 24 hours at or above the brand's viral_at); a truth file, if given, says so instead; a label
of a person is above both.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click
import msgspec

from agents.errors import InputError
from agents.settings import Settings
from agents.terminal import safe
from streams.desk import decode_record
from streams.incident import Incident
from streams.judge import storm_size
from streams.thread import DAY_MS
from streams.trace import Trace, alert_ids
from streams.training import Story
from streams.tuning import Joined, Label, labelled, labels_of

__all__ = [
    "INCIDENTS",
    "Truth",
    "is_over",
    "labels_from",
    "labels_option",
    "read_incidents",
    "read_labels",
    "read_truth",
    "size_of",
    "truth_of",
    "truth_options",
    "words_on",
]

_Command = TypeVar("_Command", bound=Callable[..., object])
_LINE_BYTES: Final = 1 << 20
_Labels = tuple[Label, ...]
INCIDENTS: Final = Path("incidents")  # as an option's value: the topic; a file of that name is ./incidents


class _LabelsType(click.Path):
    """A file that is there, or the word for the topic."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return INCIDENTS if value == str(INCIDENTS) else super().convert(value, param, ctx)


class Truth(NamedTuple):
    """What is known: threads by whether they were a storm, and in words where that comes from."""

    storms: dict[str, bool]
    source: str
    labels: Joined | None


def truth_options(command: _Command) -> _Command:
    """Add the options `--truth` and `--labels` to a command."""
    truth = click.option(
        "--truth",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="CSV with the columns thread_id, viral (0 or 1). Without it a thread is a storm that had "
        "viral_at mentions within 24 hours.",
    )
    return truth(labels_option(command))


def labels_option(command: _Command) -> _Command:
    """Add the option `--labels` to a command."""
    return click.option(
        "--labels",
        type=_LabelsType(),
        metavar="FILE|incidents",
        help="What people said afterwards: JSON lines with thread_id or alert_id, and a resolution: handled "
        "and missed-too-late are storms, false-alarm is none, whatever the truth says. The word `incidents` "
        "takes what the topic of that name holds.",
    )(command)


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
    said = labels_from(labels, settings)
    named = [(one.name, one.brand, one.thread_id, one.born_ms) for one in traces if one.glimpses]
    joined = labelled(known, said, (one.name for one in traces), _thread_of(said, named))
    return Truth(joined.truth, f"{source} and {_source(labels)}", joined)


def labels_from(labels: Path, settings: Settings) -> _Labels:
    """Labels from a file, or from the topic if it is INCIDENTS. Raises InputError, and as `read` does."""
    return read_incidents(settings) if labels == INCIDENTS else read_labels(labels)


def words_on(stories: Sequence[Story], labels: _Labels) -> Joined:
    """What people said of recorded stories, on top of nothing."""
    named = [(one.thread_id, one.brand, one.thread_id, one.born_ms) for one in stories]
    return labelled({}, labels, (one.thread_id for one in stories), _thread_of(labels, named))


def read_incidents(settings: Settings) -> _Labels:
    """What was said of the incidents that the topic `incidents` holds, the last resolution of each."""
    from agents.clients import read
    from agents.topics import topics

    found: dict[bytes, tuple[int, _Labels]] = {}
    for record in read(settings, topics(settings).incidents.name):
        try:
            incident = decode_record(record.value or b"")
        except ValueError:
            continue  # a cursor, a tombstone, or of a version to come
        if isinstance(incident, Incident) and record.key is not None:
            found[record.key] = (incident.changed_ms, labels_of(incident))
    in_order = sorted(found.values(), key=lambda one: one[0])
    return tuple([label for _, labels in in_order for label in labels])


def _thread_of(labels: _Labels, named: Iterable[tuple[str, str, str, int]]) -> dict[str, str]:
    """The names of threads by the ids of their alerts, if any label asks for one."""
    if all(label.alert_id is None for label in labels):
        return {}
    return {
        alert: name
        for name, brand, thread_id, born_ms in named
        for alert in alert_ids(brand, thread_id, born_ms)
    }


def _source(labels: Path) -> str:
    return "the incidents" if labels == INCIDENTS else safe(labels.name)


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
