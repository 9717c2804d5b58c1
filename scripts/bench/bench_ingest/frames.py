"""Spot trade frames as the exchange sends them, rendered ahead of their sending. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

COINS: Final = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "LTC", "LINK", "AVAX", "DOT")
QUOTE: Final = "USDT"
SYMBOLS: Final = tuple(f"{coin}{QUOTE}" for coin in COINS)
#: Ids are as long as the real ones; a trade's number in the benchmark is its distance from here.
FIRST_ID: Final = 2_290_000_000_000_000_000

_TEXT_FRAME: Final = 0x81
_SHORT, _MEDIUM = 125, 65_535


def websocket_frame(payload: bytes) -> bytes:
    """Wrap a text message as a server sends it: one frame, not masked (RFC 6455, section 5.2)."""
    size = len(payload)
    if size <= _SHORT:
        return bytes((_TEXT_FRAME, size)) + payload
    if size <= _MEDIUM:
        return bytes((_TEXT_FRAME, 126)) + size.to_bytes(2) + payload
    return bytes((_TEXT_FRAME, 127)) + size.to_bytes(8) + payload


def message(symbol: str, first: int, count: int, time_ms: int) -> bytes:
    """Render a message with `count` trades numbered from `first`."""
    trades = ",".join(
        f'{{"i":"{FIRST_ID + number}","T":{time_ms},"p":"82680.{number % 90 + 10}",'
        f'"v":"0.00{number % 9000 + 1000}","S":"{"Buy" if number % 3 else "Sell"}",'
        f'"seq":{115_115_351_336 + number},"s":"{symbol}","BT":false,"RPI":false}}'
        for number in range(first, first + count)
    )
    return (
        f'{{"topic":"publicTrade.{symbol}","ts":{time_ms + 1},"type":"snapshot","data":[{trades}]}}'
    ).encode()


def frames(first: int, trades: int, per_frame: int, time_ms: int) -> Iterator[tuple[str, bytes]]:
    """Render (symbol, WebSocket frame) for the trades from `first` on, the symbols in turn."""
    for start in range(first, first + trades, per_frame):
        count = min(per_frame, first + trades - start)
        symbol = SYMBOLS[start // per_frame % len(SYMBOLS)]
        yield symbol, websocket_frame(message(symbol, start, count, time_ms))
