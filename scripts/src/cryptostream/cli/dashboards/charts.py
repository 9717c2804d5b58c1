"""Kibana's Charts dashboard: what only Vega can draw, kept as a saved object.

Kibana 9.5's Dashboards API takes no Vega panels, so this dashboard goes through the import of
saved objects. Its JSON is kept decoded here and in its file: values under names that end in
`JSON`, and Vega's `spec`, become strings only when they are sent.
"""

from __future__ import annotations

from typing import Any, Final

from cryptostream.cli.dashboards import vega_candles, vega_map
from cryptostream.cli.dashboards.data_views import data_view_id
from cryptostream.cli.dashboards.lens import REFRESH, TIME_RANGE, Json

ID: Final = "crypto-charts"
#: The versions of the stored shape that is written here; Kibana migrates from them.
_CORE_VERSION, _TYPE_VERSION = "8.8.0", "10.2.0"
_CONTROLS: Final = (("symbol", "Symbol"), ("interval", "Interval"), ("exchange", "Exchange"))
_TEXT: Final = (
    "[Market](/app/dashboards#/view/crypto-market) · [Model](/app/dashboards#/view/crypto-model)"
    " · [Alerts](/app/dashboards#/view/crypto-alerts)"
    " · [Data quality](/app/dashboards#/view/crypto-data-quality)"
)


def saved_objects() -> list[Json]:
    """Give the dashboard as the one object to import."""
    return [
        {
            "type": "dashboard",
            "id": ID,
            "coreMigrationVersion": _CORE_VERSION,
            "typeMigrationVersion": _TYPE_VERSION,
            "attributes": {
                "title": "Cryptostream: Candlesticks and map",
                "description": "Candles with Bollinger bands and volume; the market as a map.",
                "version": 1,
                "timeRestore": True,
                "timeFrom": TIME_RANGE["from"],
                "timeTo": TIME_RANGE["to"],
                "refreshInterval": REFRESH,
                "optionsJSON": {"useMargins": True, "syncCursor": True, "hidePanelTitles": False},
                "controlGroupInput": _control_group(),
                "kibanaSavedObjectMeta": {
                    "searchSourceJSON": {"query": {"language": "kuery", "query": ""}, "filter": []}
                },
                "panelsJSON": [
                    _panel("links", (0, 3), "markdown", "", {"markdown": _TEXT, "fontSize": 12}),
                    _panel("candles", (3, 24), "vega", "Candles, Bollinger bands and volume",
                           {"spec": vega_candles.spec()}),
                    _panel("map", (27, 18), "vega", "Symbols by turnover (size) and return (color)",
                           {"spec": vega_map.spec()}),
                ],
            },
            "references": [
                {
                    "type": "index-pattern",
                    "id": data_view_id("candles"),
                    "name": f"controlGroup_{field}:optionsListDataView",
                }
                for field, _ in _CONTROLS
            ],
        }
    ]  # fmt: skip


def _panel(name: str, place: tuple[int, int], kind: str, title: str, params: Json) -> Json:
    y, height = place
    nothing: dict[str, Any] = {"query": {"language": "kuery", "query": ""}, "filter": []}
    return {
        "type": "visualization",
        "panelIndex": name,
        "title": title,
        "gridData": {"i": name, "x": 0, "y": y, "w": 48, "h": height},
        "embeddableConfig": {
            "hidePanelTitles": not title,
            "enhancements": {},
            "savedVis": {
                "title": title,
                "description": "",
                "type": kind,
                "params": params,
                "uiState": {},
                "data": {"aggs": [], "searchSource": nothing},
            },
        },
    }


def _control_group() -> Json:
    heeding = {
        "ignoreFilters": False,
        "ignoreQuery": False,
        "ignoreTimerange": False,
        "ignoreValidations": False,
    }
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "showApplySelections": False,
        "ignoreParentSettingsJSON": heeding,
        "panelsJSON": {
            field: {
                "type": "optionsListControl",
                "order": order,
                "grow": True,
                "width": "medium",
                "explicitInput": {
                    "id": field,
                    "fieldName": field,
                    "title": title,
                    "singleSelect": True,
                    "selectedOptions": ["1m"] if field == "interval" else [],
                    "enhancements": {},
                },
            }
            for order, (field, title) in enumerate(_CONTROLS)
        },
    }
