"""The thresholds of threads, and the words for what passes them.

Law of this file: values that are checked once, where they are made; nothing here decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

__all__ = ["TOP_1_PCT", "AlertReason", "ThreadParams", "ViralAt"]

TOP_1_PCT: Final = "top-1%"
ViralAt = int | Literal["top-1%"]


class AlertReason(StrEnum):
    """One word for each rule that can raise a level."""

    VIRAL_FORECAST = "viral-forecast"  # the forecast says that the thread will pass the brand's threshold
    ALREADY_VIRAL = "already-viral"  # it has passed it
    CANNED_REPLY = "canned-reply"  # the brand has answered it from a text block
    CANNED_REPLY_DUE = "canned-reply-due"  # at warn, and the brand is about to, by its reply clock


@dataclass(frozen=True, slots=True)
class ThreadParams:
    """The thresholds of threads, all of them an operator's to tune.

    `viral_at` is the size in mentions within 24 h that counts as a storm (>= 2), or "top-1%": that which one
    in a hundred of the brand's own threads reaches, as it was learned when a thread began. `watch`, `warn`,
    `page` are probabilities of reaching it, 0 < watch < warn < page <= 1; a level falls again once it is
    below `release` (0 < release < 1) times its own threshold. No level is given to a thread of less
    than `min_mentions` mentions or `min_authors` people, and nobody is paged while one author wrote more
    than `max_author_share` of it (0 < max_author_share <= 1): that is one person's flood, not a storm.
    The defaults are for some four of five pages being true (docs/detection-threads.md); `flashover tune`
    finds others.

    Within `reply_due_s` seconds (0 to 86,400; 0: never) around the moment at which the brand's first reply
    is due, a thread at warn is paged for at the lower probability `page_when_due` (above 0, at most 1), if at
    least `due_canned_share` of the brand's replies are canned (above 0, at most 1). A level that a canned
    reply has raised does not fall for `reply_holds_s` seconds after it (0 to 86,400). Raises ValueError for
    anything else.
    """

    viral_at: ViralAt = 100
    watch: float = 0.2
    warn: float = 0.5
    page: float = 0.8
    release: float = 0.5
    min_mentions: int = 10
    min_authors: int = 8
    max_author_share: float = 0.5
    reply_due_s: int = 900
    due_canned_share: float = 0.8
    page_when_due: float = 0.6
    reply_holds_s: int = 3600

    def __post_init__(self) -> None:
        wrong = []
        if self.viral_at != TOP_1_PCT and (isinstance(self.viral_at, str) or self.viral_at < 2):
            wrong.append(f"viral_at must be at least 2 mentions, or {TOP_1_PCT}, not {self.viral_at}")
        if not 0 < self.watch < self.warn < self.page <= 1:
            wrong.append(f"need 0 < watch < warn < page <= 1, not {self.watch}, {self.warn}, {self.page}")
        if not 0 < self.release < 1:
            wrong.append(f"release must lie between 0 and 1, not {self.release}")
        if self.min_mentions < 1 or self.min_authors < 1:
            wrong.append("min_mentions and min_authors must be at least 1")
        if not 0 < self.max_author_share <= 1:
            wrong.append(f"max_author_share must be above 0 and at most 1, not {self.max_author_share}")
        for name in ("reply_due_s", "reply_holds_s"):
            if not 0 <= getattr(self, name) <= 86_400:
                wrong.append(f"{name} must lie between 0 and 86400, not {getattr(self, name)}")
        for name in ("due_canned_share", "page_when_due"):
            if not 0 < getattr(self, name) <= 1:
                wrong.append(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        if wrong:
            raise ValueError("; ".join(wrong))
