"""What a Grafana dashboard is made of, as far as ours need it, and its JSON.

Law of this file: a panel can't exist without a unit, a legend, a description and a text for "nothing there".
The form is Grafana's classic dashboard model (docs/adr/0006-dashboards-from-own-records.md); colours are
Grafana's own names, so that they fit the dark and the light theme.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["Board", "Kind", "Mark", "Panel", "Query", "Row"]

Json = dict[str, Any]
Kind = Literal["timeseries", "stat", "bargauge", "table"]
Step = tuple[float, str]  # from this value on, this colour

SCHEMA_VERSION: Final = 41
COLUMNS: Final = 24
SOURCE: Final[Json] = {"type": "prometheus", "uid": "${source}"}
INCIDENTS: Final = {
    "brand": ("Incidents of this brand", "${web:raw}/incidents?brand=${__field.labels.brand:percentencode}"),
    "all": ("Incidents", "${web:raw}/incidents"),
}
_WORDY: Final = 12  # characters that say something


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression; `legend` is text with `{{label}}` in it. `column` heads it in a table, in `unit`."""

    expr: str
    legend: str
    column: str = ""
    unit: str = ""  # the panel's, if empty


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `empty` is shown where there are no data, and says why that may be.

    `steps` colour values from the first (-inf) up; `width` in 1..24 columns, `height` in rows of 30 pixels.
    `linked` leads from each series to its brand's incidents, or to all. Raises ValueError if something is left out.
    """

    title: str
    about: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    empty: str
    steps: tuple[Step, ...] = ((float("-inf"), "green"),)
    width: int = 12
    height: int = 8
    low: float | None = 0
    high: float | None = None
    stacked: bool = False
    bars: bool = False
    linked: Literal["", "brand", "all"] = ""
    names: tuple[tuple[float, str], ...] = ()  # words instead of numbers

    def __post_init__(self) -> None:
        wrong = [
            what
            for what, missing in (
                ("title", not self.title),
                ("about", len(self.about) < _WORDY),
                ("unit", not self.unit),
                ("queries", not self.queries),
                ("legend", not all(one.legend for one in self.queries)),
                ("column", self.kind == "table" and not all(one.column for one in self.queries)),
                ("empty", len(self.empty) < _WORDY),
                ("steps", not self.steps or self.steps[0][0] != float("-inf")),
                ("width", not 1 <= self.width <= COLUMNS),
            )
            if missing
        ]
        if wrong:
            raise ValueError(f"panel {self.title!r} lacks: {', '.join(wrong)}")

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at column `x`, row `y`."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [self._target(place, query) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": self._options(),
            **({"transformations": self._columns()} if self.kind == "table" else {}),
        }

    def _target(self, place: int, query: Query) -> Json:
        once = self.kind != "timeseries"
        return {
            "refId": chr(ord("A") + place),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "instant": once,
            "range": not once,
            "format": "table" if self.kind == "table" else "time_series",
        }

    def _defaults(self) -> Json:
        steps = [
            {"color": colour, "value": None if value == float("-inf") else value}
            for value, colour in self.steps
        ]
        defaults: Json = {
            "unit": self.unit,
            "noValue": self.empty,
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
            "thresholds": {"mode": "absolute", "steps": steps},
            "mappings": [],
            "links": [],
        }
        if self.low is not None:
            defaults["min"] = self.low
        if self.high is not None:
            defaults["max"] = self.high
        if self.names:
            options = {
                f"{value:g}": {"text": text, "index": place} for place, (value, text) in enumerate(self.names)
            }
            defaults["mappings"] = [{"type": "value", "options": options}]
        if self.linked:
            title, url = INCIDENTS[self.linked]
            defaults["links"] = [{"title": title, "url": url, "targetBlank": True}]
        if self.kind == "timeseries":
            defaults["custom"] = {
                "drawStyle": "bars" if self.bars else "line",
                "lineWidth": 2,
                "fillOpacity": 60 if self.bars else 10,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "dashed" if len(self.steps) > 1 else "off"},
            }
        return defaults

    def _overrides(self) -> list[Json]:
        return [
            {
                "matcher": {"id": "byName", "options": query.column},
                "properties": [{"id": "unit", "value": query.unit}],
            }
            for query in self.queries
            if query.unit
        ]

    def _options(self) -> Json:
        reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        match self.kind:
            case "timeseries":
                return {
                    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                }
            case "stat":
                return {
                    "reduceOptions": reduce,
                    "colorMode": "background",
                    "graphMode": "none",
                    "justifyMode": "center",
                    "orientation": "auto",
                    "textMode": "value_and_name",
                    "wideLayout": True,
                    "showPercentChange": False,
                    "percentChangeColorMode": "standard",
                }
            case "bargauge":
                return {
                    "reduceOptions": reduce,
                    "displayMode": "basic",
                    "orientation": "horizontal",
                    "showUnfilled": True,
                    "valueMode": "color",
                    "namePlacement": "auto",
                    "sizing": "auto",
                    "minVizWidth": 8,
                    "minVizHeight": 16,
                    "maxVizHeight": 300,
                    "legend": {
                        "displayMode": "list",
                        "placement": "bottom",
                        "showLegend": False,
                        "calcs": [],
                    },
                }
            case "table":
                return {"showHeader": True, "cellHeight": "md", "frameIndex": 0, "showTypeIcons": False}

    def _columns(self) -> list[Json]:
        names = {f"Value #{chr(ord('A') + place)}": query.column for place, query in enumerate(self.queries)}
        return [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
        ]


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels under it, filled from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation: a line at each moment at which `expr` has a value."""

    name: str
    expr: str
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: `uid` names it for ever (links and bookmarks), `since` is its time range."""

    uid: str
    title: str
    about: str
    since: str
    refresh: str
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...] = field(default=())

    def panels(self) -> list[tuple[Panel, int, int]]:
        """Every panel with its column and row, under its heading (which takes one row itself)."""
        placed = []
        y = 0
        for row in self.rows:
            y, x, tallest = y + 1, 0, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                placed.append((panel, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return placed

    def json(self) -> Json:
        """The file that Grafana loads."""
        placed = self.panels()
        panels: list[Json] = []
        number = 0
        for row in self.rows:
            first = next(y for panel, _, y in placed if panel is row.panels[0])
            number += 1
            panels.append(
                {
                    "id": number,
                    "type": "row",
                    "title": row.title,
                    "collapsed": False,
                    "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": first - 1},
                    "panels": [],
                }
            )
            for panel, x, y in placed:
                if any(panel is one for one in row.panels):
                    number += 1
                    panels.append(panel.json(number, x, y))
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["flashover"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "time": {"from": f"now-{self.since}", "to": "now"},
            "refresh": self.refresh,
            "annotations": {"list": [_annotation(one) for one in self.marks]},
            "templating": {"list": _VARIABLES},
            "links": _LINKS,
            "panels": panels,
        }


def _annotation(mark: Mark) -> Json:
    return {
        "name": mark.name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": mark.colour,
        "expr": mark.expr,
        "step": "60s",
        "titleFormat": mark.name,
        "textFormat": mark.text,
    }


_VARIABLES: Final[list[Json]] = [
    {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0},
    {
        "name": "brand",
        "label": "Brand",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(flashover_mentions_total, brand)", "refId": "brand"},
        "definition": "label_values(flashover_mentions_total, brand)",
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    },
    {
        "name": "web",
        "label": "flashover's web",
        "type": "textbox",
        "query": "http://localhost:8080",
        "current": {"text": "http://localhost:8080", "value": "http://localhost:8080"},
        "hide": 0,
    },
]
_LINKS: Final[list[Json]] = [
    {
        "title": "flashover",
        "type": "dashboards",
        "tags": ["flashover"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": False,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    },
    {
        "title": "Incidents",
        "type": "link",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
        "icon": "bolt",
        "tooltip": "Who has what, and what is held",
        "url": "${web:raw}/incidents",
    },
]
