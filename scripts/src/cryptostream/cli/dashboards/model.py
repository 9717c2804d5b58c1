"""Kibana's Model dashboard: what is predicted, how surely, and whether it is worth anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.cli.dashboards import lens
from cryptostream.cli.dashboards.lens import GREEN, RED, Json

if TYPE_CHECKING:
    from collections.abc import Sequence

ID: Final = "crypto-model"
_NOTE: Final = (
    "**How to read this.** AUC 0.5 is a coin. *Honest* is the price of the next order of the same "
    "side, ten seconds on; *naive* is the literal next trade, which the bounce between bid and "
    "ask lets anyone guess: it stands here to show how much of a high score is that bounce. A "
    "model with `no edge` has not been shown to beat chance."
)
#: The lines of all symbols at the horizon that is served, in seconds.
_ALL: Final = "group: all and horizon: 10"


def dashboard() -> Json:
    """Make the dashboard's body."""
    return lens.dashboard(
        "Cryptostream: Model",
        "Predictions, confidence, the live score beside its baselines, calibration, versions.",
        [
            lens.control("trades", "symbol", "Symbol"),
            lens.control("trades", "prediction.direction", "Prediction"),
            lens.control("trades", "prediction.model", "Model version"),
            lens.control("scores", "model", "Scored model"),
            lens.control("scores", "window", "Score window"),
            lens.time_slider(),
        ],
        [
            (3, [(48, _links())]),
            (6, _numbers()),
            (13, [(24, _predictions()), (24, _confidence())]),
            (14, [(28, _score()), (20, lens.text(_NOTE))]),
            (13, [(24, _loss()), (24, _calibration())]),
            (13, [(24, _p_up()), (24, _versions())]),
            (13, [(28, _events()), (20, _drift())]),
        ],
    )


def _links() -> Json:
    return lens.links(
        ("crypto-market", "Market"),
        ("crypto-charts", "Candlesticks and map"),
        ("crypto-alerts", "Alerts"),
        ("crypto-data-quality", "Data quality"),
    )


def _numbers() -> list[tuple[int, Json]]:
    predicted = lens.count("Predicted", where="prediction.p_up: *")
    return [
        (12, lens.number("Predictions", "trades", predicted)),
        (
            12,
            lens.number(
                "Without edge", "trades", lens.count("No edge", where="prediction.no_edge: true")
            ),
        ),
        (
            12,
            lens.number(
                "Not predicted", "trades", lens.count("No prediction", where="prediction.reason: *")
            ),
        ),
        (
            12,
            lens.number(
                "Live AUC", "scores", lens.last("scores", "auc", "AUC, newest"), where=_ALL
            ),
        ),
    ]


def _predictions() -> Json:
    up, down = (
        lens.count(label, where=f"prediction.direction: {way}")
        | {"color": {"type": "static", "color": color}}
        for way, label, color in (("up", "Up", GREEN), ("down", "Down", RED))
    )
    config = lens.chart("Predictions", "trades", [up, down], shape="bar_stacked")
    return lens.drilldown(config, "crypto-market", "Market")


def _confidence() -> Json:
    ys = [
        lens.metric("percentile", "confidence", f"p{share}", percentile=share)
        for share in (50, 90, 99)
    ]
    return lens.chart("Confidence: the larger of p(up) and p(down)", "trades", ys)


def _lines(title: str, fields: Sequence[tuple[str, str]]) -> Json:
    ys = [lens.last("scores", field, label) for field, label in fields]
    config = lens.chart(title, "scores", ys, where=_ALL)
    return config | {"styling": {"fitting": {"type": "carry"}}}


def _score() -> Json:
    return _lines(
        "Live score beside what needs no model: honest AUC, naive AUC, tick rule, side",
        (
            ("auc", "Honest"),
            ("auc_low", "Honest, low"),
            ("auc_high", "Honest, high"),
            ("naive_auc", "Naive"),
            ("tick_rule_auc", "Tick rule"),
            ("side_auc", "Side"),
        ),
    )


def _loss() -> Json:
    return _lines(
        "Log loss and Brier score beside the base rate's",
        (
            ("log_loss", "Log loss"),
            ("base_log_loss", "Base log loss"),
            ("brier", "Brier"),
            ("base_brier", "Base Brier"),
        ),
    )


def _calibration() -> Json:
    return _lines(
        "Calibration error, accuracy and base rate",
        (
            ("calibration_error", "Calibration error"),
            ("accuracy", "Accuracy"),
            ("majority_accuracy", "Accuracy of the majority"),
            ("base_rate", "Base rate"),
        ),
    )


def _p_up() -> Json:
    x = {"operation": "histogram", "field": "prediction.p_up", "granularity": 5}
    return lens.chart(
        "Distribution of p(up)", "trades", [lens.count("Trades")], shape="bar", x=x,
        where="prediction.p_up: *",
    )  # fmt: skip


def _versions() -> Json:
    return lens.chart(
        "Predictions by model version", "trades", [lens.count("Predictions")],
        shape="bar_percentage", split=lens.top("prediction.model", 6), where="prediction.p_up: *",
    )  # fmt: skip


def _events() -> Json:
    return lens.table(
        "What happened to models",
        "models",
        [lens.top("model", 20, label="Model"), lens.top("event", 6, label="Event")],
        [
            lens.metric("max", "time", "When"),
            lens.last("models", "auc", "AUC"),
            lens.last("models", "naive_auc", "Naive AUC"),
            lens.last("models", "rows", "Rows"),
            lens.last("models", "reason", "Reason"),
        ],
    )


def _drift() -> Json:
    return lens.table(
        "Drift of features",
        "drift",
        [lens.top("feature", 20, label="Feature"), lens.top("detector", 3, label="Detector")],
        [
            lens.metric("max", "value", "Value"),
            lens.last("drift", "threshold", "Threshold"),
            lens.count("Alarms", where="alarm: true"),
        ],
    )
