"""Desk: what is hot now, who has it, which text block is due.

Law of this file: content only. Every series is of brands or of the machine, never of a person of the desk.
"""

from __future__ import annotations

from typing import Final

from dashboards.asked import BRAND, FROM, MARKS, NO_DESK, NO_STORM, NO_WORDS, SHARE_STEPS
from dashboards.panels import Board, Panel, Query, Row

__all__ = ["DESK"]

DESK: Final = Board(
    "flashover-desk",
    "flashover: Desk",
    "For the on-call lead: what is hot now, who has it, which text block is due.",
    "6h",
    "10s",
    (
        Row(
            "Now",
            (
                Panel(
                    "Threads at page",
                    "Threads that should have a person with authority, by brand. Click: its incidents.",
                    "stat",
                    "short",
                    (
                        Query(
                            'sum by (brand) (flashover_live_threads{brand=~"$brand",level="page"})',
                            "{{brand}}",
                        ),
                    ),
                    "No brand was mentioned yet",
                    ((FROM, "green"), (1, "red")),
                    8,
                    6,
                    linked="brand",
                ),
                Panel(
                    "Threads at warn",
                    "Threads that may soon page. Click: the brand's incidents.",
                    "stat",
                    "short",
                    (
                        Query(
                            'sum by (brand) (flashover_live_threads{brand=~"$brand",level="warn"})',
                            "{{brand}}",
                        ),
                    ),
                    "No brand was mentioned yet",
                    ((FROM, "green"), (1, "orange")),
                    8,
                    6,
                    linked="brand",
                ),
                Panel(
                    "Incidents",
                    "By state: open has nobody, paged waits for an answer, acknowledged has a person.",
                    "stat",
                    "short",
                    (Query(f"sum by (outcome) (flashover_incidents{BRAND})", "{{outcome}}"),),
                    NO_DESK,
                    ((FROM, "green"), (1, "orange")),
                    8,
                    6,
                    linked="all",
                ),
            ),
        ),
        Row(
            "What is hot",
            (
                Panel(
                    "Hottest thread of each brand",
                    "What the forecast expects of it in its first 24 hours, its chance to become a storm, and who is on call.",
                    "table",
                    "short",
                    (
                        Query(
                            f"max by (brand) (flashover_hottest_thread_expected_mentions{BRAND})",
                            "expected",
                            "expected mentions",
                        ),
                        Query(
                            f"max by (brand) (flashover_hottest_thread_viral_probability{BRAND})",
                            "chance",
                            "chance of a storm",
                            "percentunit",
                        ),
                        Query(
                            f"max by (brand) (flashover_viral_at_mentions{BRAND})", "storm at", "a storm at"
                        ),
                        Query(f"max by (brand) (flashover_on_call_people{BRAND})", "on call", "on call"),
                    ),
                    NO_STORM,
                    linked="brand",
                ),
                Panel(
                    "Forecast of the hottest thread",
                    "Mentions expected in its first 24 hours; dashed: the size that counts as a storm.",
                    "timeseries",
                    "short",
                    (
                        Query(
                            f"max by (brand) (flashover_hottest_thread_expected_mentions{BRAND})", "{{brand}}"
                        ),
                        Query(f"max by (brand) (flashover_viral_at_mentions{BRAND})", "{{brand}}: a storm"),
                    ),
                    NO_STORM,
                    linked="brand",
                ),
                Panel(
                    "Mentions a minute",
                    "Customers' mentions that were counted, as they arrive.",
                    "timeseries",
                    "short",
                    (Query(f"sum by (brand) (rate(flashover_mentions_total{BRAND}[1m])) * 60", "{{brand}}"),),
                    "No mention arrived within this time",
                    linked="brand",
                ),
                Panel(
                    "Levels that rose, in 15 minutes",
                    "Alerts by level: what reached people, or would have.",
                    "timeseries",
                    "short",
                    (Query(f"sum by (level) (increase(flashover_alerts_total{BRAND}[15m]))", "{{level}}"),),
                    "No level rose yet",
                    bars=True,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "The desk",
            (
                Panel(
                    "Usual time to an answer",
                    "The reply clock: how long the brand usually takes. The next text block is due by then.",
                    "bargauge",
                    "s",
                    (Query(f"max by (brand) (flashover_reply_clock_seconds{BRAND})", "{{brand}}"),),
                    NO_WORDS,
                    width=8,
                ),
                Panel(
                    "How often that is a text block",
                    "Share of the brand's answers that could stand under any complaint.",
                    "bargauge",
                    "percentunit",
                    (Query(f"max by (brand) (flashover_reply_canned_share{BRAND})", "{{brand}}"),),
                    NO_WORDS,
                    SHARE_STEPS,
                    8,
                    high=1,
                ),
                Panel(
                    "Anger",
                    "Angry among the texts that were read within an hour; only threads above calm are read.",
                    "timeseries",
                    "percentunit",
                    (Query('brand:flashover_negative:share1h{brand=~"$brand"}', "{{brand}}"),),
                    NO_WORDS,
                    SHARE_STEPS,
                    8,
                    high=1,
                ),
            ),
        ),
    ),
    MARKS,
)
