"""The dashboards' files, and what their panels read; for tests of the dashboards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptostream.cli.dashboards.data_views import RUNTIME_FIELDS, data_view_id
from cryptostream.contracts.mappings import PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptostream.contracts.indices import Kind

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "cryptostream"
KIBANA = CHART / "dashboards" / "kibana"
GRAFANA = CHART / "dashboards" / "grafana"
KINDS: dict[str, Kind] = {data_view_id(kind): kind for kind in PROPERTIES}


def kibana_dashboards() -> dict[str, Any]:
    """Read the dashboards of the Dashboards API by id."""
    return {
        path.stem: json.loads(path.read_text())
        for path in sorted(KIBANA.glob("*.json"))
        if path.name != "data-views.json" and ".saved-objects" not in path.name
    }


def grafana_dashboards() -> dict[str, Any]:
    """Read Grafana's pages by uid."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))}


def vega_specs() -> dict[str, Any]:
    """Read the Vega specifications by the name of their panel."""
    objects = json.loads((KIBANA / "crypto-charts.saved-objects.json").read_text())
    return {
        panel["panelIndex"]: panel["embeddableConfig"]["savedVis"]["params"]["spec"]
        for saved in objects
        for panel in saved["attributes"]["panelsJSON"]
        if panel["embeddableConfig"]["savedVis"]["type"] == "vega"
    }


def fields_of(kind: Kind) -> dict[str, str]:
    """Give the fields of a kind's documents by their type, computed ones included."""
    computed = {name: field["type"] for name, field in RUNTIME_FIELDS.get(kind, {}).items()}
    return dict(_flat(PROPERTIES[kind], "")) | computed


def _flat(properties: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in properties.items():
        if "properties" in field:
            yield from _flat(field["properties"], f"{prefix}{name}.")
        elif field.get("enabled", True) and field.get("doc_values", True):
            yield prefix + name, field["type"]


def layers(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the parts of a visualization that read data: its layers, or itself."""
    return config.get("layers", [config])


def metrics_of(layer: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the numbers that a layer computes."""
    one = [layer["metric"]] if "metric" in layer else []
    y = layer.get("y", [])
    return [*layer.get("metrics", []), *(y if isinstance(y, list) else []), *one]


def buckets_of(layer: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the splits of a layer, outermost first."""
    # A chart splits by series first, then along x.
    named = [layer.get("breakdown_by"), layer.get("x"), layer.get("y")]
    return [*layer.get("rows", []), *(one for one in named if isinstance(one, dict))]
