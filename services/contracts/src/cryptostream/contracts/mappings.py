"""Elasticsearch: the fields of each kind of document."""

from __future__ import annotations

from typing import Any, Final, Literal

Kind = Literal[
    "trades",
    "candles",
    "rolling",
    "history",
    "alerts",
    "receipts",
    "gaps",
    "dead-letters",
    "truth",
    "scores",
    "drift",
    "models",
]

_KEYWORD: Final = {"type": "keyword"}
_DATE: Final = {"type": "date", "format": "epoch_millis"}
_DOUBLE: Final = {"type": "double"}
_LONG: Final = {"type": "long"}
_BOOLEAN: Final = {"type": "boolean"}
#: Columns that are sorted and aggregated but hardly ever searched: half as dear to write. Times
#: (epoch milliseconds) that only serve to be subtracted are among them; a date costs more.
_DOUBLE_COLUMN: Final = {**_DOUBLE, "index": False}
_LONG_COLUMN: Final = {**_LONG, "index": False}
#: Kept in the source to the last digit, and nothing else.
_UNREAD: Final = {"type": "object", "enabled": False}
_STORED: Final = {"type": "keyword", "index": False, "doc_values": False}
_BYTE: Final = {"type": "byte", "index": False}
_INSTRUMENT: Final = {"exchange": _KEYWORD, "category": _KEYWORD, "symbol": _KEYWORD}

#: The technical indicators of a candle, as they stand in its document under `indicators`.
INDICATORS: Final = (
    "rsi_14",
    "macd",
    "macd_signal",
    "macd_histogram",
    "bb_middle",
    "bb_upper",
    "bb_lower",
    "ema_9",
    "ema_21",
    "ema_50",
    "atr_14",
    "obv",
    "stoch_k",
    "stoch_d",
    "vwap",
    "vwap_upper",
    "vwap_lower",
)
#: Statistics of a symbol over a window that ends at `time`; `correlation` is with the
#: exchange's `reference` symbol, `coverage` the share of the window that was seen.
_ROLLING: Final = {
    **_INSTRUMENT,
    "window": _KEYWORD,
    "time": _DATE,
    "reference": _KEYWORD,
    **dict.fromkeys(
        (
            "volume",
            "turnover",
            "return_bps",
            "volatility_bps",
            "high",
            "low",
            "rate",
            "correlation",
            "coverage",
        ),
        _DOUBLE_COLUMN,
    ),
    "trades": _LONG_COLUMN,
    "warm": _BOOLEAN,
    "v": _BYTE,
}

