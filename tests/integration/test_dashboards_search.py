"""Every panel of Kibana's dashboards, run against a real Elasticsearch that holds samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support import vega
from support.dashboard_files import buckets_of, kibana_dashboards, layers, metrics_of, vega_specs
from support.documents import now_ms
from support.lens_search import rows, search, value
from support.sample_documents import MINUTE_MS, SYMBOLS, delete_samples, write_samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration
MINUTES = 30
PANELS = [
    pytest.param(panel["config"], id=f"{name}-{panel['config']['title']}")
    for name, body in kibana_dashboards().items()
    for panel in body["panels"]
    if panel["type"] == "vis"
]


@pytest.fixture(scope="module")
def until(elasticsearch_url: str) -> Iterator[int]:
    """Write the samples and give the moment after them."""
    now = now_ms()
    places = write_samples(elasticsearch_url, now, minutes=MINUTES)
    yield now + MINUTE_MS
    delete_samples(elasticsearch_url, places)


def ask(url: str, index: str, body: dict[str, Any]) -> dict[str, Any]:
    """Search; fail with Elasticsearch's own words."""
    answer = httpx.post(f"{url}/{index}/_search", json=body, timeout=30)
    assert answer.status_code == 200, answer.text[:2000]
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("config", PANELS)
def test_a_panel_has_rows(elasticsearch_url: str, until: int, config: dict[str, Any]) -> None:
    """Each of its numbers has a value in at least one row, and splits give more than one."""
    for layer in layers(config):
        since = until - (MINUTES + 60) * MINUTE_MS
        index, body = search(layer, config.get("query"), since, until)
        answer = ask(elasticsearch_url, index, body)
        splits = buckets_of(layer)
        found = list(rows(answer["aggregations"], len(splits)))
        assert len(found) > (1 if splits else 0)
        for place, metric in enumerate(metrics_of(layer)):
            values = [value(row, place) for row in found]
            there = [one for one in values if one is not None and not _is_nothing(one)]
            assert there, f"{metric['operation']} of {metric.get('field')} is nowhere"
            if metric["operation"] == "count":
                assert max(there) > 0


def _is_nothing(found: Any) -> bool:
    return isinstance(found, float) and not math.isfinite(found)


@pytest.mark.parametrize("name", list(vega_specs()))
def test_a_vega_chart_draws_its_search(
    elasticsearch_url: str, until: int, name: str, tmp_path: Path
) -> None:
    """Its own search gives data of the symbols chosen, and the drawing a mark for each of it."""
    spec = vega_specs()[name]
    index, body = vega.search(spec, until - (MINUTES + 2) * MINUTE_MS, until, SYMBOLS)
    answer = ask(elasticsearch_url, index, body)
    # The map shows whatever is chosen all symbols, those of other tests among them.
    found = answer["aggregations"]["symbols"]
    found["buckets"] = symbols = [one for one in found["buckets"] if one["key"] in SYMBOLS]
    drawing = vega.svg(spec, answer)
    (tmp_path / f"{name}.png").write_bytes(vega.png(spec, answer))
    if name == "candles":
        (busiest,) = symbols
        candles = busiest["intervals"]["buckets"][0]["candles"]["buckets"]
        assert len(candles) == MINUTES
        assert busiest["key"] in drawing
        # Body and volume of each candle; the bands begin once they are warm.
        assert drawing.count("<path") >= 2 * MINUTES
    else:
        assert {one["key"] for one in symbols} == set(SYMBOLS)
        assert all(symbol in drawing for symbol in SYMBOLS)


@pytest.mark.parametrize("name", list(vega_specs()))
def test_a_vega_chart_says_that_there_is_nothing(name: str) -> None:
    """An empty answer is drawn as a sentence, not as an error."""
    empty = {"aggregations": {"symbols": {"buckets": []}}}
    assert "in this time range" in vega.svg(vega_specs()[name], empty)
