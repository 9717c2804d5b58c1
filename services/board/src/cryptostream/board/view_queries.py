"""Request bodies of the views beside the live page: overview, alerts, pipeline, model. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.board.queries import EACH_INSTRUMENT, PAGE, TIMEOUT, Body, up_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.board.instruments import Instrument

#: Statistics are told once a minute; an instrument that missed ten of them is gone.
ROLLING_AGE_MS: Final = 600_000
MATRIX_MINUTES: Final = 60
MATRIX_SIZE: Final = 10
SCORES: Final = 400
EVENTS: Final = 40
NEWEST: Final = 20
RELIABILITY_TRADES: Final = PAGE

ROLLING_FIELDS: Final = (
    "exchange", "category", "symbol", "time", "return_bps", "turnover", "volatility_bps", "rate",
    "trades", "correlation", "reference", "coverage",
)  # fmt: skip
ALERT_FIELDS: Final = (
    "alert_id", "rule", "severity", "exchange", "category", "symbol", "time", "value", "baseline",
    "threshold", "message", "evidence",
)  # fmt: skip
GAP_FIELDS: Final = (
    "gap_id", "exchange", "category", "symbol", "from_time", "to_time", "cause", "state", "shard",
    "stitched", "recorded_time",
)  # fmt: skip
#: Without the payload: it is whatever somebody sent.
DEAD_FIELDS: Final = ("source", "component", "reason", "detail", "time")
SCORE_FIELDS: Final = (
    "time", "window", "model", "group", "horizon", "n", "auc", "auc_low", "auc_high",
    "tick_rule_auc", "side_auc", "naive_auc", "log_loss_skill", "calibration_error", "accuracy",
    "majority_accuracy", "edge_bps", "no_edge",
)  # fmt: skip
MODEL_FIELDS: Final = (
    "time", "event", "model", "previous", "kind", "reason", "horizon", "rows", "auc", "auc_low",
    "auc_high", "naive_auc", "no_edge",
)  # fmt: skip


def _body(size: int, filters: list[Body], fields: Sequence[str] = (), by: str = "time") -> Body:
    return {
        "size": size,
        "track_total_hits": False,
        "timeout": TIMEOUT,
        "_source": list(fields),
        "query": {"bool": {"filter": filters}},
        "sort": [{by: {"order": "desc", "unmapped_type": "date"}}],
    }


def rolling_newest_body(window: str) -> Body:
    """Ask for the newest statistic's time."""
    return _body(1, [{"term": {"window": window}}], ("time",))


def rolling_body(window: str, newest_ms: int) -> Body:
    """Ask for each instrument's newest statistic over `window` (5m, 1h or 24h)."""
    since = {"gte": newest_ms - ROLLING_AGE_MS, "format": "epoch_millis"}
    body = _body(0, [{"term": {"window": window}}, {"range": {"time": since}}])
    newest = {"top_hits": {"size": 1, "sort": [{"time": "desc"}], "_source": list(ROLLING_FIELDS)}}
    return body | {"aggs": {"instruments": EACH_INSTRUMENT | {"aggs": {"newest": newest}}}}


def closes_body(instruments: Sequence[Instrument], newest_ms: int) -> Body:
    """Ask for the 1-minute closes of some instruments, for the correlation matrix."""
    since = {"gt": newest_ms - MATRIX_MINUTES * 60_000, "lte": newest_ms, "format": "epoch_millis"}
    either: list[Body] = [{"bool": {"filter": one.filters()}} for one in instruments]
    filters: list[Body] = [
        {"term": {"interval": "1m"}},
        {"range": {"start": since}},
        {"bool": {"should": either}},
    ]
    fields = ("exchange", "category", "symbol", "start", "close")
    return _body(MATRIX_SIZE * (MATRIX_MINUTES + 1), filters, fields, "start")


def alerts_body(limit: int, filters: list[Body], until: int | None) -> Body:
    """Ask for the newest alerts."""
    return _body(limit, [*filters, *up_to("time", until)], ALERT_FIELDS)


def gaps_body(since_ms: int) -> Body:
    """Ask for the gaps since then: counts by state and cause, and the newest."""
    since = {"range": {"from_time": {"gte": since_ms, "format": "epoch_millis"}}}
    return _body(NEWEST, [since], GAP_FIELDS, "from_time") | {
        "aggs": {name: {"terms": {"field": name, "size": 20}} for name in ("state", "cause")}
    }


def dead_letters_body(since_ms: int) -> Body:
    """Ask for the dead letters since then: counts by component and reason, and the newest."""
    since = {"range": {"time": {"gte": since_ms, "format": "epoch_millis"}}}
    return _body(NEWEST, [since], DEAD_FIELDS) | {
        "track_total_hits": True,
        "aggs": {name: {"terms": {"field": name, "size": 20}} for name in ("component", "reason")},
    }


def scores_body() -> Body:
    """Ask for the newest scores of all symbols together."""
    return _body(SCORES, [{"term": {"group": "all"}}], SCORE_FIELDS)


def models_body() -> Body:
    """Ask for what happened to models."""
    return _body(EVENTS, [], MODEL_FIELDS)


def reliability_body(instrument: Instrument) -> Body:
    """Ask for an instrument's newest trades with what the model said, newest first."""
    body = _body(RELIABILITY_TRADES, instrument.filters(), (), "trade_time")
    # Columns: a source carries the feature vector, and 5,000 of those take seconds.
    body["_source"] = False
    body["docvalue_fields"] = [
        {"field": "trade_time", "format": "epoch_millis"},
        *({"field": name} for name in ("price", "side", "prediction.p_up")),
    ]
    body["sort"].append({"seq": {"order": "desc", "unmapped_type": "long"}})
    return body