PROPERTIES: Final[dict[Kind, dict[str, Any]]] = {
    "trades": {
        **_INSTRUMENT,
        "trade_id": _KEYWORD,
        "price": _DOUBLE,
        "size": _DOUBLE_COLUMN,
        "notional": _DOUBLE_COLUMN,
        "side": _KEYWORD,
        "trade_time": _DATE,
        "exchange_time": _LONG_COLUMN,
        "ingest_time": _LONG_COLUMN,
        "kafka_time": _LONG_COLUMN,
        "stream_time": _LONG_COLUMN,
        "seq": _LONG_COLUMN,
        "block_trade": _BOOLEAN,
        "rpi": _BOOLEAN,
        "origin": _KEYWORD,
        "shard": _KEYWORD,
        "features": _UNREAD,
        "features_hash": _KEYWORD,
        "warm": _BOOLEAN,
        "prediction": {
            "properties": {
                "direction": _KEYWORD,
                "p_up": {"type": "float"},
                "model": _KEYWORD,
                "no_edge": _BOOLEAN,
                "latency_ms": {"type": "float", "index": False},
                "reason": _KEYWORD,
            }
        },
        "v": _BYTE,
    },
    "candles": {
        **_INSTRUMENT,
        "interval": _KEYWORD,
        "start": _DATE,
        **dict.fromkeys(
            (
                "open",
                "high",
                "low",
                "close",
                "volume",
                "turnover",
                "vwap",
                "buy_volume",
                "sell_volume",
                "ofi",
                "volatility",
            ),
            _DOUBLE_COLUMN,
        ),
        "trades": _LONG_COLUMN,
        "late": _LONG_COLUMN,
        "final": _BOOLEAN,
        "indicators": {"properties": dict.fromkeys(INDICATORS, _DOUBLE_COLUMN)},
        "warm": _BOOLEAN,
        "v": _BYTE,
    },
    "rolling": _ROLLING,
    # What the batch job computes over a past range; `run` names the job's run.
    "history": {**_ROLLING, "run": _KEYWORD},
    "alerts": {
        **_INSTRUMENT,
        "alert_id": _KEYWORD,
        "rule": _KEYWORD,
        "severity": _KEYWORD,
        "time": _DATE,
        "value": _DOUBLE,
        "baseline": _DOUBLE,
        "threshold": _DOUBLE,
        "message": {"type": "text"},
        "evidence": {"type": "flattened"},
        "v": _BYTE,
    },
    # What became of an alert on its way to a person, by channel and chat.
    "receipts": {
        **_INSTRUMENT,
        "alert_id": _KEYWORD,
        "rule": _KEYWORD,
        "severity": _KEYWORD,
        "channel": _KEYWORD,
        "chat": _KEYWORD,
        "state": _KEYWORD,
        "reason": _KEYWORD,
        "attempts": _LONG,
        "alert_time": _DATE,
        "time": _DATE,
        "v": _BYTE,
    },
    "gaps": {
        **_INSTRUMENT,
        "from_time": _DATE,
        "to_time": _DATE,
        "cause": _KEYWORD,
        "state": _KEYWORD,
        "shard": _KEYWORD,
        "gap_id": _KEYWORD,
        "repaired_from": _DATE,
        "stitched": _LONG,
        "recorded_time": _DATE,
        "v": _BYTE,
    },
    "dead-letters": {
        "source": _KEYWORD,
        "component": _KEYWORD,
        "reason": _KEYWORD,
        "detail": {"type": "text"},
        "payload": _STORED,
        "encoding": _KEYWORD,
        "truncated": _BOOLEAN,
        "time": _DATE,
        "v": _BYTE,
    },
    # What the audit found for one minute and one group of symbols.
    "truth": {
        "exchange": _KEYWORD,
        "category": _KEYWORD,
        "start": _DATE,
        "group": _KEYWORD,
        "measured": _DATE,
        **dict.fromkeys(("match", "quiet", "diverged", "miss", "extra"), _LONG),
        "share": _DOUBLE,
        "worst": {
            "properties": {
                "symbol": _KEYWORD,
                "result": _KEYWORD,
                "field": _KEYWORD,
                "divergence": _DOUBLE,
            }
        },
        "v": _BYTE,
    },
    # Predictions against what happened, over a window that ends at `time`; `group` is a symbol,
    # a group of symbols or `all`, `horizon` is seconds.
    "scores": {
        "time": _DATE,
        "window": _KEYWORD,
        "model": _KEYWORD,
        "group": _KEYWORD,
        "horizon": _LONG,
        "n": _LONG,
        **dict.fromkeys(
            (
                "base_rate",
                "auc",
                "auc_low",
                "auc_high",
                "log_loss",
                "base_log_loss",
                "log_loss_skill",
                "brier",
                "base_brier",
                "calibration_error",
                "accuracy",
                "majority_accuracy",
                "tick_rule_auc",
                "side_auc",
                "naive_auc",
                "edge_bps",
            ),
            _DOUBLE,
        ),
        "no_edge": _BOOLEAN,
        "v": _BYTE,
    },
    "drift": {
        "time": _DATE,
        "window": _KEYWORD,
        "feature": _KEYWORD,
        "detector": _KEYWORD,
        "value": _DOUBLE,
        "threshold": _DOUBLE,
        "alarm": _BOOLEAN,
        "v": _BYTE,
    },
    # What happened to models: trained, evaluated, refused, promoted, rolled_back, swapped.
    "models": {
        "time": _DATE,
        "event": _KEYWORD,
        "model": _KEYWORD,
        "previous": _KEYWORD,
        "kind": _KEYWORD,
        "reason": _KEYWORD,
        "data_hash": _KEYWORD,
        "features_hash": _KEYWORD,
        "horizon": _LONG,
        "rows": _LONG,
        **dict.fromkeys(
            (
                "auc",
                "auc_low",
                "auc_high",
                "log_loss_gain",
                "gain_low",
                "naive_auc",
                "calibration_error",
                "seconds",
            ),
            _DOUBLE,
        ),
        "no_edge": _BOOLEAN,
        "v": _BYTE,
    },
}
