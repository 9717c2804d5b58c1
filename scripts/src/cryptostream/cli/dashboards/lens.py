"""Parts of a Kibana dashboard, in the shape of the Dashboards API of Kibana 9.5.

Pure functions that give plain JSON values; `cryptostream.cli.dashboards.shape` checks the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptostream.cli.dashboards.data_views import TIME_FIELDS, data_view_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.indices import Kind

Json = dict[str, Any]

GRID_COLUMNS: Final = 48
GREEN, RED, GREY, BLUE, AMBER = "#209280", "#cc5642", "#d3dae6", "#6092c0", "#d6bf57"
#: What a reader sees first: the last hour, anew every 10 s.
TIME_RANGE: Final = {"from": "now-1h", "to": "now"}
REFRESH: Final = {"pause": False, "value": 10_000}


def metric(operation: str, field: str, label: str, **more: Any) -> Json:
    """Compute a number of a field: `sum`, `average`, `max`, `unique_count`, `percentile`..."""
    return {"operation": operation, "field": field, "label": label} | more


def count(label: str, *, where: str = "") -> Json:
    """Count documents, those that match a KQL expression."""
    return {"operation": "count", "label": label} | _filtered(where)


def last(kind: Kind, field: str, label: str, **more: Any) -> Json:
    """Take a field's newest value."""
    return metric("last_value", field, label, time_field=TIME_FIELDS[kind], **more)


def _filtered(where: str) -> Json:
    return {"filter": {"expression": where}} if where else {}


def over_time(kind: Kind) -> Json:
    """Split by time, at an interval that fits the time range."""
    return {"operation": "date_histogram", "field": TIME_FIELDS[kind]}


def top(field: str, limit: int = 10, *, label: str = "", by: str = "") -> Json:
    """Split by a field's values: those with the largest first metric, or sum of `by`."""
    rank = (
        {"type": "custom", "operation": "sum", "field": by, "direction": "desc"}
        if by
        else {"type": "metric", "metric_index": 0, "direction": "desc"}
    )
    split = {"operation": "terms", "fields": [field], "limit": limit, "rank_by": rank}
    return split | ({"label": label} if label else {})


def steps(*bounds: tuple[float | None, float | None, str]) -> Json:
    """Color by value: (from, below, color) each."""
    return {
        "type": "dynamic",
        "range": "absolute",
        "steps": [
            {"color": color}
            | ({} if low is None else {"gte": low})
            | ({} if high is None else {"lt": high})
            for low, high, color in bounds
        ],
    }


def number(title: str, kind: Kind, value: Json, *, where: str = "") -> Json:
    """Show one number."""
    return _vis(title, "metric", kind, where) | {"metrics": [value | {"type": "primary"}]}


def chart(
    title: str, kind: Kind, ys: Sequence[Json], *, shape: str = "line", x: Json | None = None,
    split: Json | None = None, where: str = "", **more: Any,
) -> Json:  # fmt: skip
    """Show numbers over time, or over the values of `x`."""
    layer = {"type": shape, "data_source": _source(kind), "x": x or over_time(kind), "y": list(ys)}
    if split:
        layer["breakdown_by"] = split
    config = {"type": "xy", "title": title, "layers": [layer]}
    return config | _query(where) | more


def table(
    title: str, kind: Kind, rows: Sequence[Json], metrics: Sequence[Json], *, where: str = ""
) -> Json:
    """Show a table: a row per value, a column per metric."""
    config = _vis(title, "data_table", kind, where)
    return config | {"rows": list(rows), "metrics": list(metrics)}


def heatmap(title: str, kind: Kind, x: Json, y: Json, value: Json, *, where: str = "") -> Json:
    """Show a number as a color over two splits."""
    return _vis(title, "heatmap", kind, where) | {"x": x, "y": y, "metric": value}


def drilldown(config: Json, dashboard: str, label: str) -> Json:
    """Let a click on a value open another dashboard, with filters and time range kept."""
    return config | {
        "drilldowns": [
            {
                "type": "dashboard_drilldown",
                "dashboard_id": dashboard,
                "label": label,
                "trigger": "on_apply_filter",
                "use_filters": True,
                "use_time_range": True,
                "open_in_new_tab": False,
            }
        ]
    }


def _vis(title: str, kind: str, source: Kind, where: str) -> Json:
    return {"type": kind, "title": title, "data_source": _source(source)} | _query(where)


def _source(kind: Kind) -> Json:
    return {"type": "data_view_reference", "ref_id": data_view_id(kind)}


def _query(where: str) -> Json:
    return {"query": {"expression": where, "language": "kql"}} if where else {}


def text(content: str) -> Json:
    """Show Markdown."""
    return {"content": content, "settings": {"open_links_in_new_tab": False}, "hide_title": True}


def links(*targets: tuple[str, str]) -> Json:
    """Link to other dashboards by (id, label); filters and time range go along."""
    options = {"open_in_new_tab": False, "use_filters": True, "use_time_range": True}
    return {
        "layout": "horizontal",
        "hide_title": True,
        "links": [
            {"type": "dashboardLink", "destination": target, "label": label, "options": options}
            for target, label in targets
        ],
    }


def control(kind: Kind, field: str, title: str) -> Json:
    """Let the reader choose values of a field."""
    return {
        "type": "options_list_control",
        "width": "small",
        "grow": True,
        "config": {
            "data_view_id": data_view_id(kind),
            "field_name": field,
            "title": title,
            "sort": {"by": "_key", "direction": "asc"},
        },
    }


def time_slider() -> Json:
    """Let the reader walk through the time range."""
    return {"type": "time_slider_control", "width": "medium", "grow": True, "config": {}}


def dashboard(title: str, description: str, controls: Sequence[Json], rows: Sequence[Row]) -> Json:
    """Make the body of `PUT /api/dashboards/{id}`; each row's panels share its width."""
    panels: list[Json] = []
    y = 0
    for height, parts in rows:
        panels += _placed(parts, y, height)
        y += height
    return {
        "title": title,
        "description": description,
        "time_range": TIME_RANGE,
        "refresh_interval": REFRESH,
        "options": {"sync_cursor": True, "sync_colors": True, "use_margins": True},
        "pinned_panels": list(controls),
        "panels": panels,
    }


#: A row of a dashboard: its height, and its panels with how many columns each takes.
Row = tuple[int, "Sequence[tuple[int, Json]]"]


def _placed(parts: Sequence[tuple[int, Json]], y: int, height: int) -> list[Json]:
    widths = [width for width, _ in parts]
    if sum(widths) != GRID_COLUMNS:
        raise ValueError(f"the row at {y} is {sum(widths)} columns wide, not {GRID_COLUMNS}")
    return [
        {
            "id": f"p{y}-{sum(widths[:place])}",
            "type": _panel_type(config),
            "grid": {"x": sum(widths[:place]), "y": y, "w": width, "h": height},
            "config": config,
        }
        for place, (width, config) in enumerate(parts)
    ]


def _panel_type(config: Json) -> str:
    if "content" in config:
        return "markdown"
    return "links" if "links" in config else "vis"
