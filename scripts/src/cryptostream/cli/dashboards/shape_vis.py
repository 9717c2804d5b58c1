"""The shape of a visualization in Kibana's Dashboards API (9.5), as far as we use it.

Written after the API's description: every object refuses what it doesn't know, as Kibana does,
and every operation names what it needs.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType


class Shape(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The base of all: unknown fields are errors."""


class Filter(Shape, kw_only=True):
    """A query that narrows a panel or one of its metrics."""

    expression: str
    language: Literal["kql", "lucene"] = "kql"


class Format(Shape, kw_only=True):
    """How a number is written."""

    type: Literal["number", "percent", "bytes", "bits", "custom"]
    decimals: int | UnsetType = UNSET
    suffix: str | UnsetType = UNSET
    compact: bool | UnsetType = UNSET
    pattern: str | UnsetType = UNSET


class ColorStep(Shape, kw_only=True):
    """One range of values and its color."""

    color: str
    gte: float | UnsetType = UNSET
    lt: float | UnsetType = UNSET
    lte: float | UnsetType = UNSET


class ByValue(Shape, tag_field="type", tag="dynamic", kw_only=True):
    """A color for each range of values."""

    range: Literal["absolute", "percentage"]
    steps: list[ColorStep]


class OneColor(Shape, tag_field="type", tag="static", kw_only=True):
    """The same color for all values."""

    color: str


#: What each operation can't do without.
_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "count": (),
    "unique_count": ("field",),
    "min": ("field",),
    "max": ("field",),
    "average": ("field",),
    "median": ("field",),
    "standard_deviation": ("field",),
    "sum": ("field",),
    "last_value": ("field", "time_field"),
    "percentile": ("field", "percentile"),
    "percentile_rank": ("field", "rank"),
    "date_histogram": ("field",),
    "histogram": ("field",),
    "terms": ("fields",),
    "filters": ("filters",),
}


def _check_needs(shape: Any) -> None:
    for name in _NEEDS[shape.operation]:
        if getattr(shape, name) is UNSET:
            raise ValueError(f"{shape.operation} needs {name}")


class Metric(Shape, kw_only=True):
    """A number computed over documents."""

    operation: Literal[
        "count", "unique_count", "min", "max", "average", "median", "standard_deviation",
        "sum", "last_value", "percentile", "percentile_rank",
    ]  # fmt: skip
    field: str | UnsetType = UNSET
    time_field: str | UnsetType = UNSET
    percentile: float | UnsetType = UNSET
    rank: float | UnsetType = UNSET
    label: str | UnsetType = UNSET
    format: Format | UnsetType = UNSET
    filter: Filter | UnsetType = UNSET
    time_scale: Literal["s", "m", "h", "d"] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse an operation without what it needs."""
        _check_needs(self)


class PrimaryMetric(Metric, kw_only=True):
    """The number of a metric panel."""

    type: Literal["primary", "secondary"]
    subtitle: str | UnsetType = UNSET
    color: ByValue | OneColor | UnsetType = UNSET
    apply_color_to: Literal["value", "background"] | UnsetType = UNSET


class AxisMetric(Metric, kw_only=True):
    """A line, area or bar of a chart; its color can't depend on the value."""

    axis: Literal["y", "y2"] | UnsetType = UNSET
    color: OneColor | UnsetType = UNSET


class TableMetric(Metric, kw_only=True):
    """A column of a table."""

    color: ByValue | UnsetType = UNSET
    apply_color_to: Literal["value", "background", "badge"] | UnsetType = UNSET


class HeatmapMetric(Metric, kw_only=True):
    """The number behind a cell's color."""

    color: ByValue | UnsetType = UNSET


class RankByMetric(Shape, kw_only=True, tag_field="type", tag="metric"):
    """Order values by one of the panel's metrics."""

    direction: Literal["asc", "desc"]
    metric_index: int


class RankByField(Shape, kw_only=True, tag_field="type", tag="custom"):
    """Order values by a number that the panel does not show."""

    operation: Literal["min", "max", "average", "sum"]
    field: str
    direction: Literal["asc", "desc"]


class LabelledFilter(Shape, kw_only=True):
    """One of the filters that documents are split by."""

    filter: Filter
    label: str | UnsetType = UNSET


class Bucket(Shape, kw_only=True):
    """A split of documents."""

    operation: Literal["date_histogram", "terms", "histogram", "filters"]
    field: str | UnsetType = UNSET
    fields: list[str] | UnsetType = UNSET
    filters: list[LabelledFilter] | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    rank_by: RankByMetric | RankByField | UnsetType = UNSET
    granularity: int | Literal["auto"] | UnsetType = UNSET
    suggested_interval: str | UnsetType = UNSET
    label: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse an operation without what it needs."""
        _check_needs(self)


class DataViewReference(Shape, kw_only=True):
    """The data view that a panel reads."""

    type: Literal["data_view_reference"]
    ref_id: str


class Drilldown(Shape, kw_only=True):
    """Where a click on a value leads."""

    type: Literal["dashboard_drilldown"]
    dashboard_id: str
    label: str
    trigger: Literal["on_apply_filter"]
    use_filters: bool = True
    use_time_range: bool = True
    open_in_new_tab: bool = False


class _Vis(Shape, tag_field="type", kw_only=True):
    title: str
    query: Filter | UnsetType = UNSET
    drilldowns: list[Drilldown] | UnsetType = UNSET


class MetricVis(_Vis, tag="metric", kw_only=True):
    """One number, or two."""

    data_source: DataViewReference
    metrics: list[PrimaryMetric]


class Layer(Shape, kw_only=True):
    """A layer of a chart."""

    type: Literal[
        "area", "area_percentage", "area_stacked", "bar", "bar_horizontal",
        "bar_horizontal_stacked", "bar_percentage", "bar_stacked", "line",
    ]  # fmt: skip
    data_source: DataViewReference
    y: list[AxisMetric]
    x: Bucket
    breakdown_by: Bucket | UnsetType = UNSET


class Fitting(Shape, kw_only=True):
    """What stands where no value is."""

    type: Literal["none", "zero", "linear", "carry", "lookahead", "average", "nearest"]


class Styling(Shape, kw_only=True):
    """How lines and areas are drawn."""

    fitting: Fitting | UnsetType = UNSET
    interpolation: Literal["linear", "smooth", "stepped"] | UnsetType = UNSET


class XyVis(_Vis, tag="xy", kw_only=True):
    """Lines, areas and bars."""

    layers: list[Layer]
    styling: Styling | UnsetType = UNSET


class TableVis(_Vis, tag="data_table", kw_only=True):
    """A table."""

    data_source: DataViewReference
    metrics: list[TableMetric]
    rows: list[Bucket]


class HeatmapVis(_Vis, tag="heatmap", kw_only=True):
    """Colors over two splits."""

    data_source: DataViewReference
    x: Bucket
    y: Bucket
    metric: HeatmapMetric
