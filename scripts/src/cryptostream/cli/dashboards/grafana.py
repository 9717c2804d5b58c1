"""Parts of a Grafana dashboard (classic JSON, which Grafana 10 to 13 and its sidecar read). Pure.

A page's panels stand in rows of one height; queries are PromQL. Every selector carries the
page's filter (`$namespace`), so that two releases in one cluster don't mix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
#: A query and the legend of its series.
Query = tuple[str, str]

GRID_COLUMNS: Final = 24
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION: Final = 39
TAG: Final = "cryptostream"


def series(title: str, unit: str, *queries: Query, stack: bool = False, note: str = "") -> Json:
    """Draw lines over time; `unit` is one of Grafana's unit ids."""
    custom: Json = {"drawStyle": "line", "fillOpacity": 25 if stack else 8, "showPoints": "never"}
    if stack:
        custom["stacking"] = {"mode": "normal"}
    return _panel("timeseries", title, unit, queries, note) | {
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def stat(
    title: str, unit: str, query: Query, *thresholds: tuple[float, str], note: str = ""
) -> Json:
    """Show one number; each threshold gives the color from a value on."""
    marks: list[Json] = [{"color": "green", "value": None}]
    marks.extend({"color": color, "value": value} for value, color in thresholds)
    return _panel("stat", title, unit, [query], note) | {
        "fieldConfig": {
            "defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": marks}},
            "overrides": [],
        },
        "options": {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
    }


def bars(title: str, unit: str, *queries: Query, note: str = "") -> Json:
    """Compare the series' newest values."""
    return _panel("bargauge", title, unit, queries, note) | {
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {
            "orientation": "horizontal",
            "displayMode": "gradient",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        },
    }


def _panel(kind: str, title: str, unit: str, queries: Sequence[Query], note: str) -> Json:
    if not unit:
        raise ValueError(f"the panel {title!r} has no unit")
    return {
        "type": kind,
        "title": title,
        "description": note,
        "datasource": DATASOURCE,
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": DATASOURCE, "expr": expression,
             "legendFormat": legend}
            for place, (expression, legend) in enumerate(queries)
        ],
    }  # fmt: skip


def quantiles(
    histogram: str, by: str, *, shares: Sequence[float] = (0.5, 0.95, 0.99)
) -> list[Query]:
    """Ask for quantiles of a histogram, one series per value of the label `by`."""
    rate = (
        f'sum by (le, {by}) (rate({histogram}_bucket{{namespace=~"$namespace"}}[$__rate_interval]))'
    )
    return [
        (f"histogram_quantile({share}, {rate})", f"p{share * 100:g} {{{{{by}}}}}")
        for share in shares
    ]


def rate(counter: str, by: str, *, where: str = "") -> Query:
    """Ask for a counter's rate per second, one series per value of the label `by`."""
    selector = ", ".join(filter(None, ('namespace=~"$namespace"', where)))
    return f"sum by ({by}) (rate({counter}{{{selector}}}[$__rate_interval]))", f"{{{{{by}}}}}"


def gauge(name: str, by: str, *, how: str = "sum", where: str = "") -> Query:
    """Ask for a gauge, aggregated to one series per value of the label `by`."""
    selector = ", ".join(filter(None, ('namespace=~"$namespace"', where)))
    return f"{how} by ({by}) ({name}{{{selector}}})", f"{{{{{by}}}}}"


def total(name: str, *, how: str = "sum") -> Query:
    """Ask for one number over all series of a gauge."""
    return f'{how}({name}{{namespace=~"$namespace"}})', ""


#: A row of a page: its height, and its panels with how many columns each takes.
Row = tuple[int, "Sequence[tuple[int, Json]]"]


def page(uid: str, title: str, description: str, rows: Sequence[Row]) -> Json:
    """Make a dashboard; `uid` is fixed, so that links and bookmarks last."""
    panels: list[Json] = []
    y = 0
    for height, parts in rows:
        panels += _placed(parts, y, height, first=len(panels) + 1)
        y += height
    return {
        "uid": uid,
        "title": f"Cryptostream / {title}",
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "links": [
            {"type": "dashboards", "title": "Cryptostream", "tags": [TAG], "asDropdown": True,
             "keepTime": True, "includeVars": True}
        ],
        "templating": {"list": _variables()},
        "panels": panels,
    }  # fmt: skip


def _placed(parts: Sequence[tuple[int, Json]], y: int, height: int, *, first: int) -> list[Json]:
    widths = [width for width, _ in parts]
    if sum(widths) != GRID_COLUMNS:
        raise ValueError(f"the row at {y} is {sum(widths)} columns wide, not {GRID_COLUMNS}")
    return [
        {"id": first + place}
        | panel
        | {"gridPos": {"x": sum(widths[:place]), "y": y, "w": width, "h": height}}
        for place, (width, panel) in enumerate(parts)
    ]


def _variables() -> list[Json]:
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        {
            "name": "namespace",
            "type": "query",
            "label": "Namespace",
            "datasource": DATASOURCE,
            "query": "label_values(cryptostream_stream_trades_total, namespace)",
            "refresh": 2,
            "includeAll": True,
            # Outside of Kubernetes nothing has the label, and the empty value matches that.
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        },
    ]
