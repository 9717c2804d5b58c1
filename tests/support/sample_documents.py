"""Documents of every kind as the rooms write them, around a moment: for what reads Elasticsearch.

    write_samples(url, now_ms(), minutes=30)

Seeded: the same moment gives the same documents. Every field of the contract has a value.
"""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import httpx

from cryptostream.contracts.indices import Kind, candle_id, index_name, trade_id
from cryptostream.contracts.mappings import INDICATORS
from cryptostream.contracts.messages import INTERVAL_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Document = dict[str, Any]
#: Of no other test: what reads them must find these documents alone.
SYMBOLS = ("SAMPLEAUSDT", "SAMPLEBUSDT", "SAMPLECUSDT")
PRICES = dict(zip(SYMBOLS, (60_000.0, 3_000.0, 150.0), strict=True))
MODELS = ("direction-forest:old", "direction-forest:new")
MINUTE_MS = 60_000
BAND_MINUTES = 20
#: The field that says when a document happened, and so in which index it stands.
TIMES: dict[Kind, str] = {
    "trades": "trade_time",
    "candles": "start",
    "gaps": "from_time",
    "truth": "start",
}


def samples(now: int, *, minutes: int = 30, seed: int = 7) -> dict[Kind, list[Document]]:
    """Make documents of the last `minutes`, some of every kind; `now` is epoch milliseconds."""
    draw = random.Random(seed)
    start = now // MINUTE_MS * MINUTE_MS - minutes * MINUTE_MS
    makers: dict[Kind, Callable[[random.Random, int, int], Iterator[Document]]] = {
        "trades": _trades,
        "candles": _candles,
        "rolling": _rolling,
        "history": _history,
        "alerts": _alerts,
        "receipts": _receipts,
        "gaps": _gaps,
        "dead-letters": _dead_letters,
        "truth": _truth,
        "scores": _scores,
        "drift": _drift,
        "models": _models,
    }
    return {kind: list(make(draw, start, minutes)) for kind, make in makers.items()}


def write_samples(url: str, now: int, *, minutes: int = 30) -> list[Document]:
    """Write the documents, searchable when this returns; give their places.

    Fails unless each is taken.
    """
    places, lines = [], []
    for kind, documents in samples(now, minutes=minutes).items():
        for number, one in enumerate(documents):
            name = index_name(kind, one[TIMES.get(kind, "time")])
            places.append({"_index": name, "_id": _identity(kind, one, number)})
            lines += [{"index": places[-1]}, one]
    _bulk(url, lines)
    return places


def delete_samples(url: str, places: list[Document]) -> None:
    """Delete what `write_samples` wrote, and nothing else."""
    _bulk(url, [{"delete": place} for place in places])


def _bulk(url: str, lines: list[Document]) -> None:
    answer = httpx.post(
        f"{url}/_bulk",
        params={"refresh": "true"},
        content="".join(f"{json.dumps(line)}\n" for line in lines),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=60,
    ).json()
    done = [result for item in answer["items"] for result in item.values()]
    failed = [result for result in done if result["status"] >= 300]
    assert not failed, failed[:3]


def _identity(kind: Kind, one: Document, number: int) -> str:
    if kind == "trades":
        return trade_id(one["exchange"], one["category"], one["symbol"], one["trade_id"])
    if kind == "candles":
        who = (one["exchange"], one["category"], one["symbol"], one["interval"])
        return candle_id(*who, one["start"])
    return f"sample-{number}"


def _who(symbol: str) -> Document:
    return {"exchange": "bybit", "category": "spot", "symbol": symbol}


def _price(symbol: str, minute: float) -> float:
    """Walk smoothly around the symbol's usual price."""
    base = PRICES[symbol]
    return round(base * (1 + 0.004 * math.sin(minute / 5) + 0.001 * math.sin(minute * 1.7)), 4)


