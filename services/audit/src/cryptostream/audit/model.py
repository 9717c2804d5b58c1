"""What is compared: candles and trades, as both sides tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of one symbol: prices and turnover in quote units, volume in base units."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float


class Key(NamedTuple):
    """What a dump and a document both know of a trade; it need not be unique.

    `time` is epoch milliseconds, `price` and `size` are the doubles nearest to the exchange's
    decimals, `side` is `buy` or `sell`.
    """

    time: int
    price: float
    size: float
    side: str


class Row(NamedTuple):
    """A row of a dump: `number` counts the rows of one millisecond in the file's order, from 0."""

    key: Key
    number: int
    rpi: bool


class Stored(NamedTuple):
    """A stored trade; `trade_id` tells whether it came from a dump, and from which row."""

    key: Key
    trade_id: str
