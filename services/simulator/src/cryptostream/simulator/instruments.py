"""What is traded: symbols with price levels, tick sizes and lot steps, and decimal text.

Prices are whole ticks and sizes whole lots everywhere inside the simulator, so sums are exact;
they become decimal strings only where Bybit's protocol wants them.
"""

from __future__ import annotations

from binascii import crc32
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from cryptostream.contracts.errors import SettingsError

#: Bybit's spot trade ids start with 220..229: one counter for each matching partition.
PARTITIONS: Final = 10
QUOTES: Final = ("USDT", "USDC", "EUR", "BTC", "ETH")
#: Partitions of real symbols, as seen in recorded frames.
_SEEN_PARTITIONS: Final = {"BTCUSDT": 9, "ETHUSDT": 8, "SOLUSDT": 1, "OPUSDT": 2}


@dataclass(frozen=True, slots=True)
class Instrument:
    """A spot pair.

    Attributes:
        price_decimals: prices are multiples of 10 ** -price_decimals, the tick.
        size_decimals: sizes are multiples of 10 ** -size_decimals base units, the lot.
        start_ticks: price level at which the market model starts, in ticks.
        volatility_bps: standard deviation of the mid over one second, basis points.
        spread_ticks: best ask minus best bid, constant.
        level_ticks: distance between two price levels of the book.
        order_usd: median notional of a taker order, quote units.
    """

    symbol: str
    price_decimals: int
    size_decimals: int
    start_ticks: int = 1
    volatility_bps: float = 1.0
    spread_ticks: int = 1
    level_ticks: int = 1
    order_usd: float = 300.0

    @property
    def quote(self) -> str:
        """The quote coin, such as `USDT`; empty where the name doesn't show it."""
        return next((quote for quote in QUOTES if self.symbol.endswith(quote)), "")

    @property
    def base(self) -> str:
        """The base coin, such as `BTC`."""
        return self.symbol.removesuffix(self.quote)

    @property
    def partition(self) -> int:
        """The matching partition, 0..9, whose counter numbers the symbol's trades."""
        return _partition(self.symbol)


@lru_cache(maxsize=4096)
def _partition(symbol: str) -> int:
    known = _SEEN_PARTITIONS.get(symbol)
    return crc32(symbol.encode()) % PARTITIONS if known is None else known


def _pair(  # noqa: PLR0917 - the rows of a table
    symbol: str, price: str, tick: str, lot: str, bps: float, levels: int, usd: float
) -> Instrument:
    """Write an instrument down the way an exchange lists it."""
    return Instrument(
        symbol=symbol,
        price_decimals=_decimals(tick),
        size_decimals=_decimals(lot),
        start_ticks=int(Decimal(price) / Decimal(tick)),
        volatility_bps=bps,
        level_ticks=levels,
        order_usd=usd,
    )


def _decimals(step: str) -> int:
    return len(step.partition(".")[2])


#: In order of activity, busiest first. Levels, ticks and lots resemble Bybit's of late 2026.
UNIVERSE: Final = (
    _pair("BTCUSDT", "82680", "0.1", "0.000001", 0.7, 5, 400.0),
    _pair("ETHUSDT", "2920", "0.01", "0.00001", 0.9, 5, 350.0),
    _pair("SOLUSDT", "168.40", "0.01", "0.001", 1.1, 1, 250.0),
    _pair("XRPUSDT", "2.2150", "0.0001", "0.01", 1.1, 2, 250.0),
    _pair("DOGEUSDT", "0.18450", "0.00001", "0.1", 1.3, 2, 200.0),
    _pair("BNBUSDT", "812.5", "0.1", "0.0001", 0.9, 1, 250.0),
    _pair("ADAUSDT", "0.5230", "0.0001", "0.01", 1.3, 1, 150.0),
    _pair("SUIUSDT", "2.0460", "0.0001", "0.01", 1.5, 2, 150.0),
    _pair("LINKUSDT", "15.120", "0.001", "0.001", 1.3, 4, 150.0),
    _pair("AVAXUSDT", "19.250", "0.001", "0.001", 1.4, 4, 150.0),
    _pair("LTCUSDT", "94.20", "0.01", "0.00001", 1.2, 2, 150.0),
    _pair("PEPEUSDT", "0.0000068400", "0.0000000001", "1", 1.8, 20, 120.0),
    _pair("DOTUSDT", "3.1240", "0.0001", "0.001", 1.3, 2, 120.0),
    _pair("OPUSDT", "0.41250", "0.00001", "0.01", 1.6, 10, 100.0),
    _pair("ARBUSDT", "0.28730", "0.00001", "0.01", 1.6, 6, 100.0),
    _pair("NEARUSDT", "2.3110", "0.0001", "0.01", 1.5, 3, 100.0),
)
DEFAULT_COUNT: Final = 12


def choose_instruments(names: tuple[str, ...]) -> tuple[Instrument, ...]:
    """Give the named instruments, or the default universe if none is named.

    Raises:
        SettingsError: a name is unknown or given twice.
    """
    if not names:
        return UNIVERSE[:DEFAULT_COUNT]
    known = {instrument.symbol: instrument for instrument in UNIVERSE}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(
            f"Unknown symbols: {', '.join(unknown)}; the simulator knows {', '.join(known)}"
        )
    if len(set(names)) < len(names):
        raise SettingsError(f"Symbols given twice in {','.join(names)}")
    return tuple(known[name] for name in names)


def decimal_text(units: int, decimals: int) -> str:
    """Write whole units of 10 ** -decimals as Bybit does: no exponent, no trailing zeros."""
    if not decimals:
        return str(units)
    digits = str(units).zfill(decimals + 1)
    fraction = digits[-decimals:].rstrip("0")
    return f"{digits[:-decimals]}.{fraction}" if fraction else digits[:-decimals]