def _trades(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for number in range(minutes * 20):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        time_ms = start + number * 3_000
        price, size = _price(symbol, number / 20), round(draw.lognormvariate(-2, 1), 5)
        clocks = [time_ms + 10, time_ms + 25, time_ms + 33, time_ms + 120 + draw.randrange(80)]
        named = ("exchange_time", "ingest_time", "kafka_time", "stream_time")
        yield (
            _who(symbol)
            | dict(zip(named, clocks, strict=True))
            | {
                "trade_id": f"sample-{number}",
                "price": price,
                "size": size,
                "notional": price * size,
                "side": draw.choice(("buy", "sell")),
                "trade_time": time_ms,
                "seq": number,
                "block_trade": False,
                "rpi": False,
                "origin": "stitched" if number % 50 == 0 else "live",
                "shard": f"{number % 2}/2",
                "features": {},
                "features_hash": "0123456789abcdef",
                "warm": number > 60,
                "prediction": _prediction(draw, number, minutes * 10),
                "v": 1,
            }
        )


def _prediction(draw: random.Random, number: int, changed: int) -> Document:
    if number % 25 == 0:
        return {"reason": "circuit_open"}
    p_up = round(min(0.95, max(0.05, draw.gauss(0.5, 0.1))), 4)
    return {
        "direction": "up" if p_up >= 0.5 else "down",
        "p_up": p_up,
        "model": MODELS[number >= changed],
        "no_edge": number < changed,
        "latency_ms": round(draw.lognormvariate(2, 0.3), 2),
    }


def _candles(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for interval, length in INTERVAL_MS.items():
        step = max(1, length // MINUTE_MS)
        for symbol in SYMBOLS:
            closes: list[float] = []
            for minute in range(0, minutes, step):
                made = _candle(draw, symbol, minute, step)
                closes.append(made["close"])
                yield (
                    _who(symbol)
                    | made
                    | {
                        "interval": interval,
                        "start": (start + minute * MINUTE_MS) // length * length,
                        "late": 1 if minute % 7 == 0 else 0,
                        "final": minute + step < minutes,
                        **_indicators(closes),
                        "v": 1,
                    }
                )


def _candle(draw: random.Random, symbol: str, minute: int, step: int) -> Document:
    opened, closed = _price(symbol, minute), _price(symbol, minute + step)
    wick = abs(draw.gauss(0, 0.0006))
    volume = draw.lognormvariate(1, 0.5)
    bought = volume * draw.uniform(0.3, 0.7)
    return {
        "open": opened,
        "high": max(opened, closed) * (1 + wick),
        "low": min(opened, closed) * (1 - wick),
        "close": closed,
        "volume": volume,
        "turnover": volume * closed,
        "vwap": (opened + closed) / 2,
        "buy_volume": bought,
        "sell_volume": volume - bought,
        "ofi": 2 * bought / volume - 1,
        "volatility": abs(draw.gauss(0.001, 0.0003)),
        "trades": draw.randrange(5, 60),
    }


def _indicators(closes: list[float]) -> Document:
    """Give true Bollinger bands, and values that only have to be there for the rest."""
    window = closes[-BAND_MINUTES:]
    if len(window) < BAND_MINUTES:
        return {"indicators": {"ema_9": closes[-1]}, "warm": False}
    mean = sum(window) / len(window)
    spread = 2 * math.sqrt(sum((one - mean) ** 2 for one in window) / len(window))
    bands = {"bb_middle": mean, "bb_upper": mean + spread, "bb_lower": mean - spread}
    return {"indicators": dict.fromkeys(INDICATORS, closes[-1]) | bands, "warm": True}


def _rolling(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for minute in range(minutes):
        for symbol in SYMBOLS:
            for window in ("5m", "1h", "24h"):
                yield _who(symbol) | {
                    "window": window,
                    "time": start + minute * MINUTE_MS,
                    "reference": SYMBOLS[0],
                    "volume": draw.lognormvariate(4, 0.3),
                    "turnover": draw.lognormvariate(10, 0.3) * (3 - SYMBOLS.index(symbol)),
                    "return_bps": draw.gauss(0, 25),
                    "volatility_bps": abs(draw.gauss(20, 5)),
                    "high": PRICES[symbol] * 1.01,
                    "low": PRICES[symbol] * 0.99,
                    "rate": draw.uniform(0.2, 4),
                    "correlation": draw.uniform(0.2, 1),
                    "coverage": draw.uniform(0.8, 1),
                    "trades": draw.randrange(100, 900),
                    "warm": True,
                    "v": 1,
                }


def _history(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for one in _rolling(draw, start, min(minutes, 3)):
        yield one | {"run": "sample"}


def _alerts(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    rules = ("price_jump", "volume_surge", "silence")
    for number in range(minutes):
        value = draw.uniform(4, 9)
        yield _who(SYMBOLS[number % len(SYMBOLS)]) | {
            "alert_id": f"sample-{number}",
            "rule": rules[number % len(rules)],
            "severity": ("info", "warning", "critical")[number % 3],
            "time": start + number * MINUTE_MS,
            "value": value,
            "baseline": 1.0,
            "threshold": 4.0,
            "message": f"{value:.1f} times its usual",
            "evidence": {"trades": float(number)},
            "v": 1,
        }


def _receipts(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for number, alert in enumerate(_alerts(draw, start, minutes)):
        kept = ("alert_id", "rule", "severity", "exchange", "category", "symbol", "v")
        yield {name: alert[name] for name in kept} | {
            "channel": "telegram",
            "chat": "account",
            "state": ("delivered", "suppressed", "failed")[number % 3],
            "reason": ("ok", "cooldown", "timeout")[number % 3],
            "attempts": 1 + number % 3,
            "alert_time": alert["time"],
            "time": alert["time"] + 900,
        }


def _gaps(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    states = ("covered", "repaired", "partly_repaired", "open")
    for number in range(max(4, minutes // 3)):
        since = start + number * 3 * MINUTE_MS // 2
        until = since + draw.randrange(1_000, 30_000)
        yield _who(SYMBOLS[number % len(SYMBOLS)]) | {
            "gap_id": f"sample-{number}",
            "from_time": since,
            "to_time": until,
            "cause": ("silence", "closed", "start")[number % 3],
            "state": states[number % len(states)],
            "shard": "0/2",
            "repaired_from": since,
            "stitched": number,
            "recorded_time": until + 500,
            "v": 1,
        }


def _dead_letters(_: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for number in range(max(4, minutes // 2)):
        yield {
            "source": "bybit/spot/ws" if number % 2 else "bybit-trades/0@17",
            "component": "ingest" if number % 2 else "stream",
            "reason": ("bad_json", "bad_trade", "bad_price")[number % 3],
            "detail": "trade.p: must be positive",
            "payload": "{}",
            "encoding": "utf-8",
            "truncated": False,
            "time": start + number * MINUTE_MS,
            "v": 1,
        }


def _truth(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for minute in range(minutes):
        wrong = minute % 10 == 0
        yield {
            "exchange": "bybit",
            "category": "spot",
            "start": start + minute * MINUTE_MS,
            "group": "busy",
            "measured": start + (minute + 2) * MINUTE_MS,
            "match": 9 if wrong else 10,
            "quiet": 2,
            "diverged": 1 if wrong else 0,
            "miss": 0,
            "extra": 0,
            "share": 0.9 if wrong else 1.0,
            "worst": [
                {
                    "symbol": SYMBOLS[minute % len(SYMBOLS)],
                    "result": "diverged" if wrong else "match",
                    "field": "volume",
                    "divergence": draw.uniform(0, 0.01),
                }
            ],
            "v": 1,
        }


def _scores(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for minute in range(0, minutes, 2):
        for group, horizon in (("all", 10), ("all", 60), ("busy", 10)):
            auc = 0.55 + draw.gauss(0, 0.01)
            yield {
                "time": start + minute * MINUTE_MS,
                "window": "1h",
                "model": MODELS[minute >= minutes // 2],
                "group": group,
                "horizon": horizon,
                "n": 900,
                "base_rate": 0.5,
                "auc": auc,
                "auc_low": auc - 0.02,
                "auc_high": auc + 0.02,
                "log_loss": 0.685,
                "base_log_loss": 0.693,
                "log_loss_skill": 0.011,
                "brier": 0.247,
                "base_brier": 0.25,
                "calibration_error": 0.02,
                "accuracy": 0.54,
                "majority_accuracy": 0.51,
                "tick_rule_auc": 0.52,
                "side_auc": 0.51,
                "naive_auc": 0.74,
                "edge_bps": 0.2,
                "no_edge": False,
                "v": 1,
            }


def _drift(draw: random.Random, start: int, minutes: int) -> Iterator[Document]:
    for number in range(minutes):
        value = draw.uniform(0, 0.4)
        yield {
            "time": start + number * MINUTE_MS,
            "window": "1h",
            "feature": ("spread", "imbalance", "speed")[number % 3],
            "detector": "psi",
            "value": value,
            "threshold": 0.25,
            "alarm": value > 0.25,
            "v": 1,
        }


def _models(_: random.Random, start: int, minutes: int) -> Iterator[Document]:
    events = ("trained", "evaluated", "refused", "promoted", "swapped", "rolled_back")
    for number, event in enumerate(events):
        yield {
            "time": start + number * minutes * MINUTE_MS // len(events),
            "event": event,
            "model": MODELS[number % 2],
            "previous": MODELS[0],
            "kind": "forest",
            "reason": "better than the one in service",
            "data_hash": "d" * 16,
            "features_hash": "f" * 16,
            "horizon": 10,
            "rows": 120_000,
            "auc": 0.56,
            "auc_low": 0.54,
            "auc_high": 0.58,
            "log_loss_gain": 0.004,
            "gain_low": 0.001,
            "naive_auc": 0.75,
            "calibration_error": 0.02,
            "seconds": 41.0,
            "no_edge": False,
            "v": 1,
        }
