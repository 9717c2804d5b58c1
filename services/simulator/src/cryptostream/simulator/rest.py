"""Bybit's public market REST for spot, as pure functions from a query to its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cryptostream.simulator.instruments import Instrument, decimal_text
from cryptostream.simulator.klines import INTERVALS, kline_row, klines
from cryptostream.simulator.tape import BUY

if TYPE_CHECKING:
    from cryptostream.simulator.ledger import Book, Ledger

Query = Mapping[str, str]
MAX_RECENT_TRADES: Final = 60
MAX_KLINES: Final = 1000
DEFAULT_KLINES: Final = 200
PARAMS_ERROR: Final = 10001


class Rejected(Exception):  # noqa: N818 - a rejection is an answer, not an error of ours
    """The query gets this retCode and retMsg."""

    def __init__(self, message: str, code: int = PARAMS_ERROR) -> None:
        super().__init__(message)
        self.code = code


def server_time(_query: Query, _ledger: Ledger, now_ns: int) -> dict[str, Any]:
    """Answer `/v5/market/time`."""
    return {"timeSecond": str(now_ns // 10**9), "timeNano": str(now_ns)}


def instruments_info(query: Query, ledger: Ledger, _now_ns: int) -> dict[str, Any]:
    """Answer `/v5/market/instruments-info`; spot has no pages, and no row for a wrong symbol."""
    _check_category(query)
    wanted = query.get("symbol", "")
    rows = [
        _instrument_row(book.instrument, number)
        for number, (symbol, book) in enumerate(ledger.books.items(), start=1)
        if symbol in ledger.listed and wanted in {"", symbol}
    ]
    return {"category": "spot", "list": rows}


def recent_trades(query: Query, ledger: Ledger, _now_ns: int) -> dict[str, Any]:
    """Answer `/v5/market/recent-trade`: newest first, at most 60 on spot."""
    book = _book(query, ledger)
    limit = _whole(query, "limit", default=MAX_RECENT_TRADES, lowest=1, highest=MAX_RECENT_TRADES)
    instrument = book.instrument
    rows = [
        {
            "execId": str(entry.trade_id),
            "symbol": instrument.symbol,
            "price": decimal_text(entry.price, instrument.price_decimals),
            "size": decimal_text(entry.size, instrument.size_decimals),
            "side": "Buy" if entry.side == BUY else "Sell",
            "time": str(entry.time_ms),
            "isBlockTrade": False,
            "isRPITrade": entry.rpi,
            "seq": str(entry.seq),
        }
        for entry in book.newest(limit)
    ]
    return {"category": "spot", "list": rows}


def market_klines(query: Query, ledger: Ledger, now_ns: int) -> dict[str, Any]:
    """Answer `/v5/market/kline` newest first."""
    book = _book(query, ledger)
    span_ms = INTERVALS.get(query.get("interval", ""))
    if span_ms is None:
        raise Rejected("Invalid period!")
    now_ms = now_ns // 10**6
    limit = _whole(query, "limit", default=DEFAULT_KLINES, lowest=1, highest=MAX_KLINES)
    start = _whole(query, "start", default=0, lowest=0, highest=2**53)
    # Without an end the window begins at the start, if there is one.
    open_end = min(now_ms, start + (limit - 1) * span_ms) if "start" in query else now_ms
    end = min(_whole(query, "end", default=open_end, lowest=0, highest=2**53), now_ms)
    found = klines(book, start_ms=start, end_ms=end, limit=limit, span_ms=span_ms)
    rows = [kline_row(kline, book) for kline in found]
    return {"category": "spot", "symbol": book.instrument.symbol, "list": rows}


ROUTES: Final = {
    "/v5/market/time": server_time,
    "/v5/market/instruments-info": instruments_info,
    "/v5/market/recent-trade": recent_trades,
    "/v5/market/kline": market_klines,
}


def respond(path: str, query: Query, ledger: Ledger, now_ns: int) -> dict[str, Any]:
    """Answer one request in Bybit's envelope; `path` is one of `ROUTES`."""
    code, message = 0, "OK"
    try:
        result = ROUTES[path](query, ledger, now_ns)
    except Rejected as rejection:
        code, message, result = rejection.code, str(rejection), {}
    return {
        "retCode": code,
        "retMsg": message,
        "result": result,
        "retExtInfo": {},
        "time": now_ns // 10**6,
    }


def _check_category(query: Query) -> None:
    if query.get("category") != "spot":
        raise Rejected("params error: category is invalid")


def _book(query: Query, ledger: Ledger) -> Book:
    _check_category(query)
    book = ledger.listed.get(query.get("symbol", ""))
    if book is None:
        raise Rejected("params error: symbol invalid")
    return book


def _whole(query: Query, name: str, *, default: int, lowest: int, highest: int) -> int:
    """Read a whole number; one that is out of range is an error, as a wrong word is."""
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004
        raise Rejected(f"params error: {name} is invalid")
    if not lowest <= int(text) <= highest:
        raise Rejected(f"params error: {name} is invalid")
    return int(text)


def _instrument_row(instrument: Instrument, number: int) -> dict[str, Any]:
    """Describe an instrument with the fields and types of Bybit's spot row."""
    tick = decimal_text(1, instrument.price_decimals)
    lot = decimal_text(1, instrument.size_decimals)
    quote_step = decimal_text(1, instrument.price_decimals + instrument.size_decimals)
    largest = decimal_text(10**8, instrument.size_decimals)
    return {
        "symbolId": number,
        "symbol": instrument.symbol,
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": lot,
            "quotePrecision": quote_step,
            "minOrderQty": lot,
            "maxOrderQty": largest,
            "minOrderAmt": "5",
            "maxOrderAmt": "4000000",
            "maxLimitOrderQty": largest,
            "maxMarketOrderQty": largest,
            "postOnlyMaxLimitOrderSize": largest,
        },
        "priceFilter": {"tickSize": tick},
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "symbolType": "",
    }
