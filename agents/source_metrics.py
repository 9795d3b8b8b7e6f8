"""Every figure of the processes that run sources, declared once; `agents.metrics` is the worker's.

Law of this file: as there. Labels: a source's name in the settings, and words of which there are few. Never a
brand's post, an author, a server's name or a text.
"""

from __future__ import annotations

from typing import Final, Literal

from agents.tallies import Metric

__all__ = ["SOURCE_METRICS"]

_ELSEWHERE: Final = "told by `flashover source run`, on its own port"

SOURCE_METRICS: Final[list[Metric]] = []


def _declared(kind: Literal["counter", "gauge"], name: str, text: str, *labels: str) -> Metric:
    ending = "_total" if kind == "counter" else ""
    metric = Metric(f"flashover_source_{name}{ending}", kind, text, labels, empty=_ELSEWHERE)
    SOURCE_METRICS.append(metric)
    return metric


SOURCE_MENTIONS = _declared("counter", "mentions", "Mentions that a source brought.", "source")
SOURCE_IGNORED = _declared(
    "counter",
    "ignored",
    "What a source brought and nobody wants, by why: no-brand and others.",
    "source",
    "reason",
)
SOURCE_REJECTS = _declared(
    "counter", "rejects", "What broke a rule, and went to rejects.", "source", "reason"
)
SOURCE_ERRORS = _declared(
    "counter", "errors", "Connections that broke and requests that failed.", "source", "reason"
)
SOURCE_RECONNECTS = _declared("counter", "reconnects", "Times that a source began anew.", "source")
SOURCE_SEEN = _declared(
    "gauge", "last_success_timestamp_seconds", "When a source last got an answer that is stored.", "source"
)
SOURCE_CURSOR = _declared(
    "gauge", "cursor_age_seconds", "How far the stored cursor lies behind the clock.", "source"
)
SOURCE_UP = _declared(
    "gauge", "up", "1 while a source reads, 0 while it waits, was stopped or has ended.", "source"
)
SOURCE_BUDGET = _declared(
    "gauge", "budget_left", "What is left of what the platform rations, by its name.", "source", "budget"
)
SOURCE_TURNED_AWAY = _declared(
    "counter", "turned_away", "Requests to us that were not let in, by why.", "source", "reason"
)
SOURCE_THREADS = _declared(
    "gauge", "followed_threads", "Threads whose answers count without naming a brand.", "source"
)
