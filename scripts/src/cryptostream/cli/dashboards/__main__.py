"""Write the dashboards' JSON next to the chart: `python -m cryptostream.cli.dashboards DIRECTORY`.

The files are generated and committed; a test says when they are out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cryptostream.cli.dashboards import (
    alarms,
    charts,
    data_views,
    grafana_pages,
    market,
    model,
    quality,
)
from cryptostream.cli.dashboards.shape import check_dashboard


def files() -> dict[str, Any]:
    """Give every file's content by its path under the chart's `dashboards`."""
    bodies = {page.ID: page.dashboard() for page in (market, model, alarms, quality)}
    for body in bodies.values():
        check_dashboard(body)
    kibana: dict[str, Any] = {f"kibana/{name}.json": body for name, body in bodies.items()}
    kibana["kibana/data-views.json"] = data_views.data_views()
    kibana[f"kibana/{charts.ID}.saved-objects.json"] = charts.saved_objects()
    return kibana | {f"grafana/{page['uid']}.json": page for page in grafana_pages.pages()}


def render(content: Any) -> str:
    """Write JSON for readers."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files into the directory that is named; give the exit status."""
    root = Path(*arguments)
    for name, content in files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
