"""Tuning: live against shadow, calibration, precision.

Law of this file: content only. Every series is of brands or of the machine, never of a person of the desk.
"""

from __future__ import annotations

from typing import Final

from dashboards.asked import BRAND, FROM, MARKS, NO_DESK
from dashboards.panels import Board, Panel, Query, Row

__all__ = ["TUNING"]

TUNING: Final = Board(
    "flashover-tuning",
    "flashover: Tuning",
    "For ops, before thresholds change: what a second set would have done, how good the forecast and the pages are.",
    "30d",
    "1m",
    (
        Row(
            "Live against shadow",
            (
                Panel(
                    "Threads that would have paged",
                    "Since the second set was set: by both, by the live one only, by the second only.",
                    "bargauge",
                    "short",
                    (
                        Query(
                            f"sum by (brand, outcome) (flashover_shadow_paged_threads{BRAND})",
                            "{{brand}}: {{outcome}}",
                        ),
                    ),
                    "No second set: `flashover thresholds set --shadow` makes one",
                ),
                Panel(
                    "Levels raised by each set",
                    "Since the second set was set, by level.",
                    "bargauge",
                    "short",
                    (
                        Query(
                            f"sum by (level, outcome) (flashover_shadow_alerts{BRAND})",
                            "{{level}}: {{outcome}}",
                        ),
                    ),
                    "No second set: `flashover thresholds set --shadow` makes one",
                ),
            ),
        ),
        Row(
            "The thresholds as they are",
            (
                Panel(
                    "Chance at which a level is reached",
                    "Changes show as steps: who and why is in `flashover thresholds history`.",
                    "timeseries",
                    "percentunit",
                    (
                        Query(
                            f"max by (brand, level) (flashover_threshold_probability{BRAND})",
                            "{{brand}}: {{level}}",
                        ),
                    ),
                    "No worker answers",
                    high=1,
                ),
                Panel(
                    "Size of a storm",
                    "Mentions in 24 hours that count as one.",
                    "timeseries",
                    "short",
                    (Query(f"max by (brand) (flashover_viral_at_mentions{BRAND})", "{{brand}}"),),
                    "No worker answers",
                ),
            ),
        ),
        Row(
            "How good it is",
            (
                Panel(
                    "Calibration",
                    "Of the alerts a day old or more: mean chance that they gave, and how many became storms. Apart: retrain.",
                    "timeseries",
                    "percentunit",
                    (
                        Query(
                            "sum by (level) (increase(flashover_settled_probability_total[30d])) / (sum by (level) (increase(flashover_settled_alerts_total[30d])) > 0)",
                            "{{level}}, forecast",
                        ),
                        Query(
                            'sum by (level) (increase(flashover_settled_alerts_total{outcome="viral"}[30d])) / (sum by (level) (increase(flashover_settled_alerts_total[30d])) > 0)',
                            "{{level}}, came true",
                        ),
                    ),
                    "Known a day after an alert; none is that old",
                    width=8,
                    high=1,
                ),
                Panel(
                    "Pages a week",
                    "Level page, by the rule that raised it.",
                    "timeseries",
                    "short",
                    (
                        Query(
                            'sum by (reason) (increase(flashover_alerts_total{brand=~"$brand",level="page"}[7d]))',
                            "{{reason}}",
                        ),
                    ),
                    "No page yet: no storm was seen",
                    width=8,
                    bars=True,
                    stacked=True,
                ),
                Panel(
                    "Precision, as people judged",
                    "Of the incidents resolved within seven days, those that were no false alarm.",
                    "timeseries",
                    "percentunit",
                    (Query('brand:flashover_page_precision:share7d{brand=~"$brand"}', "{{brand}}"),),
                    NO_DESK,
                    ((FROM, "red"), (0.5, "yellow"), (0.8, "green")),
                    8,
                    high=1,
                ),
            ),
        ),
    ),
    MARKS,
)
