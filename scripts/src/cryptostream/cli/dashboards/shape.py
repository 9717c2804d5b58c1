"""The shape of Kibana's Dashboards API (9.5), as far as our dashboards use it.

`check_dashboard` refuses what Kibana would refuse, without a Kibana.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cryptostream.cli.dashboards.shape_vis import HeatmapVis, MetricVis, Shape, TableVis, XyVis

GRID_COLUMNS: Final = 48
MAX_PANELS: Final = 1_000


class Grid(Shape, kw_only=True):
    """A panel's place, in columns and rows."""

    x: int
    y: int
    w: int
    h: int

    def __post_init__(self) -> None:
        """Refuse a place outside of the grid."""
        if self.x < 0 or self.y < 0 or self.w < 1 or self.h < 1 or self.x + self.w > GRID_COLUMNS:
            raise ValueError(f"{self} is not on the grid")


class _Panel(Shape, tag_field="type", kw_only=True):
    grid: Grid
    id: str


class VisPanel(_Panel, tag="vis", kw_only=True):
    """A chart, number or table."""

    config: MetricVis | XyVis | TableVis | HeatmapVis


class MarkdownSettings(Shape, kw_only=True):
    """How links of a text open."""

    open_links_in_new_tab: bool = True


class Markdown(Shape, kw_only=True):
    """A text; unlike elsewhere, `settings` must be there."""

    content: str
    settings: MarkdownSettings
    hide_title: bool | UnsetType = UNSET


class MarkdownPanel(_Panel, tag="markdown", kw_only=True):
    """A text's panel."""

    config: Markdown


class LinkOptions(Shape, kw_only=True):
    """What goes along to the linked dashboard."""

    open_in_new_tab: bool = False
    use_filters: bool = True
    use_time_range: bool = True


class DashboardLink(Shape, kw_only=True):
    """A link to another dashboard."""

    type: Literal["dashboardLink"]
    destination: str
    label: str | UnsetType = UNSET
    options: LinkOptions | UnsetType = UNSET


class Links(Shape, kw_only=True):
    """Links in a row or a column."""

    links: list[DashboardLink]
    layout: Literal["horizontal", "vertical"] | UnsetType = UNSET
    hide_title: bool | UnsetType = UNSET


class LinksPanel(_Panel, tag="links", kw_only=True):
    """The panel of links; new in 9.5."""

    config: Links


class OptionsSort(Shape, kw_only=True):
    """The order of a control's values."""

    by: Literal["_count", "_key"]
    direction: Literal["asc", "desc"]


class OptionsList(Shape, kw_only=True):
    """What a control chooses from."""

    data_view_id: str
    field_name: str
    title: str | UnsetType = UNSET
    sort: OptionsSort | UnsetType = UNSET
    single_select: bool | UnsetType = UNSET
    selected_options: list[str] | UnsetType = UNSET


class _Pinned(Shape, tag_field="type", kw_only=True):
    width: Literal["small", "medium", "large"] | UnsetType = UNSET
    grow: bool | UnsetType = UNSET


class PinnedOptionsList(_Pinned, tag="options_list_control", kw_only=True):
    """A control above the panels."""

    config: OptionsList


class TimeSlider(Shape, kw_only=True):
    """A window that slides over the time range; all has defaults."""


class PinnedTimeSlider(_Pinned, tag="time_slider_control", kw_only=True):
    """The time slider above the panels."""

    config: TimeSlider


class TimeRange(Shape, kw_only=True):
    """The default time range, in date math."""

    from_: str = msgspec.field(name="from")
    to: str


class Refresh(Shape, kw_only=True):
    """The default refresh, in milliseconds."""

    pause: bool
    value: int


class Options(Shape, kw_only=True):
    """How the panels behave together."""

    sync_cursor: bool = True
    sync_colors: bool = False
    use_margins: bool = True


class Dashboard(Shape, kw_only=True):
    """The body of `PUT /api/dashboards/{id}`."""

    title: str
    description: str
    time_range: TimeRange
    refresh_interval: Refresh
    options: Options
    pinned_panels: list[PinnedOptionsList | PinnedTimeSlider]
    panels: list[VisPanel | MarkdownPanel | LinksPanel]

    def __post_init__(self) -> None:
        """Refuse panels that share an id or a place."""
        taken: set[tuple[int, int]] = set()
        for panel in self.panels:
            grid = panel.grid
            cells = {
                (x, y)
                for x in range(grid.x, grid.x + grid.w)
                for y in range(grid.y, grid.y + grid.h)
            }
            if cells & taken:
                raise ValueError(f"panel {panel.id} lies on another")
            taken |= cells
        if not 0 < len({panel.id for panel in self.panels}) == len(self.panels) <= MAX_PANELS:
            raise ValueError("panels must be there, and their ids unique")


def check_dashboard(body: Any) -> Dashboard:
    """Read a dashboard's body strictly; raises `msgspec.ValidationError` with the path."""
    return msgspec.convert(body, Dashboard)


class DataView(Shape, kw_only=True):
    """A data view, as `POST /api/data_views/data_view` takes it."""

    id: str
    title: str
    name: str
    timeFieldName: str  # noqa: N815 - the API's name
    allowNoIndex: bool  # noqa: N815 - the API's name
    runtimeFieldMap: dict[str, Any]  # noqa: N815 - the API's name


class DataViewRequest(Shape, kw_only=True):
    """The body of that request; `override` replaces what has the id."""

    data_view: DataView
    override: Literal[True]
