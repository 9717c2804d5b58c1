"""Events and alerts for tests of their delivery."""

from __future__ import annotations

from typing import Any

from cryptostream.alerts.model import Event
from cryptostream.contracts.messages import Alert


def event(**changes: Any) -> Event:
    """Make an event of the market."""
    fields: dict[str, Any] = {
        "event_id": "bybit:spot:BTCUSDT:price_jump:1",
        "source": "market",
        "rule": "price_jump",
        "severity": "warning",
        "exchange": "bybit",
        "category": "spot",
        "symbol": "BTCUSDT",
        "time": 1_795_348_800_000,
        "message": "Price rose 2.1 % within a minute",
        "value": 210.0,
        "baseline": 12.0,
        "threshold": 100.0,
        "evidence": {"trades": 412.0},
    }
    fields |= changes
    return Event(**{"subject": fields["symbol"] or "f00", **fields})


def alert(number: int, time_ms: int, **changes: Any) -> Alert:
    """Make an alert as the stream sends it; each number is another symbol."""
    fields: dict[str, Any] = {
        "alert_id": f"bybit:spot:S{number}USDT:price_jump:{time_ms}",
        "rule": "price_jump",
        "severity": "warning",
        "exchange": "bybit",
        "category": "spot",
        "symbol": f"S{number}USDT",
        "time": time_ms,
        "value": 210.0,
        "baseline": 12.0,
        "threshold": 100.0,
        "message": "Price rose 2.1 % within a minute",
        "evidence": {"trades": 412.0},
    }
    return Alert(**fields | changes)
