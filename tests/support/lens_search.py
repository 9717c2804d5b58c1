"""The search that a panel of Kibana's Lens makes, so that it can be run without a Kibana.

Follows how Lens turns its operations into aggregations: a terms split is ordered by the panel's
metric, `last_value` is the newest document's value, a filtered metric sits in a filter of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from support.dashboard_files import KINDS, buckets_of, metrics_of

from cryptostream.cli.dashboards.data_views import RUNTIME_FIELDS, TIME_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
_PLAIN = {"sum": "sum", "average": "avg", "min": "min", "max": "max", "unique_count": "cardinality"}
INTERVAL = "1m"
HISTOGRAM_STEP = 0.05


def search(layer: Json, query: Json | None, since: int, until: int) -> tuple[str, Json]:
    """Give the index pattern and the body; times are epoch milliseconds."""
    kind = KINDS[layer["data_source"]["ref_id"]]
    within = {"gte": since, "lte": until, "format": "epoch_millis"}
    filters: list[Json] = [{"range": {TIME_FIELDS[kind]: within}}]
    if query:
        filters.append(kql(query["expression"]))
    metrics = metrics_of(layer)
    aggs = {f"m{place}": _metric(metric) for place, metric in enumerate(metrics)}
    for place, bucket in reversed(list(enumerate(buckets_of(layer)))):
        made = _bucket(bucket, metrics[0])
        aggs = {f"b{place}": made | {"aggs": made.get("aggs", {}) | aggs}}
    body = {
        "size": 0,
        "track_total_hits": True,
        "runtime_mappings": RUNTIME_FIELDS.get(kind, {}),
        "query": {"bool": {"filter": filters}},
        "aggs": aggs,
    }
    return f"crypto-{kind}-*", body


def kql(expression: str) -> Json:
    """Turn the little KQL that the dashboards use into Elasticsearch's query string."""
    text = re.sub(r":\s+", ":", expression)
    text = re.sub(r"\b(and|or|not)\b", lambda found: found[1].upper(), text)
    return {"query_string": {"query": text}}


def _metric(metric: Json) -> Json:
    operation, field = metric["operation"], metric.get("field")
    if operation == "count":
        made: Json = {"filter": {"match_all": {}}}
    elif operation == "last_value":
        # Lens asks for `top_metrics`, which gives the same; this one every distribution has.
        newest = {"size": 1, "sort": [{metric["time_field"]: "desc"}], "_source": False}
        exists = {"filter": {"exists": {"field": field}}}
        made = exists | {"aggs": {"newest": {"top_hits": newest | {"fields": [field]}}}}
    elif operation in {"percentile", "median"}:
        made = {"percentiles": {"field": field, "percents": [metric.get("percentile", 50)]}}
    else:
        made = {_PLAIN[operation]: {"field": field}}
    where = metric.get("filter")
    if where:
        return {"filter": kql(where["expression"]), "aggs": {"of": made}}
    return made


def _bucket(bucket: Json, first: Json) -> Json:
    operation = bucket["operation"]
    if operation == "date_histogram":
        made: Json = {"field": bucket["field"], "fixed_interval": INTERVAL, "min_doc_count": 1}
    elif operation == "histogram":
        made = {"field": bucket["field"], "interval": HISTOGRAM_STEP, "min_doc_count": 1}
    else:
        (field,) = bucket["fields"]
        made = {"field": field, "size": bucket["limit"]}
        return {operation: made} | _ranked(made, bucket["rank_by"], first)
    return {operation: made}


def _ranked(made: Json, rank: Json, first: Json) -> Json:
    """Order a terms split; give the aggregation that this needs beside the panel's own."""
    if rank["type"] == "custom":
        made["order"] = {"rank": rank["direction"]}
        return {"aggs": {"rank": {_PLAIN[rank["operation"]]: {"field": rank["field"]}}}}
    plain = first["operation"] in _PLAIN and not first.get("filter")
    made["order"] = {"m0" if plain else "_count": rank["direction"]}
    # Ordering needs the metric directly below the split, also where further splits lie between.
    return {"aggs": {"m0": _metric(first)}} if plain else {}


def rows(aggregations: Json, depth: int) -> Iterator[Json]:
    """Give the innermost buckets of an answer, each with its metrics."""
    if depth == 0:
        yield aggregations
        return
    for bucket in next(
        value["buckets"] for key, value in aggregations.items() if key.startswith("b")
    ):
        yield from rows(bucket, depth - 1)


def value(row: Json, place: int) -> Any:
    """Read a metric of a row; None if there is none."""
    found = row[f"m{place}"]
    found = found.get("of", found)
    if "newest" in found:
        hits = found["newest"]["hits"]["hits"]
        return next(iter(hits[0]["fields"].values()))[0] if hits else None
    if "values" in found:
        return next(iter(found["values"].values()))
    return found.get("value", found.get("doc_count"))
