"""Brand health: weeks of storms, who came first, what replies did, load on people.

Law of this file: content only. Every series is of brands or of the machine, never of a person of the desk.
"""

from __future__ import annotations

from typing import Final

from dashboards.asked import BRAND, FROM, MARKS, NO_DESK, NO_WORDS, SHARE_STEPS, quantile
from dashboards.panels import Board, Panel, Query, Row

__all__ = ["HEALTH"]

HEALTH: Final = Board(
    "flashover-brand-health",
    "flashover: Brand health",
    "Weeks, for dashboard readers: storms, who came first, how long it took, what replies did, load on people.",
    "30d",
    "5m",
    (
        Row(
            "Storms",
            (
                Panel(
                    "Pages a week",
                    "Threads and brands that reached the level page within seven days.",
                    "timeseries",
                    "short",
                    (
                        Query(
                            'sum by (brand) (increase(flashover_alerts_total{brand=~"$brand",level="page"}[7d]))',
                            "{{brand}}",
                        ),
                    ),
                    "No page yet: no storm was seen",
                ),
                Panel(
                    "Mentions a day",
                    "Customers' mentions, over 24 hours.",
                    "timeseries",
                    "short",
                    (Query(f"sum by (brand) (increase(flashover_mentions_total{BRAND}[1d]))", "{{brand}}"),),
                    "No mention arrived within this time",
                ),
                Panel(
                    "From the first mention to the page",
                    "Event time from a thread's start to its page: median and slowest tenth of seven days.",
                    "timeseries",
                    "s",
                    (
                        Query(
                            quantile(0.5, "flashover_first_mention_to_page_seconds", "7d"),
                            "{{brand}}, median",
                        ),
                        Query(
                            quantile(0.9, "flashover_first_mention_to_page_seconds", "7d"), "{{brand}}, 90 %"
                        ),
                    ),
                    "No page yet: no storm was seen",
                ),
                Panel(
                    "Still to come at the page",
                    "Share of a storm's first 24 hours that came after its page: what acting at once could prevent.",
                    "timeseries",
                    "percentunit",
                    (
                        Query(
                            f"sum by (brand) (increase(flashover_still_to_come_share_sum{BRAND}[7d])) / (sum by (brand) (increase(flashover_still_to_come_share_count{BRAND}[7d])) > 0)",
                            "{{brand}}",
                        ),
                    ),
                    "Known a day after a paged thread began; none is that old",
                    ((FROM, "red"), (0.3, "yellow"), (0.6, "green")),
                    high=1,
                ),
            ),
        ),
        Row(
            "Who came first",
            (
                Panel(
                    "Canned first",
                    "Of the incidents with an answer, those where a text block came before a person with authority.",
                    "timeseries",
                    "percentunit",
                    (Query('brand:flashover_canned_first:share7d{brand=~"$brand"}', "{{brand}}"),),
                    NO_DESK,
                    SHARE_STEPS,
                    8,
                    high=1,
                ),
                Panel(
                    "From the page to authority",
                    "Until somebody who may decide took it: median and slowest tenth of seven days.",
                    "timeseries",
                    "s",
                    (
                        Query(quantile(0.5, "flashover_page_to_taken_seconds", "7d"), "{{brand}}, median"),
                        Query(quantile(0.9, "flashover_page_to_taken_seconds", "7d"), "{{brand}}, 90 %"),
                    ),
                    NO_DESK,
                    width=8,
                ),
                Panel(
                    "How incidents ended",
                    "Resolutions of seven days: handled, false alarm, missed or too late.",
                    "timeseries",
                    "short",
                    (
                        Query(
                            f"sum by (outcome) (increase(flashover_resolutions_total{BRAND}[7d]))",
                            "{{outcome}}",
                        ),
                    ),
                    NO_DESK,
                    width=8,
                    bars=True,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Replies and load",
            (
                Panel(
                    "What replies did",
                    "Mentions after a reply to those forecast before it, median of 30 days: above 1 it grew more. "
                    "An association, no cause.",
                    "timeseries",
                    "none",
                    (
                        Query(
                            quantile(0.5, "flashover_reply_growth_ratio", "30d", "brand, outcome"),
                            "{{brand}}: {{outcome}}",
                        ),
                    ),
                    NO_WORDS,
                    ((FROM, "green"), (1, "red")),
                    8,
                ),
                Panel(
                    "Text blocks among the replies",
                    "Share of a day's replies of the brand that were text blocks.",
                    "timeseries",
                    "percentunit",
                    (Query('brand:flashover_canned:share1d{brand=~"$brand"}', "{{brand}}"),),
                    "The brand said nothing for a day",
                    SHARE_STEPS,
                    8,
                    high=1,
                ),
                Panel(
                    "Angry texts an hour",
                    "What the people of the desk have to read, per brand; never per person.",
                    "timeseries",
                    "short",
                    (
                        Query(
                            f"sum by (brand) (increase(flashover_negative_texts_total{BRAND}[1h]))",
                            "{{brand}}",
                        ),
                    ),
                    NO_WORDS,
                    width=8,
                ),
            ),
        ),
    ),
    MARKS,
)
