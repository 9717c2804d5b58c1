"""Kibana's data views, one per kind of index, with the fields that are computed when read."""

from __future__ import annotations

from typing import Any, Final

from cryptostream.contracts.indices import PREFIX, Kind

#: The time field of each kind: what the time picker filters by.
TIME_FIELDS: Final[dict[Kind, str]] = {
    "trades": "trade_time",
    "candles": "start",
    "rolling": "time",
    "history": "time",
    "alerts": "time",
    "receipts": "time",
    "gaps": "from_time",
    "dead-letters": "time",
    "truth": "start",
    "scores": "time",
    "drift": "time",
    "models": "time",
}
_NAMES: Final[dict[Kind, str]] = {
    "trades": "Trades with predictions",
    "candles": "Candles with indicators",
    "rolling": "Rolling statistics",
    "history": "Statistics of the past",
    "alerts": "Alerts",
    "receipts": "Receipts of alerts",
    "gaps": "Gaps of the feed",
    "dead-letters": "Dead letters",
    "truth": "Candles against the exchange's",
    "scores": "Live scores of the model",
    "drift": "Drift of the features",
    "models": "Events of models",
}


def _computed(kind: str, source: str, *needs: str) -> dict[str, Any]:
    """Make a runtime field that is left out where a field it needs is missing."""
    there = " && ".join(f"doc['{name}'].size() > 0" for name in needs)
    return {"type": kind, "script": {"source": f"if ({there}) {{ emit({source}); }}"}}


#: Fields of no document: Elasticsearch computes them from stored columns when a panel asks.
RUNTIME_FIELDS: Final[dict[Kind, dict[str, Any]]] = {
    "trades": {
        "confidence": _computed(
            "double",
            "Math.max(doc['prediction.p_up'].value, 1 - doc['prediction.p_up'].value)",
            "prediction.p_up",
        ),
        "stream_lag_ms": _computed(
            "long",
            "doc['stream_time'].value - doc['exchange_time'].value",
            "stream_time",
            "exchange_time",
        ),
    },
    "candles": {
        "return_bps": _computed(
            "double", "(doc['close'].value / doc['open'].value - 1) * 10000", "close", "open"
        ),
    },
    "gaps": {
        "length_seconds": _computed(
            "double",
            "(doc['to_time'].value.toInstant().toEpochMilli()"
            " - doc['from_time'].value.toInstant().toEpochMilli()) / 1000.0",
            "to_time",
            "from_time",
        ),
    },
}


def data_view_id(kind: Kind) -> str:
    """Name the data view of a kind; ids are fixed, so that dashboards can refer to them."""
    return f"{PREFIX}-{kind}"


def data_views() -> list[dict[str, Any]]:
    """Give every data view, as `POST /api/data_views/data_view` takes it."""
    return [
        {
            "id": data_view_id(kind),
            "title": f"{PREFIX}-{kind}-*",
            "name": f"Cryptostream: {_NAMES[kind]}",
            "timeFieldName": field,
            # The indices come with the first documents; the dashboards are there before.
            "allowNoIndex": True,
            "runtimeFieldMap": RUNTIME_FIELDS.get(kind, {}),
        }
        for kind, field in TIME_FIELDS.items()
    ]
