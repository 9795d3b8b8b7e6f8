"""What the dashboards share: selectors, steps of colour, texts for "nothing there", annotations.

Law of this file: content only; the form is in `dashboards.panels`.
"""

from __future__ import annotations

from typing import Final

from dashboards.panels import Mark

__all__ = ["BRAND", "FROM", "MARKS", "NO_DESK", "NO_STORM", "NO_WORDS", "SHARE_STEPS", "fresh", "quantile"]

BRAND: Final = '{brand=~"$brand"}'
FROM: Final = float("-inf")
SHARE_STEPS: Final = ((FROM, "green"), (0.3, "yellow"), (0.6, "red"))
NO_DESK: Final = "No incidents yet, or nobody was paged"
NO_WORDS: Final = "No texts were read: nothing is above calm"
NO_STORM: Final = "All calm: no thread is above calm"


def fresh(metric: str, labels: str, within: str) -> str:
    """Where a counter grew within a time, its very first count included (which `increase` does not see)."""
    one = f"{metric}{{{labels}}}"
    grown = f"(increase({one}[{within}]) > 0) or ({one} > 0 unless {one} offset {within})"
    return f"max without (instance, job) ({grown})"


def quantile(
    share: float, metric: str, within: str, by: str = "brand", labels: str = 'brand=~"$brand"'
) -> str:
    """The value below which `share` (0..1) of a histogram's values of that time lie."""
    inner = f"sum by ({f'{by}, ' if by else ''}le) (increase({metric}_bucket{{{labels}}}[{within}]))"
    return f"histogram_quantile({share}, {inner})"


MARKS: Final = (
    Mark(
        "Alerts",
        fresh("flashover_alerts_total", 'brand=~"$brand",level=~"warn|page"', "1m"),
        "{{brand}}: {{level}}, {{reason}}",
        "red",
    ),
    Mark(
        "Text blocks",
        f"increase(flashover_canned_replies_total{BRAND}[1m]) > 0",
        "{{brand}}: a text block",
        "orange",
    ),
    Mark(
        "Resolutions",
        fresh("flashover_resolutions_total", 'brand=~"$brand"', "1m"),
        "{{brand}}: {{outcome}}",
        "green",
    ),
)
