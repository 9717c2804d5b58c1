"""Trades of the past -> documents of the `history` kind, with the stream's own `Rolling`. Pure."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from cryptostream.contracts.indices import index_name
from cryptostream.stream.documents import Action
from cryptostream.stream.rolling import FINEST_MS, Rolling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cryptostream.stream.history.request import Request

#: (exchange, category).
Market = tuple[str, str]
#: The reference's price at the end of each of its finest buckets: (time, price), in order.
Tape = list[tuple[int, float]]


class Row(NamedTuple):
    """A trade, as the sources give it; rows come sorted by all of it up to `trade_id`."""

    exchange: str
    category: str
    symbol: str
    trade_time: int
    seq: int
    partition: int
    offset: int
    trade_id: str
    price: float
    size: float
    side: int


def replay(
    rows: Iterable[Row], request: Request, *, since_ms: int, tapes: Mapping[Market, Tape]
) -> Iterator[dict[str, Any]]:
    """Give the documents of each symbol at each moment since its first trade, in order.

    `since_ms` is since when the source has trades: windows that began earlier are not warm.
    """
    for (exchange, category, symbol), trades in groupby(rows, key=itemgetter(0, 1, 2)):
        instrument = {"exchange": exchange, "category": category, "symbol": symbol}
        tape = [] if symbol == request.reference else tapes.get((exchange, category), [])
        reference = Reference(request.reference, tape)
        yield from _symbol(distinct(trades), request, instrument, reference, since_ms)


class Reference:
    """The reference symbol's prices, played up to each moment."""

    def __init__(self, symbol: str, tape: Sequence[tuple[int, float]]) -> None:
        self.symbol = symbol
        self._tape = tape
        self._at = 0
        self._rolling = Rolling()

    def until(self, now_ms: int) -> Rolling | None:
        """Give it with all its prices before `now_ms`; None without any price."""
        while self._at < len(self._tape) and self._tape[self._at][0] < now_ms:
            time_ms, price = self._tape[self._at]
            self._rolling.add(time_ms, price, 1.0, 1)
            self._at += 1
        return self._rolling if self._tape else None


def tape_of(rows: Iterable[Row]) -> Iterator[tuple[int, float]]:
    """Give time and price of the last trade in each of the finest buckets of one symbol.

    For what closes decide, playing it is the same as playing every trade.
    """
    last: Row | None = None
    for row in distinct(rows):
        if last is not None and row.trade_time // FINEST_MS != last.trade_time // FINEST_MS:
            yield last.trade_time, last.price
        last = row
    if last is not None:
        yield last.trade_time, last.price


def distinct(rows: Iterable[Row]) -> Iterator[Row]:
    """Leave out a trade that came before; copies share its time, so few ids are held."""
    time_ms, ids = -1, set[str]()
    for row in rows:
        if row.trade_time != time_ms:
            time_ms, ids = row.trade_time, set()
        if row.trade_id not in ids:
            ids.add(row.trade_id)
            yield row


def _symbol(
    trades: Iterable[Row],
    request: Request,
    instrument: dict[str, str],
    reference: Reference,
    since_ms: int,
) -> Iterator[dict[str, Any]]:
    rolling, moments = Rolling(since_ms=since_ms), request.moments()
    moment, started = next(moments, None), False
    for row in trades:
        while moment is not None and moment <= row.trade_time:
            if started:
                yield from _documents(rolling, request, instrument, reference, moment)
            moment = next(moments, None)
        rolling.add(row.trade_time, row.price, row.size, row.side)
        started = True
    while moment is not None:
        yield from _documents(rolling, request, instrument, reference, moment)
        moment = next(moments, None)


def _documents(
    rolling: Rolling,
    request: Request,
    instrument: dict[str, str],
    reference: Reference,
    moment: int,
) -> Iterator[dict[str, Any]]:
    other = reference.until(moment)
    named = {} if other is None else {"reference": reference.symbol}
    for window in request.windows:
        found = rolling.statistic(window, moment, other)
        yield {**instrument, **found, **named, "run": request.run}


def history_action(document: Mapping[str, Any]) -> Action:
    """Write a document whole under `run:exchange:category:symbol:window:time`."""
    parts = ("run", "exchange", "category", "symbol", "window", "time")
    identity = ":".join(str(document[part]) for part in parts)
    index = index_name("history", document["time"])
    header = orjson.dumps({"index": {"_index": index, "_id": identity}})
    return Action(header + b"\n", orjson.dumps(document) + b"\n")
