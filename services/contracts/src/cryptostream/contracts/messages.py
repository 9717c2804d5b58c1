"""Candles, alerts, gaps and dead letters: the other messages of the pipeline."""

from __future__ import annotations

import base64
from typing import Final, Literal, TypeVar

import msgspec

from cryptostream.contracts.errors import ContractError

MESSAGE_VERSION: Final = 1
#: A dead letter keeps this much of what it could not use; a frame is at most about 142 kB.
MAX_PAYLOAD_BYTES: Final = 256 * 1024

Interval = Literal["1s", "1m", "5m", "15m", "1h"]
INTERVAL_MS: Final[dict[Interval, int]] = {
    "1s": 1_000,
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
}
GapState = Literal["open", "covered", "repaired", "partly_repaired"]
Severity = Literal["info", "warning", "critical"]
Encoding = Literal["utf-8", "base64"]


class Candle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """OHLCV of one symbol over [start, start + interval). `start` is epoch milliseconds, UTC.

    Attributes:
        volume: base units, as are `buy_volume` and `sell_volume` (by the taker's side).
        turnover: quote units; `vwap` = turnover / volume.
        ofi: order-flow imbalance, (buy_volume - sell_volume) / volume, in [-1, 1].
        volatility: realised, sqrt of the sum of squared log returns from trade to trade inside
            the candle; not annualised.
        final: no more trades are waited for; only a late one can still change it.
        late: trades that came after the candle was final and corrected it.
    """

    exchange: str
    category: str
    symbol: str
    interval: Interval
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float
    vwap: float
    trades: int
    buy_volume: float
    sell_volume: float
    ofi: float
    volatility: float
    final: bool
    late: int
    v: int = MESSAGE_VERSION


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something worth a person's look, with its evidence. `time` is epoch milliseconds, UTC."""

    alert_id: str
    rule: str
    severity: Severity
    exchange: str
    category: str
    symbol: str
    time: int
    value: float
    baseline: float
    threshold: float
    message: str
    evidence: dict[str, float]
    v: int = MESSAGE_VERSION


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An interruption of one symbol's feed over [from_time, to_time], epoch milliseconds, UTC.

    A gap is told again each time its state changes; the last word counts.

    Attributes:
        gap_id: the same in every telling, `exchange:category:symbol:instance:from_time:cause`.
        to_time: for a gap that still lasts, the time of the telling.
        cause: a short stable code, such as `silence`.
        state: `open` as long as nothing proves the interval complete; `covered` if another
            connection or instance received it whole; `repaired` if trades fetched afterwards
            overlap both ends; `partly_repaired` if they reach back to a part of it only.
        repaired_from: since when the trades are complete again; `to_time` if nothing was repaired.
        stitched: how many trades were fetched afterwards that nobody had.
    """

    gap_id: str
    exchange: str
    category: str
    symbol: str
    from_time: int
    to_time: int
    cause: str
    state: GapState
    shard: str
    recorded_time: int
    repaired_from: int
    stitched: int = 0
    v: int = MESSAGE_VERSION


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one instance of ingest receives without interruption, told every few seconds.

    Attributes:
        instance: the teller: a pod's name, or `static-<i>/<n>`.
        time: of the telling, epoch milliseconds, UTC.
        since: symbol -> since when its trades came without interruption, epoch milliseconds.
        rates: symbol -> recent trades per second, as the teller saw them.
    """

    exchange: str
    category: str
    instance: str
    time: int
    since: dict[str, int]
    rates: dict[str, float]
    v: int = MESSAGE_VERSION


class DeadLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Input that could not be used: the raw payload, where it came from, and why.

    Attributes:
        source: what produced the payload, such as `bybit/spot/ws` or `bybit-trades/3@1042`.
        component: the room that refused it.
        reason: a short stable code.
        detail: the reason in words.
        payload: the raw bytes as text, or as base64 where they are no UTF-8.
        truncated: whether the payload was longer than `MAX_PAYLOAD_BYTES`.
        time: when it was refused, epoch milliseconds, UTC.
    """

    source: str
    component: str
    reason: str
    detail: str
    payload: str
    encoding: Encoding
    truncated: bool
    time: int
    v: int = MESSAGE_VERSION

    def raw(self) -> bytes:
        """Give the payload back as it came in (its first part, if it was truncated)."""
        if self.encoding == "base64":
            return base64.b64decode(self.payload)
        return self.payload.encode()


def dead_letter(
    payload: bytes, *, source: str, component: str, error: ContractError, now_ms: int
) -> DeadLetter:
    """Build the dead letter of a payload that raised `error`."""
    kept = payload[:MAX_PAYLOAD_BYTES]
    encoding: Encoding = "utf-8"
    try:
        text = kept.decode()
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(kept).decode(), "base64"
    return DeadLetter(
        source=source,
        component=component,
        reason=error.reason,
        detail=error.detail[:500],
        payload=text,
        encoding=encoding,
        truncated=len(kept) < len(payload),
        time=now_ms,
    )


Message = TypeVar("Message", Candle, Alert, Gap, Coverage, DeadLetter)
_ENCODER: Final = msgspec.json.Encoder()


def encode(message: Candle | Alert | Gap | Coverage | DeadLetter) -> bytes:
    """Render a message as JSON."""
    return _ENCODER.encode(message)


def decode(raw: bytes, kind: type[Message]) -> Message:
    """Read a message of the given kind; raises `ContractError` and nothing else."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise ContractError(f"bad_{kind.__name__.lower()}", str(error)[:200]) from error
